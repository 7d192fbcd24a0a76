"""Plain text and bytes, as they are.

Lives here: which items have a text. Stays out: any framing; this wire has none, so an error
cannot be told on it and the body is broken off instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock._chunk import Chunk, is_error, is_text
from penstock.errors import Problem, UnsupportedItem
from penstock.event import Event
from penstock.formats._items import PLAIN_HEADERS, fixed, http_error
from penstock.formats._json import utf8
from penstock.types import HeaderValues

__all__ = ("Text", "TextEncoder")


@dataclass(frozen=True)
class Text:
    """The text format: str as UTF-8, bytes untouched, of a model's answer its text only."""

    name: str = fixed("text")
    content_type: str = fixed("text/plain; charset=utf-8")
    keep_alive: float | None = fixed(None)

    @property
    def headers(self) -> HeaderValues:
        return PLAIN_HEADERS

    def encoder(self, *, end_mark: bool) -> TextEncoder:
        """Return the encoder of one stream. The end of the body is the only end mark here."""
        return TextEncoder()


class TextEncoder:
    """Turns one stream's items into text."""

    __slots__ = ()

    def open(self) -> bytes:
        return b""

    def item(self, item: Any) -> bytes:
        if isinstance(item, str):
            return utf8(item)
        if isinstance(item, (bytes, bytearray, memoryview)):
            return bytes(item)
        if isinstance(item, Chunk):
            return _chunk_text(item)
        if isinstance(item, Event):
            return _event_text(item)
        raise UnsupportedItem(item, "text", "yield str or bytes, or use sse or ndjson")

    def control(self, kind: str) -> bytes:
        return b""

    def keep_alive(self) -> bytes:
        return b""

    def error(self, problem: Problem) -> None:
        return None

    def close(self, ending: str) -> bytes | None:
        return None if ending == "shutdown" else b""


def _chunk_text(chunk: Chunk) -> bytes:
    if is_error(chunk):
        raise http_error(chunk)
    return utf8(chunk.content) if is_text(chunk) else b""


def _event_text(event: Event) -> bytes:
    if event.is_bare:
        return b""
    if isinstance(event.data, str):
        return utf8(event.data)
    hint = f"its data is {type(event.data).__name__}, not str"
    raise UnsupportedItem(event, "text", hint)
