"""Readers that wait for an append, in this process.

Lives here: who waits for which key, and waking them, from whichever thread the news comes.
Stays out: how the news of other processes comes.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from penstock.clock import Clock, current_clock
from penstock.errors import StreamClosed

__all__ = ("Ticket", "Waiters")

_CLOSED = "the log was closed while its events were waited for"


class Waiters:
    """Who waits for which key. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[str, set[Ticket]] = {}
        self._closed = False

    def ticket(self, key: str) -> Ticket:
        """Return a context in which news of ``key`` is noted, from its start on."""
        return Ticket(self, key)

    def wake(self, key: str) -> None:
        """There is news of ``key``."""
        with self._lock:
            tickets = self._by_key.pop(key, ())
        for ticket in tickets:
            ticket.call()

    def wake_all(self) -> None:
        """There may be news of every key."""
        for key in self.keys():
            self.wake(key)

    def close(self) -> None:
        """The log is being closed: whoever waits, or comes too late to, gets ``StreamClosed``."""
        with self._lock:
            self._closed = True
            tickets = [ticket for held in self._by_key.values() for ticket in held]
            self._by_key.clear()
        for ticket in tickets:
            ticket.call(False)

    def keys(self) -> list[str]:
        """Return the keys that somebody waits for."""
        with self._lock:
            return list(self._by_key)

    def is_awaited(self, key: str) -> bool:
        """Return whether somebody waits for ``key``."""
        return key in self._by_key

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def add(self, ticket: Ticket) -> None:
        with self._lock:
            if self._closed:
                raise StreamClosed(_CLOSED)
            self._by_key.setdefault(ticket.key, set()).add(ticket)

    def remove(self, ticket: Ticket) -> None:
        with self._lock:
            tickets = self._by_key.get(ticket.key)
            if tickets is not None:
                tickets.discard(ticket)
                if not tickets:
                    del self._by_key[ticket.key]


class Ticket:
    """One reader's place: taken before it looks, so that nothing is missed in between."""

    __slots__ = ("_future", "_loop", "_waiters", "key")

    def __init__(self, waiters: Waiters, key: str) -> None:
        self._waiters, self.key = waiters, key
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[bool | None] = self._loop.create_future()

    def __enter__(self) -> Self:
        self._waiters.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiters.remove(self)

    def call(self, news: bool = True) -> None:
        """There is news; or never will be."""
        if asyncio._get_running_loop() is self._loop:
            self._set(news)
            return
        try:
            self._loop.call_soon_threadsafe(self._set, news)
        except RuntimeError:  # that loop is closed, and the reader gone with it
            return

    async def wait(self, seconds: float, clock: Clock | None = None) -> bool:
        """Return True when there is news, False after ``seconds``.

        Raises:
            StreamClosed: The log was closed meanwhile.
        """
        clock = clock or current_clock()
        timer = clock.call_at(clock.now() + seconds, self._set, None)
        try:
            news = await self._future
        finally:
            timer.cancel()
        if news is False:
            raise StreamClosed(_CLOSED)
        return news is True

    def _set(self, news: bool | None) -> None:
        if not self._future.done():
            self._future.set_result(news)
