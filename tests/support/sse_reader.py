"""A reader that comes back, as EventSource does: many of them on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle

from penstock import SseDecoder

__all__ = ("SseReader", "ask")


class SseReader:
    """Reads ``target`` on one of ``ports``, and on the next when it is cut, until closed.

    Attributes:
        data: Data of each "line" event, in the order they came.
        resets: How often it was told to begin anew.
        connects: How often it connected.
    """

    def __init__(self, ports: Sequence[int], target: str) -> None:
        self._ports, self._target = cycle(ports), target
        self.data: list[str] = []
        self.resets = self.connects = 0
        self.last_id = ""
        self._is_there = asyncio.Event()
        self._task = asyncio.ensure_future(self._read_for_ever())

    async def is_there(self) -> None:
        """Return when it has a cursor: what comes from now on it must not miss."""
        await asyncio.wait_for(self._is_there.wait(), 60)

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _read_for_ever(self) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await self._read(next(self._ports))
            await asyncio.sleep(0.05)

    async def _read(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            cursor = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
            writer.write(f"GET {self._target} HTTP/1.1\r\nHost: test\r\n{cursor}\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            self.connects += 1
            decoder = SseDecoder(last_event_id=self.last_id)
            while size := int(await reader.readline(), 16):
                for event in decoder.feed((await reader.readexactly(size + 2))[:-2]):
                    if event.event == "reset":
                        self.resets += 1
                    elif event.event == "line":
                        self.data.append(event.json()["text"])
                self.last_id = decoder.last_event_id
                if self.last_id:
                    self._is_there.set()
        finally:
            writer.close()


async def ask(port: int, target: str) -> bytes:
    """Return the body of one short answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        return await reader.read()
    finally:
        writer.close()
