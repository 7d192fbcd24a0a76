"""A whole answer in one call, over ASGI and over WSGI."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from penstock import SseDecoder, StreamError
from penstock.core.request import MultiDict
from penstock.testing import open_stream
from penstock.types import ASGIApp

__all__ = ("Reply", "fetch", "fetch_wsgi", "hosts", "open_wsgi")


@dataclass
class Reply:
    """A whole answer."""

    status: int
    headers: MultiDict
    body: bytes
    is_complete: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        """The one entry of the errors body."""
        (entry,) = self.json["errors"]
        return entry

    @property
    def events(self) -> list[tuple[str, str, str]]:
        """Event type, data and last event ID of each event."""
        return [(event.event, event.data, event.id) for event in SseDecoder().feed(self.body)]


async def fetch(app: ASGIApp, path: str = "/", **request: Any) -> Reply:
    """Return what ``app`` answers, as an ASGI app."""
    async with open_stream(app, path, **request) as stream:
        body = await stream.read()
        return Reply(stream.status, stream.headers, body, stream.ended == "complete")


async def fetch_wsgi(app: Any, path: str = "/", **request: Any) -> Reply:
    """Return what ``app.wsgi`` answers, as a WSGI app, called from a thread."""
    return await asyncio.to_thread(_fetch_wsgi, app.wsgi, path, **request)


# Parametrize over it what must hold on each host.
hosts = {"asgi": fetch, "wsgi": fetch_wsgi}


def _fetch_wsgi(app: Any, path: str, **request: Any) -> Reply:
    with open_wsgi(app, path, **request) as (status, headers, chunks):
        pieces: list[bytes] = []
        try:
            pieces += chunks
            is_complete = True
        except StreamError:
            is_complete = False
        return Reply(status, headers, b"".join(pieces), is_complete)


@contextmanager
def open_wsgi(
    app: Any,
    path: str = "/",
    *,
    method: str = "GET",
    params: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Iterator[tuple[int, MultiDict, Iterator[bytes]]]:
    """Call a WSGI app as a server does; give status, headers and the chunks that come."""
    started: list[Any] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "&".join(f"{name}={value}" for name, value in (params or {}).items()),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in (headers or {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    answer = app(environ, lambda status, headers: started.append((status, headers)))
    try:
        ((status, sent),) = started
        yield int(status.split()[0]), MultiDict(sent, fold=True), iter(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
