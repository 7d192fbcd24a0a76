"""HTTP/1.1 on asyncio streams, for the emulator's three servers: h11 speaks it, this carries it.

Lives here: connections, one exchange at a time, with bodies read and written as they come, and
trailers. Stays out: routes, and what is said.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import suppress
from http.client import responses
from typing import TypeAlias

import h11

__all__ = ("Aborted", "Exchange", "Handler", "HttpServer", "TooLarge", "bind")

Headers: TypeAlias = Iterable[tuple[str, str]]

# What AWS copies at a time (RAPID), and so what is in flight at most beside the sockets' buffers.
_READ_SIZE = 32 * 1024
# Heads and trailers up to here are understood, so that a tighter limit can be answered, not cut.
_HEAD_LIMIT = 64 * 1024
# How much of a body that nobody wants is still read, so that its sender gets to see the answer.
_DRAIN_LIMIT = 256 * 1024
_DRAIN_SECONDS = 1.0

_log = logging.getLogger("penstock.aws.emulator")


class Aborted(Exception):
    """The peer went away, or broke HTTP, in the middle of a body."""


class TooLarge(Exception):
    """A body is larger than the limit; all of it has been read."""


class Exchange:
    """One request and its response.

    Attributes:
        method: As sent.
        target: Path and query as sent.
        headers: Lower-case names, in order, repeats kept.
        trailers: What came after a chunked body, once it has been read.
        http_version: ``"1.1"`` or ``"1.0"``.
        peer: The other end's address.
    """

    def __init__(
        self,
        request: h11.Request,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.method = request.method.decode("ascii")
        self.target = request.target.decode("latin-1")
        self.headers = _decoded(request.headers)
        self.http_version = request.http_version.decode("ascii")
        self.trailers: list[tuple[str, str]] = []
        self.peer: str = (writer.get_extra_info("peername") or ("",))[0]
        self._connection = connection
        self._reader = reader
        self._writer = writer
        self._body_ended = False
        self.aborted = False

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """Return the header ``name`` (lower-case), its repeats joined; None without it."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    @property
    def _is_short(self) -> bool:
        """The body is announced, and small: reading it costs less than a new connection."""
        if self.header("transfer-encoding") is not None:
            return False
        return int(self.header("content-length") or 0) <= _DRAIN_LIMIT

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes.

        Raises:
            Aborted: It ended before its end.
        """
        while not self._body_ended:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.trailers = _decoded(event.headers)
                self._body_ended = True
            else:
                self.aborted = True
                raise Aborted(f"{type(event).__name__} within a body")

    async def body(self, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            TooLarge: It has more than ``limit`` bytes; they have been read and dropped.
            Aborted: It ended before its end.
        """
        pieces, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size <= limit:
                pieces.append(chunk)
        if size > limit:
            raise TooLarge(f"{size} bytes, at most {limit}")
        return b"".join(pieces)

    async def respond(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        """Send a whole response; where much of the request is unread, the connection ends."""
        if not self._body_ended and self._is_short:
            async for _ in self.chunks():
                pass
        length = [("content-length", str(len(body)))]
        closing = [] if self._body_ended else [("connection", "close")]
        await self.start(status, [*headers, *length, *closing])
        await self.write(body)
        await self.finish()
        if not self._body_ended:
            await self._drain_request()

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head; without a content-length the body is chunked."""
        raw = [(_encoded(name), _encoded(value.strip())) for name, value in headers]
        reason = responses.get(status, "").encode()
        await self._send(h11.Response(status_code=status, headers=raw, reason=reason))

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; returns when the socket has room for more."""
        if data:
            await self._send(h11.Data(data=data))

    async def finish(self) -> None:
        """Send the body's end."""
        await self._send(h11.EndOfMessage())

    def abort(self) -> None:
        """Cut the connection, so that the reader learns that the body is not whole."""
        self.aborted = True
        self._writer.transport.abort()

    async def _send(self, event: h11.Event) -> None:
        data = self._connection.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def _next_event(self) -> object:
        connection = self._connection
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as exc:
                self.aborted = True
                raise Aborted(str(exc)) from exc
            if event is not h11.NEED_DATA:
                return event
            if connection.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            try:
                connection.receive_data(await self._reader.read(_READ_SIZE))
            except ConnectionError as exc:
                self.aborted = True
                raise Aborted("the connection was reset") from exc

    async def _drain_request(self) -> None:
        """Read on for a moment: closing with bytes unread resets, and the answer would be lost."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                left = _DRAIN_LIMIT
                while left > 0 and (data := await self._reader.read(_READ_SIZE)):
                    left -= len(data)


Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]


def bind(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a listening socket; port 0 picks a free one."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(512)
    except OSError:
        listening.close()
        raise
    return listening


# Turns of the loop from a connection that came to the task that serves it. asyncio leaves one open
# when its server is closed in between.
_ACCEPTING = 3


class HttpServer:
    """Serves ``handler`` on a socket that listens already.

    Args:
        handler: Answers one exchange; may leave early, then the connection is cut.
        listening: Closed with the server.
    """

    def __init__(self, handler: Handler, listening: socket.socket) -> None:
        self._handler = handler
        self._listening = listening
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        host, port = listening.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self) -> None:
        """Begin to accept connections."""
        self._server = await asyncio.start_server(self._accept, sock=self._listening)

    async def aclose(self) -> None:
        """Stop listening and end every connection."""
        if self._server is None:
            self._listening.close()
            return
        with suppress(NotImplementedError):  # a loop without readers: Windows' own
            asyncio.get_running_loop().remove_reader(self._listening)
        for _ in range(_ACCEPTING):
            await asyncio.sleep(0)
        self._server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, Aborted):
            pass  # the peer went away, which ends what there was to do
        except asyncio.CancelledError:
            pass  # told to stop; asyncio would report it as a failure of the connection
        finally:
            self._connections.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A small buffer: what is "sent" should be on its way, so that a slow reader is felt.
        writer.transport.set_write_buffer_limits(high=_READ_SIZE)
        while (request := await _next_request(connection, reader, writer)) is not None:
            exchange = Exchange(request, connection, reader, writer)
            try:
                await self._handler(exchange)
            except (ConnectionError, Aborted):
                raise
            except Exception:
                _log.exception("%s %s failed", exchange.method, exchange.path)
                exchange.abort()
            states = {connection.our_state, connection.their_state}
            if exchange.aborted or states != {h11.DONE}:
                return
            connection.start_next_cycle()


async def _next_request(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> h11.Request | None:
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as exc:
            answer = h11.Response(
                status_code=exc.error_status_hint,
                headers=[("connection", "close"), ("content-length", "0")],
            )
            writer.write(connection.send(answer))
            await writer.drain()
            return None
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_SIZE))
        elif isinstance(event, h11.Request):
            return event
        else:
            return None


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _encoded(text: str) -> bytes:
    # What HTTP means is Latin-1; what people write beyond it is UTF-8.
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
