"""A blocking HTTP/1.1 reader on a raw socket: shows when bytes came and how the body ended.

    with request(server.port, "GET", "/ticks?n=3") as response:
        assert response.status == 200
        for at, event in response.events():     # at: seconds since the request left
            ...
        assert response.ended == "complete"

It does what a client library hides: ``leave()`` closes the connection (FIN), ``reset()`` breaks
it (RST), and a reader that stalls is one that just does not read: give it ``rcvbuf=4096`` so that
little fits in between.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Literal, NamedTuple, Self

from penstock.event import ServerSentEvent
from penstock.formats import SseDecoder
from tests.support.dechunk import BodyReader, Dechunker, Sized, Unsized

__all__ = ("Arrived", "Piece", "Response", "request")

Ended = Literal["complete", "cut"]
Headers = Iterable[tuple[str, str]]


class Piece(NamedTuple):
    """Bytes of the body as they came: when, in seconds since the request left, and what."""

    at: float
    data: bytes


class Arrived(NamedTuple):
    """An event and when it came, in seconds since the request left."""

    at: float
    event: ServerSentEvent


class Response:
    """A response being read.

    Attributes:
        status: The status code.
        headers: Pairs as sent, names in lower case.
        ended: None while the body may go on; "complete" when it ended as HTTP says it must; "cut"
            when the connection ended first. A body without length or chunks cannot show a cut.
        comments: SSE comment lines seen by ``events()``, without their colon.
    """

    def __init__(self, sock: socket.socket, began: float, *, head_only: bool) -> None:
        self._sock, self._began = sock, began
        self.ended: Ended | None = None
        self.comments: list[str] = []
        head, rest = self._read_head()
        self.status, self.headers = _parse_head(head)
        self._body = self._choose(head_only)
        self._ready = self._body.feed(rest)
        self._note_end()

    def header(self, name: str) -> str | None:
        """Return the first value of header ``name``."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Return every value of header ``name``."""
        return [value for key, value in self.headers if key == name.lower()]

    def read_some(self, timeout: float = 10.0) -> Piece | None:
        """Return what comes next, or None when the body has ended.

        Raises:
            TimeoutError: Nothing came for ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._ready:
            if self.ended is not None:
                return None
            self._receive(max(0.001, deadline - time.monotonic()))
        data, self._ready = self._ready, b""
        return Piece(time.monotonic() - self._began, data)

    def pieces(self, timeout: float = 10.0) -> Iterator[Piece]:
        """Yield what comes until the body ends; ``timeout`` is for each."""
        while (piece := self.read_some(timeout)) is not None:
            yield piece

    def read(self, timeout: float = 10.0) -> bytes:
        """Return the rest of the body."""
        return b"".join(piece.data for piece in self.pieces(timeout))

    def events(self, timeout: float = 10.0) -> Iterator[Arrived]:
        """Yield the events of an SSE body; ``timeout`` is for each piece of it."""
        decoder, held = SseDecoder(), b""
        for at, data in self.pieces(timeout):
            *lines, held = (held + data).split(b"\n")
            self.comments += [line[1:].strip().decode() for line in lines if line.startswith(b":")]
            for event in decoder.feed(data):
                yield Arrived(at, event)

    def leave(self) -> None:
        """Close the connection, as a browser does when its tab is closed: FIN."""
        self._sock.close()

    def reset(self) -> None:
        """Break the connection: RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def _read_head(self) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            data = self._sock.recv(65536)
            if not data:
                raise ConnectionError(f"closed before the head was complete: {received!r}")
            received += data
        head, _, rest = received.partition(b"\r\n\r\n")
        return head, rest

    def _choose(self, head_only: bool) -> BodyReader:
        if head_only or self.status in (204, 304):
            return Sized(0)
        if (self.header("transfer-encoding") or "").lower() == "chunked":
            return Dechunker()
        length = self.header("content-length")
        return Unsized() if length is None else Sized(int(length))

    def _receive(self, timeout: float) -> None:
        self._sock.settimeout(timeout)
        try:
            data = self._sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if data:
            self._ready = self._body.feed(data)
        else:
            self._body.close()
            self.ended = "complete" if self._body.done else "cut"
        self._note_end()

    def _note_end(self) -> None:
        if self._body.done:
            self.ended = "complete"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sock.close()


def request(
    port: int,
    method: str = "GET",
    target: str = "/",
    *,
    headers: Headers = (),
    body: bytes = b"",
    rcvbuf: int | None = None,
    timeout: float = 10.0,
) -> Response:
    """Send a request to 127.0.0.1 and return once the head has come.

    Args:
        headers: Added to Host and, with a body, Content-Length.
        rcvbuf: Size of the socket's receive buffer, set before it connects.
        timeout: For connecting and for each read of the head, in seconds.
    """
    sock = socket.socket()
    try:
        if rcvbuf is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", port))
        began = time.monotonic()
        sock.sendall(_request_bytes(port, method, target, headers, body))
        return Response(sock, began, head_only=method == "HEAD")
    except BaseException:
        sock.close()
        raise


def _request_bytes(port: int, method: str, target: str, headers: Headers, body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _parse_head(head: bytes) -> tuple[int, list[tuple[str, str]]]:
    status, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return int(status.split()[1]), [(name.lower(), value.strip()) for name, _, value in pairs]
