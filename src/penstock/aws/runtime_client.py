"""A connection to the Lambda Runtime API: one response, streamed.

Lives here: the socket. Its pace is the producer's, and an answer that comes before the end is
noticed. Stays out: the bytes (``runtime_api.py``), what is streamed.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

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
# Larger than this, a chunk is not copied to put its size before it.
_COPY_BELOW = 32 * 1024


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

    def __init__(self, head: bytes) -> None:
        self._head: bytes | None = head
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._reply: asyncio.Future[ApiReply] = asyncio.get_running_loop().create_future()
        self._room: asyncio.Future[None] | None = None  # waits until the socket takes more

    @classmethod
    async def open(
        cls, address: str, request_id: str, content_type: str, invocation_id: str | None = None
    ) -> ResponsePost:
        """Connect to the Runtime API at ``address`` (``host:port``).

        Raises:
            RuntimeApiError: Nobody listens there.
        """
        host, _, port = address.rpartition(":")
        head = response_head(address, request_id, content_type, invocation_id)
        loop = asyncio.get_running_loop()
        try:
            _, post = await loop.create_connection(lambda: cls(head), host or address, int(port))
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
        if len(data) < _COPY_BELOW:
            self._send(chunk(data))
        elif data:
            self._send(b"%x\r\n" % len(data))
            self._send(data)
            self._send(b"\r\n")
        if self._room is not None:
            await self._room
            self._check()

    def finish(self, error: FunctionError | None = None) -> None:
        """End the response, with the trailers that tell of ``error``.

        Raises:
            RuntimeApiError: The API has answered already, or gone.
        """
        self._check()
        self._send(last_chunk(error))

    async def accepted(self) -> None:
        """Return when the API has taken the response, whole.

        It answers when the whole body was passed on: at the caller's pace, and with no limit of
        ours.

        Raises:
            RuntimeApiError: It refused it, or went away.
        """
        try:
            reply = await asyncio.shield(self._reply)
        finally:
            self.close()
        if reply.status != _ACCEPTED:
            raise RuntimeApiError("the Runtime API refused the response", reply)

    def close(self) -> None:
        """Drop the connection; without ``finish`` the API sees a response that was cut."""
        if self._transport is not None:
            if self._reply.done():
                self._transport.close()
            else:
                self._transport.abort()

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
        reply = self._reader.end()
        if reply is not None and not self._reply.done():
            self._reply.set_result(reply)
        self._fail(RuntimeApiError(f"the Runtime API closed the connection ({exc or 'no reason'})"))

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        self._wake()

    def _fail(self, error: RuntimeApiError) -> None:
        if not self._reply.done():
            self._reply.set_exception(error)
            self._reply.exception()  # taken note of: it may be that nobody writes any more
        self._wake()

    def _wake(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
