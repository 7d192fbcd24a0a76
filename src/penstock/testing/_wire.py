"""What passes from an app to the test that reads it.

Lives here: the bound, the stall, the departure, and how the app ended: the state that a host (the
app's side) writes and ``OpenStream`` (the test's side) reads. Stays out: ASGI, decoding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, TypeAlias

__all__ = ("Ended", "Wire")

Ended: TypeAlias = Literal["complete", "cut", "left"]


class Wire:
    """One response on its way, on one event loop.

    Args:
        bound: Bytes that may arrive ahead of the reading; past it the app waits.

    Attributes:
        status: HTTP status; None before the head has arrived.
        headers: The head's headers, names in lower case.
        chunks: Every chunk that has arrived, as it was sent.
        taken: How many of them were read.
        ended: How the response ended, or None.
        error: What the app raised to its host.
        is_running: Whether the app has not returned yet.
        is_stalled: Whether nothing gets through.
        has_left: Whether the reader is gone.
    """

    def __init__(self, bound: int) -> None:
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.chunks: list[bytes] = []
        self.taken = 0
        self.ended: Ended | None = None
        self.error: BaseException | None = None
        self.is_running = True
        self.is_stalled = self.has_left = False
        self._bound, self._unread = bound, 0
        self._waiters: list[asyncio.Future[None]] = []

    async def until(self, condition: Callable[[], object]) -> None:
        """Return when ``condition()`` holds; it is looked at whenever something changes here."""
        while not condition():
            changed = asyncio.get_running_loop().create_future()
            self._waiters.append(changed)
            await changed

    def announce(self) -> None:
        """Something has changed."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- the app's side

    async def open(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Let the head through; wait while the wire is stalled."""
        await self.until(lambda: self.has_left or not self.is_stalled)
        if not self.has_left:
            self.status, self.headers = status, headers
            self.announce()

    async def put(self, data: bytes, more: bool) -> None:
        """Let a chunk through; wait while the wire is stalled, or the reading is far behind."""
        await self.until(lambda: self.has_left or self._has_room())
        if self.has_left:
            return
        if data:
            self.chunks.append(data)
            self._unread += len(data)
        if not more:
            self.ended = "complete"
        self.announce()

    def _has_room(self) -> bool:
        return not self.is_stalled and self._unread < self._bound

    def finish(self, error: BaseException | None) -> None:
        """The app has returned, or raised."""
        self.is_running, self.error = False, error
        if self.ended is None:
            self.ended = "cut"
        self.announce()

    # --- the reader's side

    def take(self, upto: int) -> None:
        """The chunks before index ``upto`` are read."""
        if upto > self.taken:
            self._unread -= sum(len(chunk) for chunk in self.chunks[self.taken : upto])
            self.taken = upto
            self.announce()

    def stall(self, stalled: bool) -> None:
        """Let nothing through from now on, or again."""
        self.is_stalled = stalled
        self.announce()

    def leave(self) -> None:
        """The reader is gone: nothing arrives any more, and nobody waits for it to."""
        self.has_left = True
        if self.ended is None:
            self.ended = "left"
        self.announce()
