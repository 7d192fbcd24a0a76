"""WSGI: runs an ASGI app for servers that know threads only.

Lives here: the environ as a scope, and messages as an iterable that a server pulls. The app runs
on the process's portal loop; nothing is buffered in between: a chunk is taken when the server
asks for it, so its socket's pace is the producer's.

A WSGI server notices that a reader left only when it writes; then it calls ``close()``.

Source: PEP 3333; ASGI HTTP specification.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from typing import Any, TypeAlias

from penstock.core.handoff import Handoff
from penstock.core.settle import settle
from penstock.core.shutdown import hook_signals
from penstock.errors import ClientDisconnected, TransportError
from penstock.portal import portal
from penstock.types import ASGIApp, Message, Scope

__all__ = ("Environ", "StartResponse", "WsgiApp", "scope_of")

logger = logging.getLogger("penstock")

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]

_PIECE = 64 * 1024

# Seconds that an app gets to finish after its reader left; its own timeouts are shorter.
_CLOSE_TIMEOUT = 15.0


class WsgiApp:
    """A WSGI app around an ASGI app.

    Args:
        app: ASGI app; it sees HTTP scopes only, no lifespan.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        hook_signals()
        exchange = _Exchange(self._app, environ)
        start = exchange.start()
        status = start["status"]
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]
        ]
        start_response(f"{status} {_phrase(status)}", headers)
        return exchange


class _Exchange:
    """One request: an iterator of body chunks for the server."""

    def __init__(self, app: ASGIApp, environ: Environ) -> None:
        self._app, self._scope = app, scope_of(environ)
        self._portal = portal()
        self._messages: Handoff[Message] = Handoff()
        self._body = _RequestBody(environ)
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complete = False

    def start(self) -> Message:
        """Run the app until its ``http.response.start``."""
        self._task = self._portal.start(self._run(), copy_context())
        try:
            message = self._next()
        except BaseException:
            self.close()
            raise
        if message is None or message["type"] != "http.response.start":
            self.close()
            raise TransportError(f"the app ended without a response; it sent {message!r}")
        return message

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._complete:
            message = self._next()
            if message is None:
                # PEP 3333 has no other way to tell a cut body from a finished one.
                raise TransportError("the response was broken off")
            if message["type"] != "http.response.body":
                continue
            self._complete = not message.get("more_body", False)
            if message.get("body"):
                return bytes(message["body"])
        raise StopIteration

    def close(self) -> None:
        """The server is done with the body, whole or not: let the app finish."""
        if self._task is not None and not self._task.done():
            self._portal.call(self._leave(self._task))

    def _next(self) -> Message | None:
        return self._portal.call(self._messages.get())

    # --- on the loop

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except ClientDisconnected:
            self._messages.end()
        except Exception as exc:
            self._messages.end(exc)
        except asyncio.CancelledError:
            self._messages.end(TransportError("the app was cancelled"))
            raise
        else:
            self._messages.end()

    async def _send(self, message: Message) -> None:
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and not self._gone.is_set():
            # The server does not ask again after it: waiting, we would take that for a departure.
            self._messages.give_last(message)
        else:
            await self._messages.put(message)

    async def _receive(self) -> Message:
        if self._body.is_complete:
            await self._gone.wait()
        if self._gone.is_set():
            return {"type": "http.disconnect"}
        piece = await asyncio.to_thread(self._body.read)
        return {
            "type": "http.request",
            "body": piece,
            "more_body": not self._body.is_complete,
        }

    async def _leave(self, task: asyncio.Task[None]) -> None:
        self._gone.set()
        self._messages.leave()
        await settle(task, _CLOSE_TIMEOUT, "the app, after its reader left")


class _RequestBody:
    """``wsgi.input``, read up to its length."""

    def __init__(self, environ: Environ) -> None:
        self._input = environ["wsgi.input"]
        length = environ.get("CONTENT_LENGTH") or ""
        # Without a length only a server that ends the input itself can be read to the end.
        chunked = bool(environ.get("wsgi.input_terminated"))
        self._remaining: int | None = int(length) if length else (None if chunked else 0)
        self._seen = self._ended = False

    @property
    def is_complete(self) -> bool:
        """Whether the app has been given all of it; it is given one message in any case."""
        return self._seen and (self._ended or self._remaining == 0)

    def read(self) -> bytes:
        """Return the next piece; blocks."""
        self._seen = True
        if self._remaining == 0:
            return b""
        size = _PIECE if self._remaining is None else min(_PIECE, self._remaining)
        piece: bytes = self._input.read(size)
        if self._remaining is not None:
            self._remaining -= len(piece)
        self._ended = not piece
        return piece


def scope_of(environ: Environ) -> Scope:
    """Return the ASGI HTTP scope that ``environ`` describes."""
    root = _decode(environ.get("SCRIPT_NAME", ""))
    path = root + _decode(environ.get("PATH_INFO", ""))
    raw: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    port = environ.get("REMOTE_PORT")
    client = environ.get("REMOTE_ADDR")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").rpartition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": path or "/",
        "raw_path": raw.partition("?")[0].encode("latin-1") or None,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": root,
        "headers": _headers(environ),
        "client": (client, int(port) if port else 0) if client else None,
        "server": (environ.get("SERVER_NAME", ""), int(environ.get("SERVER_PORT") or 0)),
        "extensions": {},
        "state": {},
        "wsgi.environ": environ,
    }


def _headers(environ: Environ) -> list[tuple[bytes, bytes]]:
    headers = []
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            name = key[5:]
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            name = key
        else:
            continue
        headers.append((name.replace("_", "-").lower().encode(), value.encode("latin-1")))
    return headers


def _decode(text: str) -> str:
    """Undo PEP 3333's latin-1 dress."""
    return text.encode("latin-1").decode("utf-8", "replace")


def _phrase(status: int) -> str:
    from http import HTTPStatus  # late: a cold start pays for its many members

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
