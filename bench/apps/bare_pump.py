"""The least pump there can be, over the same async generators of events that penstock streams.

A task that reads the source, a list, one future that wakes the writer, one join for each write:
what a library of this kind costs before it has a feature. No bound, no watch for the reader
leaving, no keep-alive, no checks, no errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import parse_qsl

from bench.apps.ours import PATHS
from bench.apps.raw import HEADERS
from bench.apps.shared import Query
from penstock.formats import Sse

__all__ = ("app",)

_TURN = 64  # events after which the loop may run, as in penstock


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    query = Query.of(dict(parse_qsl(scope["query_string"].decode())))
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    pump = Pump()
    reading = asyncio.create_task(pump.read(PATHS[scope["path"]](query)))
    try:
        while data := await pump.taken():
            await send({"type": "http.response.body", "body": data, "more_body": True})
    finally:
        reading.cancel()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class Pump:
    """Joins one task that reads a source and one that writes."""

    def __init__(self) -> None:
        self._encode = Sse().encoder(end_mark=False).item
        self._pending: list[bytes] = []
        self._writer: asyncio.Future[None] | None = None
        self._ended = False

    async def read(self, source: AsyncGenerator[Any, None]) -> None:
        """Read ``source`` to its end."""
        encode, pending = self._encode, self._pending
        async for item in source:
            pending.append(encode(item))
            if self._writer is not None:
                self._wake()
            if len(pending) >= _TURN:
                await asyncio.sleep(0)
        self._ended = True
        if self._writer is not None:
            self._wake()

    def _wake(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.set_result(None)

    async def taken(self) -> bytes:
        """Return what was read since, once there is any; nothing at the end."""
        pending = self._pending
        if not pending and not self._ended:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer
        data = b"".join(pending)
        pending.clear()
        return data
