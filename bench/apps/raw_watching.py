"""ASGI by hand, by somebody careful: it watches for the reader leaving, and keeps alive.

The loads themselves are ``raw``'s. A watch is a task that waits in ``receive``; a keep-alive is
one timer for each stream, re-armed when it fires. Still no backlog, no checks, no errors.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from bench.apps.raw import HEADERS, PATHS
from bench.apps.shared import Query

__all__ = ("app",)

KEEP_ALIVE = 15.0  # seconds, as penstock's default
COMMENT = {"type": "http.response.body", "body": b": keep-alive\n", "more_body": True}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    query = Query.of(dict(parse_qsl(scope["query_string"].decode())))
    stream = Stream(send)
    watch = asyncio.create_task(cancel_when_gone(receive, asyncio.current_task()))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await PATHS[scope["path"]](query, stream.send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except asyncio.CancelledError:
        if not watch.done():
            raise  # the server's own
    finally:
        watch.cancel()
        stream.close()


async def cancel_when_gone(receive: Any, task: Any) -> None:
    """Cancel ``task`` when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()


class Stream:
    """Sends, and sends a comment when nothing was sent for a while."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(KEEP_ALIVE, self._keep_alive)
        self._comment: asyncio.Task[None] | None = None

    async def send(self, message: Any) -> None:
        """Send ``message``, and note when."""
        await self._send(message)
        self._last = self._loop.time()

    def close(self) -> None:
        """No more keep-alives."""
        self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()

    def _keep_alive(self) -> None:
        idle = self._loop.time() - self._last
        if idle >= KEEP_ALIVE:
            self._comment = self._loop.create_task(self.send(COMMENT))
            idle = 0.0
        self._timer = self._loop.call_later(KEEP_ALIVE - idle, self._keep_alive)
