"""The stream that a handler writes to, in the manner of AWS's runtime for Node.js.

Lives here: ``ResponseStream``, and the metadata of an HTTP response.
Stays out: how raw and formatted writes share a wire (``mixed.py``), who calls the handler.

What is written before the response is on its way is held, within the bound of every stream.

Source: AWS Lambda developer guide, "Response streaming"; the names are the Node.js runtime's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Mapping, Sequence
from typing import Any, TypedDict

from penstock.aws.http_events import LambdaRequest
from penstock.aws.mixed import Encoded, MixedEncoder
from penstock.core.ending import Ending
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.producer import Capacity, Feed
from penstock.errors import HeadAlreadySent, InvalidOption, Overflow, StreamClosed, UsageError

__all__ = ("HttpMetadata", "HttpResponseStream", "ResponseStream", "apply_metadata")

# As of an outbox: what may wait before the stream takes it.
_MAX_EARLY_BYTES = 64 * 1024
_MAX_EARLY = 1024


class HttpMetadata(TypedDict, total=False):
    """Status, headers and cookies of an HTTP response, in AWS's names."""

    statusCode: int
    headers: Mapping[str, str | int | Sequence[str]]
    cookies: Sequence[str]


class ResponseStream:
    """What a handler writes its response to: ``context.response_stream``.

    ``write`` and ``end`` act at the call; await them, and the caller's pace is the handler's.

    Args:
        encoder: How what is no text is written.
        head: Status and headers, which may change until the first write.
        writable: False: the handler yields, and does not write.
    """

    def __init__(self, encoder: MixedEncoder, head: Head, *, writable: bool = True) -> None:
        self.encoder, self.head, self._writable = encoder, head, writable
        self._feed: Feed | None = None
        self._early: list[bytes] = []
        self._early_size = 0
        self._attached = asyncio.get_running_loop().create_future()
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.host: LambdaRequest | None = None  # told of metadata: then there is a prelude

    @property
    def format(self) -> Format:
        """How what is no text is written."""
        return self.encoder.format

    @property
    def is_open(self) -> bool:
        """Whether it can be written to."""
        return not self.ended.done() and self._writable

    def write(self, data: Any) -> Awaitable[None]:
        """Write ``data``: str and bytes as they are, anything else in the handler's format.

        Raises:
            StreamClosed: The response has ended.
            Overflow: Too much waits, and earlier writes were not awaited.
            UnsupportedItem, NotSerializable: The format does not write such an object.
        """
        if isinstance(data, str):
            data = data.encode()
        if isinstance(data, (bytes, bytearray, memoryview)):
            self._check()
            return self._put(self.encoder.raw(bytes(data)))
        return self.write_item(data)

    def write_item(self, item: Any) -> Awaitable[None]:
        """Write ``item`` in the handler's format, text too; raises as ``write`` does."""
        self._check()
        return self._put(self.encoder.formatted(item))

    def end(self, data: Any = None) -> Awaitable[None]:
        """Write ``data``, if given, and end the response; ending it again is harmless.

        Raises:
            StreamClosed: There is data, and the response has ended.
        """
        written = self.write(data) if data is not None else None
        if not self.ended.done():
            self.ended.set_result(None)
        self.begin()
        return written if written is not None else _Written(self)

    def set_content_type(self, content_type: str) -> None:
        """Name the body, before the first write.

        Raises:
            HeadAlreadySent: Something was written.
        """
        self._change("the content type")
        self.head.headers["content-type"] = content_type

    def set_metadata(self, metadata: HttpMetadata | Mapping[str, Any]) -> None:
        """Set status, headers and cookies; see ``HttpResponseStream.from_``."""
        self._change("the metadata")
        apply_metadata(self.head, metadata)
        if self.host is not None:
            self.host.has_prelude = True

    def absorb(self, head: Head) -> None:
        """Take over the head of a stream that is to be written here, while that is possible."""
        if self.begun.done():
            return
        self.head.status = head.status
        for name in head.headers:
            self.head.headers.pop(name)
        for name, value in head.headers.items():
            self.head.headers.add(name, value)

    def attach(self, feed: Feed) -> None:
        """The response is on its way: what waits goes first."""
        self._feed = feed
        early, self._early = self._early, []
        for data in early:
            feed.put(Encoded(data))
        if not self.ended.done():
            feed.commit()
        if not self._attached.done():
            self._attached.set_result(None)

    def stop(self, ending: Ending) -> None:
        """End the response, ``ending`` being why."""
        if self._feed is not None:
            self._feed.stop(ending)
        else:
            self.end()

    def close(self) -> None:
        """Nothing is taken any more, and nobody waits: the response is over, or another."""
        for each in (self.ended, self._attached):
            if not each.done():
                each.set_result(None)

    def _check(self) -> None:
        if not self._writable:
            raise UsageError("a handler that yields does not write to its response stream: yield")
        if self.ended.done():
            raise StreamClosed("the response has ended")

    def _change(self, what: str) -> None:
        if self.begun.done() or self.head.is_committed:
            raise HeadAlreadySent(what)

    def begin(self) -> None:
        """Let the head leave."""
        if not self.begun.done():
            self.begun.set_result(None)

    def _put(self, data: bytes) -> Awaitable[None]:
        if not data:
            return _Written(self)
        self.begin()
        if self._feed is not None:
            return self._feed.put_unasked(Encoded(data))
        # One write may exceed the bound, as in an outbox; the next must wait.
        if self._early_size >= _MAX_EARLY_BYTES or len(self._early) >= _MAX_EARLY:
            raise Overflow("too much was written at once: await response_stream.write(...)")
        self._early.append(data)
        self._early_size += len(data)
        return _Written(self)

    async def _room(self) -> None:
        await asyncio.shield(self._attached)
        if self._feed is not None:
            await Capacity(self._feed.outbox)


class _Written:
    """What a write returns while the response has not begun; need not be awaited."""

    __slots__ = ("_stream",)

    def __init__(self, stream: ResponseStream) -> None:
        self._stream = stream

    def __await__(self) -> Generator[Any, None, None]:
        if self._stream.begun.done():
            yield from self._stream._room().__await__()


class HttpResponseStream:
    """Status, headers and cookies for a response stream; the name is the Node.js runtime's."""

    @staticmethod
    def from_(
        response_stream: ResponseStream, metadata: HttpMetadata | Mapping[str, Any]
    ) -> ResponseStream:
        """Give ``response_stream`` the ``metadata`` of an HTTP response, and return it.

        Args:
            response_stream: The handler's.
            metadata: ``statusCode``, ``headers``, ``cookies``.

        Raises:
            HeadAlreadySent: Something was written.
            InvalidOption, InvalidField: What cannot be sent.
        """
        response_stream.set_metadata(metadata)
        return response_stream


def apply_metadata(head: Head, metadata: Mapping[str, Any]) -> None:
    """Put AWS's ``statusCode``, ``headers``, ``multiValueHeaders`` and ``cookies`` on ``head``.

    Raises:
        InvalidOption, InvalidField: One of them cannot be sent.
    """
    if metadata.get("statusCode") is not None:
        head.status = _status(metadata["statusCode"])
    for key in ("headers", "multiValueHeaders"):
        given = metadata.get(key) or {}
        if not isinstance(given, Mapping):
            raise InvalidOption(key, given, "a mapping of names to values")
        head.headers.apply({str(name): _header(value) for name, value in given.items()})
    cookies = metadata.get("cookies") or ()
    if isinstance(cookies, str) or not isinstance(cookies, Sequence):
        raise InvalidOption("cookies", cookies, "a list of Set-Cookie values")
    for cookie in cookies:
        head.headers.add("set-cookie", cookie)


def _status(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _header(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value
