"""What the tests on real servers have in common: open streams, and a look inside the process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.support.http import Response, request
from tests.support.process import wait_until
from tests.support.servers import ASGI_SERVERS, Server, serve

__all__ = ("LAST_WORDS", "complaints", "debug", "open_streams", "read_until", "start", "wait_for")

LAST_WORDS = b": shutdown\nretry: 1000\n"

_COMPLAINT = re.compile(
    r"traceback|error|exception|never retrieved|destroyed|warning|did not finish", re.IGNORECASE
)
# uvicorn under gunicorn: both close the listening socket.
_NO_COMPLAINT = "[INFO] Error while closing socket"


def start(name: str, app: str = "app", **options: Any) -> Server:
    """Start server ``name`` with ``app`` of the streams, as WSGI where that is its interface."""
    return serve(name, f"streams:{app if name in ASGI_SERVERS else 'wsgi'}", **options)


def debug(server: Server) -> Any:
    """Return what ``/debug`` tells."""
    with request(server.port, "GET", "/debug") as response:
        return json.loads(response.read())


def wait_for(server: Server, condition: Callable[[Any], object], timeout: float = 10.0) -> Any:
    """Return what ``/debug`` tells once ``condition`` holds of it."""
    seen: list[Any] = []

    def holds() -> object:
        seen[:] = [debug(server)]
        return condition(seen[0])

    wait_until(holds, timeout, lambda: f"last seen: {seen}\n{server.output()}")
    return seen[0]


def read_until(response: Response, end: bytes, timeout: float = 10.0) -> bytes:
    """Return the body up to the piece that holds ``end``."""
    body = b""
    while end not in body:
        piece = response.read_some(timeout)
        assert piece is not None, f"ended ({response.ended}) after {body[-200:]!r}"
        body += piece.data
    return body


@contextmanager
def open_streams(server: Server, target: str, count: int) -> Iterator[list[Response]]:
    """Open ``count`` streams, each of which has had its first event."""
    with ExitStack() as stack:
        streams = [stack.enter_context(request(server.port, "GET", target)) for _ in range(count)]
        for stream in streams:
            assert stream.status == 200
            read_until(stream, b"\n\n")
        yield streams


def complaints(server: Server) -> list[str]:
    """Return the lines of the server's output that speak of trouble."""
    lines = server.output().splitlines()
    return [line for line in lines if _COMPLAINT.search(line) and _NO_COMPLAINT not in line]
