"""Wire formats: values to bytes and back, pure.

Lives here: server-sent events, NDJSON, plain text and what chat front ends read, each a small
frozen object that makes the encoder of one stream; and the decoders.
Stays out: transports, time, frameworks.
"""

from __future__ import annotations

from penstock.formats._items import END_ID
from penstock.formats._registry import UNSET, NamedFormat, Unset, get_format
from penstock.formats.ndjson import Ndjson, format_ndjson
from penstock.formats.ndjson_decoder import NdjsonDecoder
from penstock.formats.openai_chunks import OpenAIChunks
from penstock.formats.sse import Sse, format_sse
from penstock.formats.sse_decoder import SseDecoder
from penstock.formats.text import Text
from penstock.formats.ui_message_stream import UiMessageStream

__all__ = (
    "END_ID",
    "UNSET",
    "NamedFormat",
    "Ndjson",
    "NdjsonDecoder",
    "OpenAIChunks",
    "Sse",
    "SseDecoder",
    "Text",
    "UiMessageStream",
    "Unset",
    "format_ndjson",
    "format_sse",
    "get_format",
)
