"""Wire formats: values to bytes and back, pure.

Lives here: server-sent events, NDJSON, plain text, each a small frozen object that makes the
encoder of one stream, and the decoders; each is loaded when it is named.
Stays out: transports, time, frameworks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penstock.formats._items import END_ID
from penstock.formats._registry import UNSET, NamedFormat, Unset, get_format

if TYPE_CHECKING:
    from penstock.formats.ndjson import Ndjson, format_ndjson
    from penstock.formats.ndjson_decoder import NdjsonDecoder
    from penstock.formats.sse import Sse, format_sse
    from penstock.formats.sse_decoder import SseDecoder
    from penstock.formats.text import Text

_LATE = {
    "Ndjson": "ndjson",
    "NdjsonDecoder": "ndjson_decoder",
    "Sse": "sse",
    "SseDecoder": "sse_decoder",
    "Text": "text",
    "format_ndjson": "ndjson",
    "format_sse": "sse",
}

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


def __getattr__(name: str) -> Any:
    module = _LATE.get(name)
    if module is None:
        raise AttributeError(f"module 'penstock.formats' has no attribute {name!r}")
    value = getattr(import_module(f"penstock.formats.{module}"), name)
    globals()[name] = value
    return value
