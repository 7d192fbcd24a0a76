"""Raw writes and formatted items on one wire.

Lives here: formats whose text and bytes stand as they are, and the watch over event boundaries:
a keep-alive or an error may only follow a whole event.
Stays out: the stream that is written to (``response_stream.py``).
"""

from __future__ import annotations

from typing import Any

from penstock._chunk import Chunk
from penstock.core.ending import Ending
from penstock.core.format import Encoder, Format
from penstock.core.head import Head
from penstock.core.options import StreamOptions
from penstock.core.producer import Producer
from penstock.core.response import Streaming
from penstock.errors import Problem
from penstock.event import Event
from penstock.formats import get_format
from penstock.formats._json import dumps
from penstock.types import HeaderValues

__all__ = ("Encoded", "Mixed", "MixedEncoder", "Raw", "written_response")


class Encoded:
    """Bytes that are the wire's already."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Raw:
    """Text and bytes as they are, other values as JSON: the Node.js runtime's own writes."""

    __slots__ = ()
    name = "raw"
    content_type = "application/octet-stream"
    keep_alive = None

    @property
    def headers(self) -> HeaderValues:
        return {}

    def encoder(self, *, end_mark: bool) -> Encoder:
        return RawEncoder()


class RawEncoder:
    def __init__(self) -> None:
        self._text = get_format("text").encoder(end_mark=False)

    def open(self) -> bytes:
        return b""

    def item(self, item: Any) -> bytes:
        if isinstance(item, (str, bytes, bytearray, memoryview, Chunk, Event)):
            return self._text.item(item)
        return dumps(item)

    def control(self, kind: str) -> bytes:
        return b""

    def error(self, problem: Problem) -> bytes | None:
        return None

    def keep_alive(self) -> bytes:
        return b""

    def close(self, ending: Ending) -> bytes | None:
        return self._text.close(ending)


class Mixed:
    """A format whose text and bytes are raw: what a handler writes or returns, not yields."""

    __slots__ = ("inner",)

    def __init__(self, inner: Format) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def content_type(self) -> str:
        return self.inner.content_type

    @property
    def headers(self) -> HeaderValues:
        return self.inner.headers

    @property
    def keep_alive(self) -> float | None:
        return self.inner.keep_alive

    def encoder(self, *, end_mark: bool) -> MixedEncoder:
        return MixedEncoder(self.inner, end_mark=end_mark)


class MixedEncoder:
    """Knows whether what was written ends at an event boundary; only there can more be said."""

    __slots__ = ("_boundaries", "_inner", "_tail", "format")

    def __init__(self, format: Format, *, end_mark: bool = False) -> None:
        self.format = format
        self._inner = format.encoder(end_mark=end_mark)
        kind = format.content_type
        if kind.startswith("text/event-stream"):
            self._boundaries: tuple[bytes, ...] = (b"\n\n", b"\r\n\r\n", b"\r\r")
        else:
            self._boundaries = (b"\n",) if "ndjson" in kind or "jsonl" in kind else ()
        self._tail: bytes | None = None  # of raw bytes; None: at a boundary

    @property
    def takes_ids(self) -> bool:
        """Whether items that a log numbered may be written with their ids."""
        return getattr(self._inner, "takes_ids", False)

    @property
    def is_at_boundary(self) -> bool:
        return self._tail is None or self._tail.endswith(self._boundaries)

    def raw(self, data: bytes) -> bytes:
        """Note that ``data`` is written as it is."""
        if data:
            self._tail = ((self._tail or b"") + data[-4:])[-4:]
        return data

    def formatted(self, item: Any) -> bytes:
        """Return ``item`` in the format."""
        data = self._inner.item(item)
        if data:
            self._tail = None
        return data

    def open(self) -> bytes:
        return self._inner.open()

    def item(self, item: Any) -> bytes:
        if isinstance(item, Encoded):
            return item.data
        if isinstance(item, str):
            return self.raw(item.encode())
        if isinstance(item, (bytes, bytearray, memoryview)):
            return self.raw(bytes(item))
        return self.formatted(item)

    def control(self, kind: str) -> bytes:
        return self._inner.control(kind) if self.is_at_boundary else b""

    def error(self, problem: Problem) -> bytes | None:
        return self._inner.error(problem) if self.is_at_boundary else None

    def keep_alive(self) -> bytes:
        return self._inner.keep_alive() if self.is_at_boundary else b""

    def close(self, ending: Ending) -> bytes | None:
        if self.is_at_boundary:
            return self._inner.close(ending)
        return None if ending is Ending.SHUTDOWN else b""


class OneEncoder:
    """A format of one stream: its encoder is the one that the handler has written by."""

    def __init__(self, format: Format, encoder: MixedEncoder) -> None:
        self.name, self.content_type = format.name, format.content_type
        self.headers, self.keep_alive = format.headers, format.keep_alive
        self._encoder = encoder

    def encoder(self, *, end_mark: bool) -> Encoder:
        return self._encoder


def written_response(
    producer: Producer, format: Format, encoder: MixedEncoder, options: StreamOptions, head: Head
) -> Streaming:
    """Return the response that a handler writes by ``encoder``."""
    one = OneEncoder(format, encoder)
    return Streaming(producer, one, options, head, end_mark=False)
