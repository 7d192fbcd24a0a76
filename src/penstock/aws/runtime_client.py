"""A connection to the Lambda Runtime API: one response, streamed.

Lives here: the socket. Its pace is the producer's, and an answer that comes before the end is
noticed. Stays out: the bytes (``runtime_api.py``), what is streamed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import cast
from weakref import WeakKeyDictionary

from penstock.aws.runtime_api import (
    ApiReply,
    FunctionError,
    ReplyReader,
    chunk,
    last_chunk,
    response_head,
)
from penstock.errors import PeerError, TransportError

__all__ = ("ResponsePost", "RuntimeApiError")

_ACCEPTED = 202
# Bytes that may wait for the socket before the producer does.
_HIGH_WATER = 64 * 1024
# Bytes from which a copy costs more than a system call of ours. Windows has no writev.
_LARGE = 16 * 1024 if hasattr(os, "writev") else sys.maxsize


# The connection that the last response on each loop went by.
_idle: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[str, ResponsePost]] = WeakKeyDictionary()


class RuntimeApiError(TransportError):
    """The Runtime API refused a response, or went away.

    Attributes:
        status: HTTP status it answered with; None when it closed the connection.
        body: What it said.
    """

    def __init__(self, what: str, reply: ApiReply | None = None) -> None:
        self.status = reply.status if reply is not None else None
        self.body = reply.body if reply is not None else b""
        said = f": {self.status} {self.body[:500]!r}" if reply is not None else ""
        super().__init__(f"{what}{said}")


class ResponsePost(asyncio.Protocol):
    """The POST of one response, as a stream.

    Made by ``ResponsePost.open``. Nothing leaves before the first ``write``, or ``finish``.
    """

    def __init__(self, address: str, head: bytes) -> None:
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._begin(head)

    def _begin(self, head: bytes) -> None:
        self._head: bytes | None = head
        self._reader = ReplyReader()
        self._reply: asyncio.Future[ApiReply] = asyncio.get_running_loop().create_future()
        self._news: asyncio.Future[None] | None = None  # the socket takes more, or an answer came
        self._finished = False

    @classmethod
    async def open(
        cls, address: str, request_id: str, content_type: str, invocation_id: str | None = None
    ) -> ResponsePost:
        """Connect to the Runtime API at ``address`` (``host:port``), or take the last connection.

        Raises:
            RuntimeApiError: Nobody listens there.
        """
        host, _, port = address.rpartition(":")
        head = response_head(address, request_id, content_type, invocation_id)
        loop = asyncio.get_running_loop()
        last, idle = _idle.pop(loop, (None, None))
        if idle is not None and last == address and idle._is_alive():
            idle._begin(head)
            return idle
        if idle is not None:
            idle._drop()
        try:
            _, post = await loop.create_connection(
                lambda: cls(address, head), host or address, int(port)
            )
        except OSError as exc:
            raise RuntimeApiError(f"no Runtime API at {address} ({exc})") from exc
        return post

    @property
    def was_refused(self) -> bool:
        """Whether the API has answered, or gone, before the response was over."""
        return self._reply.done()

    async def write(self, data: bytes) -> None:
        """Send ``data`` as one chunk; return when the socket has room for more.

        Raises:
            RuntimeApiError: The API has answered already, or gone.
        """
        self._check()
        if len(data) < _LARGE or not self._send_uncopied(data):
            self._send(chunk(data))  # copied, and one system call: cheaper than three
        if self._news is not None:
            await self._news
            self._check()

    def finish(self, error: FunctionError | None = None, data: bytes = b"") -> None:
        """End the response, after ``data`` and with the trailers that tell of ``error``.

        Raises:
            RuntimeApiError: The API has answered already, or gone.
        """
        self._check()
        self._finished = True
        self._send(chunk(data) + last_chunk(error))

    async def accepted(self) -> None:
        """Return when the API has taken the response, whole.

        It answers when the whole body was passed on: at the caller's pace, and with no limit of
        ours.

        Raises:
            RuntimeApiError: It refused it, or went away.
        """
        while not self._reply.done():
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        reply = self._reply.result()
        if reply.status != _ACCEPTED:
            raise RuntimeApiError("the Runtime API refused the response", reply)

    async def close(self) -> None:
        """Keep the connection for the next response, or drop it where this one was not accepted."""
        transport = self._transport
        is_open = transport is not None and not transport.is_closing()
        if is_open and self._finished and _was_accepted(self._reply):
            _idle[asyncio.get_running_loop()] = self._address, self
        else:
            self._drop()
            await asyncio.sleep(0)  # it is closed in the loop's next turn

    def _drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # not close(): nobody runs the loop until all has left

    def _is_alive(self) -> bool:
        """Whether the API has not closed the connection meanwhile: the loop did not run to see."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        own: socket.socket = transport.get_extra_info("socket")
        connection = socket.socket(own.family, own.type, own.proto, self._descriptor)
        try:
            connection.setblocking(False)
            connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True  # open, and nothing has come
        except OSError:
            pass  # reset
        finally:
            connection.detach()  # the descriptor is the transport's
        return False  # closed, or something came that nobody asked for

    def _send_uncopied(self, data: bytes) -> bool:
        """Give ``data`` to the socket as one chunk; return whether any of it was taken.

        Not by ``writelines``: it may not tell of a full buffer (CVE-2024-12254), and copies too
        before Python 3.12.
        """
        transport = self._transport
        assert transport is not None
        if self._head is not None or transport.get_write_buffer_size() or transport.is_closing():
            return False  # what waits goes first
        pieces = (b"%x\r\n" % len(data), data, b"\r\n")
        try:
            sent = os.writev(self._descriptor, pieces)
        except OSError:  # full, which the transport waits out, or broken, which it tells of
            return False
        if sent < sum(map(len, pieces)):
            transport.write(memoryview(chunk(data))[sent:])
        return True

    def _send(self, data: bytes) -> None:
        assert self._transport is not None
        if self._head is not None:
            data, self._head = self._head + data, None
        self._transport.write(data)

    def _check(self) -> None:
        if self._reply.done():
            reply = self._reply.result()  # or the error that ended the connection
            raise RuntimeApiError("the Runtime API answered before the response was over", reply)

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        connection = transport.get_extra_info("socket")
        self._descriptor = connection.fileno()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        try:
            reply = self._reader.feed(data)
        except (PeerError, ValueError) as exc:
            self._fail(RuntimeApiError(f"the Runtime API's answer cannot be read ({exc})"))
            return
        if reply is not None and not self._reply.done():
            self._reply.set_result(reply)
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None  # it has no loop any more, not even to be aborted
        reply = self._reader.end()
        if reply is not None and not self._reply.done():
            self._reply.set_result(reply)
        self._fail(RuntimeApiError(f"the Runtime API closed the connection ({exc or 'no reason'})"))

    def pause_writing(self) -> None:
        self._news = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        self._wake()

    def _fail(self, error: RuntimeApiError) -> None:
        if not self._reply.done():
            self._reply.set_exception(error)
            self._reply.exception()  # taken note of: it may be that nobody writes any more
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)


def _was_accepted(reply: asyncio.Future[ApiReply]) -> bool:
    """Whether the connection may be used again: who refuses may not have read to the end."""
    if not reply.done() or reply.exception() is not None:
        return False
    return reply.result().status == _ACCEPTED and reply.result().keeps_open
