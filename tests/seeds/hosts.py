"""The hosts a sample runs on, each shown to a test as the same three things.

In process: an ASGI app by ``penstock.testing``, a WSGI app by its protocol. On a real server: by
``tests.support``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from wsgiref.util import setup_testing_defaults

from penstock import ServerSentEvent, SseDecoder
from penstock.testing import open_stream
from tests.support.http import request
from tests.support.servers import serve

__all__ = ("Answer", "on_asgi", "on_server", "on_wsgi")


@dataclass(frozen=True)
class Answer:
    """A whole answer: names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[ServerSentEvent]:
        """The body read as server-sent events."""
        return SseDecoder().feed(self.body)

    @property
    def said(self) -> list[tuple[str, str]]:
        """Each event's name and data."""
        return [(event.event, event.data) for event in self.events]


async def on_asgi(app: Any, target: str = "/", **asked: Any) -> Answer:
    """Return what ``app`` answers, called in process."""
    async with open_stream(app, target, **asked) as stream:
        body = await stream.read()
        assert stream.ended == "complete"
        return Answer(stream.status, dict(stream.headers), body)


def on_wsgi(
    app: Callable[..., Iterable[bytes]],
    target: str = "/",
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answer:
    """Return what the WSGI ``app`` answers, called in process."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
    setup_testing_defaults(environ)
    began: list[Any] = []
    chunks = app(environ, lambda status, head, error=None: began.extend((status, head)))
    try:
        received = b"".join(chunks)
    finally:
        getattr(chunks, "close", lambda: None)()
    status, head = began[-2:]
    return Answer(int(status[:3]), {name.lower(): value for name, value in head}, received)


def on_server(
    server: str,
    app: str,
    target: str = "/",
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answer:
    """Return what ``app`` answers on a real ``server``."""
    with (
        serve(server, app) as running,
        request(running.port, method, target, headers=headers, body=body) as response,
    ):
        received = response.read()
        assert response.ended == "complete"
    return Answer(response.status, dict(response.headers), received)
