"""An HTTP server that does what a test says, byte by byte: the peer of the client's tests.

def script(peer: Peer) -> None:              # called for each request, in a thread of its own
    peer.head(content_type="text/event-stream")
    peer.send(b"data: 1\n\n")
    peer.cut()                               # or end(); returning ends the body, too

with scripted(script) as server:
    connect(server.url)
    server.requests[0].headers["accept"]
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.process import wait_until

__all__ = ("Asked", "Peer", "Scripted", "scripted")

_PHRASES = {200: "OK", 204: "No Content", 301: "Moved", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Gone(Exception):
    """The client has closed its end."""


class Peer:
    """One connection, from the server's side.

    Attributes:
        number: 1 for the server's first request, and so on.
        asked: The request.
    """

    def __init__(self, sock: socket.socket, number: int, asked: Asked, stop: threading.Event):
        self._sock, self.number, self.asked, self._stop = sock, number, asked, stop
        self._chunked = False
        self.is_over = False

    def head(
        self,
        status: int = 200,
        *,
        content_type: str | None = "text/event-stream",
        chunked: bool = True,
        **headers: str,
    ) -> None:
        """Send the head; a header's name is given with underscores."""
        lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'X')}", "Connection: close"]
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        self._chunked = chunked and status != 204
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._send("\r\n".join([*lines, "", ""]).encode())

    def send(self, data: bytes) -> None:
        """Send a piece of the body, as one chunk."""
        self._send(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)

    def answer(self, status: int, body: bytes = b"", **headers: Any) -> None:
        """Send a whole answer."""
        self.head(status, **headers)
        if body:
            self.send(body)
        self.end()

    def end(self) -> None:
        """End the body as HTTP says."""
        if not self.is_over:
            if self._chunked:
                self._send(b"0\r\n\r\n")
            self._close()

    def cut(self) -> None:
        """Break the connection: RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()

    def hold(self) -> None:
        """Say nothing more until the client leaves, or the test is over."""
        self._sock.settimeout(0.02)
        while not self._stop.is_set():
            try:
                if not self._sock.recv(1024):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as exc:
            raise Gone from exc

    def _close(self) -> None:
        self.is_over = True
        self._sock.close()


Script = Callable[[Peer], object]


class Scripted:
    """The server. ``requests`` is every request so far, in order."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[Asked] = []
        self.failures: list[Exception] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>/``."""
        return f"http://127.0.0.1:{self.port}/"

    def wait_for(self, count: int) -> list[Asked]:
        """Return the requests once there are ``count``."""
        wait_until(lambda: len(self.requests) >= count, 20.0, lambda: f"{self.requests}")
        return self.requests

    def close(self) -> None:
        self._stop.set()
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes accept(), which a close does not
        self._listening.close()
        for thread in self._threads:
            thread.join(5.0)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return  # closed
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock:
            asked = _read_request(sock)
            if asked is None:
                return
            with self._lock:
                self.requests.append(asked)
                number = len(self.requests)
            peer = Peer(sock, number, asked, self._stop)
            try:
                self._script(peer)
                peer.end()
            except Gone:
                pass  # what many a test is about
            except Exception as exc:
                self.failures.append(exc)


def _read_request(sock: socket.socket) -> Asked | None:
    sock.settimeout(10.0)
    received = b""
    while b"\r\n\r\n" not in received:
        try:
            data = sock.recv(65536)
        except OSError:
            return None
        if not data:
            return None
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("utf-8").split("\r\n")
    headers = {
        name.lower(): value.strip(" \t")
        for name, _, value in (line.partition(":") for line in lines)
    }
    while len(body) < int(headers.get("content-length", 0)):
        body += sock.recv(65536)
    method, target, _ = first.split(" ")
    return Asked(method, target, headers, body)


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Run the server; what a script raised fails the test."""
    server = Scripted(script)
    try:
        yield server
    finally:
        server.close()
    assert not server.failures, server.failures
