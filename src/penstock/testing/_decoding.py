"""From a content type to what turns the body's chunks into events.

Lives here: the choice, and the two decoders of bodies that have no events: text and bytes.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from penstock.formats import NdjsonDecoder, SseDecoder

__all__ = ("Decoder", "decoder_for")

_NDJSON = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
)
_utf8_decoder = getincrementaldecoder("utf-8")


class Decoder(Protocol):
    """Turns a body's chunks into events."""

    def feed(self, chunk: bytes, /) -> Sequence[Any]:
        """Return the events that ``chunk`` completes."""
        ...

    def close(self) -> Sequence[Any]:
        """End the body; return what was still unfinished and counts as an event."""
        ...


class _Text:
    """A chunk is an event; no character is cut in two."""

    def __init__(self) -> None:
        self._decode = _utf8_decoder(errors="replace").decode

    def feed(self, chunk: bytes) -> list[str]:
        text = self._decode(chunk)
        return [text] if text else []

    def close(self) -> list[str]:
        text = self._decode(b"", True)
        return [text] if text else []


class _Bytes:
    """A chunk is an event."""

    def feed(self, chunk: bytes) -> list[bytes]:
        return [chunk]

    def close(self) -> list[bytes]:
        return []


def decoder_for(content_type: str, on_comment: Callable[[str], object]) -> Decoder:
    """Return the decoder for a body of ``content_type``.

    SSE gives ``ServerSentEvent``, NDJSON values, other text one ``str`` per chunk, the rest one
    ``bytes`` per chunk.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return SseDecoder(on_comment=on_comment)
    if kind in _NDJSON:
        return NdjsonDecoder()
    return _Text() if kind.startswith("text/") else _Bytes()
