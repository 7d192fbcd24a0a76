"""NDJSON: one JSON value a line.

Lives here: items to lines. Source: the NDJSON specification 1.0, also known as JSON Lines.
Stays out: reading them (``ndjson_decoder``); time, tasks and sockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock._chunk import Chunk, is_error
from penstock.errors import NotSerializable, Problem, UnsupportedItem
from penstock.event import Event, ServerSentEvent
from penstock.formats._items import (
    PLAIN_HEADERS,
    check_serializer,
    fixed,
    http_error,
    problem_json,
    problem_of,
    serialized,
)
from penstock.formats._json import dumps, utf8
from penstock.types import HeaderValues, Serializer

__all__ = ("Ndjson", "NdjsonEncoder", "format_ndjson")


def format_ndjson(item: Any, *, serializer: Serializer | None = None) -> bytes:
    """Return one item as a line of compact JSON; of an ``Event``, its data.

    Args:
        item: Any value that JSON can carry. An ``Event`` with nothing to dispatch has no line.
        serializer: Makes the line's text of every value.

    Raises:
        NotSerializable: The item holds what JSON cannot carry, or ``serializer`` made a text that
            is not one line.
        UnsupportedItem: The item is bytes or a received event.
    """
    if is_error(item):
        return _error_line(problem_of(item))
    return _encode(item, serializer)


@dataclass(frozen=True)
class Ndjson:
    """The ``application/x-ndjson`` format, which is also called jsonl and nljson.

    Args:
        serializer: Makes the line's text of every value, in place of compact JSON.
    """

    name: str = fixed("ndjson")
    content_type: str = fixed("application/x-ndjson")
    keep_alive: float | None = fixed(None)

    serializer: Serializer | None = None

    def __post_init__(self) -> None:
        check_serializer(self.serializer)

    @property
    def headers(self) -> HeaderValues:
        return PLAIN_HEADERS

    def encoder(self, *, end_mark: bool) -> NdjsonEncoder:
        """Return the encoder of one stream. The end of the body is the only end mark here."""
        return NdjsonEncoder(self.serializer)


class NdjsonEncoder:
    """Turns one stream's items into lines of JSON."""

    __slots__ = ("_serializer",)

    def __init__(self, serializer: Serializer | None) -> None:
        self._serializer = serializer

    def open(self) -> bytes:
        return b""

    def item(self, item: Any) -> bytes:
        if is_error(item):
            raise http_error(item)
        return _encode(item, self._serializer)

    def control(self, kind: str) -> bytes:
        return b""

    def keep_alive(self) -> bytes:
        return b"\n"

    def error(self, problem: Problem) -> bytes:
        return _error_line(problem)

    def close(self, ending: str) -> bytes | None:
        # No goodbye: an answer that was cut off would look like one that is complete.
        return None if ending == "shutdown" else b""


def _encode(item: Any, serializer: Serializer | None) -> bytes:
    if isinstance(item, Event):
        if item.is_bare:
            return b""
        item = item.data
    elif isinstance(item, Chunk):
        item = item.to_dict()
    elif isinstance(item, (bytes, bytearray, memoryview)):
        raise UnsupportedItem(item, "ndjson", "decode it, or use the text format")
    elif isinstance(item, ServerSentEvent):
        raise UnsupportedItem(item, "ndjson", "yield its data, or its json()")
    if serializer is None:
        return dumps(item) + b"\n"
    text = serialized(item, serializer)
    if not text.strip() or "\n" in text or "\r" in text:
        reason = "serializer= must return one line of JSON"
        raise NotSerializable("$", type(item).__name__, reason)
    return utf8(text) + b"\n"


def _error_line(problem: Problem) -> bytes:
    return b'{"error":%b}\n' % problem_json(problem)
