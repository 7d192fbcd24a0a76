"""Wire formats: values to bytes and back, pure.

Lives here: server-sent events, NDJSON, plain text, each a small frozen object that makes the
encoder of one stream, and the decoders; what chat front ends read is loaded when it is named.
Stays out: transports, time, frameworks.
"""

from __future__ import annotations

from penstock.formats._items import END_ID
from penstock.formats._registry import UNSET, NamedFormat, Unset, get_format
from penstock.formats.ndjson import Ndjson, format_ndjson
from penstock.formats.ndjson_decoder import NdjsonDecoder
from penstock.formats.sse import Sse, format_sse
from penstock.formats.sse_decoder import SseDecoder
from penstock.formats.text import Text

__all__ = (
    "END_ID",
    "UNSET",
    "NamedFormat",
    "Ndjson",
    "NdjsonDecoder",
    "Sse",
    "SseDecoder",
    "Text",
    "Unset",
    "format_ndjson",
    "format_sse",
    "get_format",
)
