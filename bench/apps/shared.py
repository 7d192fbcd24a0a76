"""What every Python server of the bench shares, so that only the streaming differs.

Each server answers ``/burst?n=``, ``/fanout?n=&readers=&clump=&interval=&key=``,
``/pushed`` like ``/fanout``, ``/paced?n=&interval=`` and ``/idle`` with events named "tick" whose
data is ``{"i": number}``. The libraries get them from one async generator, ``events``; the raw
servers have loops of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import orjson

__all__ = ("Feed", "Query", "dumps", "events", "feed_of")

E = TypeVar("E")


def dumps(number: int) -> str:
    """Return the payload for libraries that want text."""
    return orjson.dumps({"i": number}).decode()


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for.

    Attributes:
        n: Events to send.
        interval: Seconds between events, or between clumps.
        readers: Readers of a feed; it begins when so many have come.
        clump: Events a feed publishes together.
        key: Names a feed.
    """

    n: int = 1
    interval: float = 0.0
    readers: int = 1
    clump: int = 1
    key: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Query:
        """Read a query string's parameters."""
        kinds = {"n": int, "interval": float, "readers": int, "clump": int, "key": str}
        return cls(**{name: kinds[name](value) for name, value in query.items()})


@dataclass(slots=True)
class Feed:
    """One place that many readers follow: a count of what is published, and one wake-up."""

    query: Query
    published: int = 0
    push_to: list[Callable[[int], object]] = field(default_factory=list)
    _joined: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def join(self) -> None:
        """Add a reader; the last one expected starts the feed."""
        self._joined += 1
        if self._joined == self.query.readers:
            self._task = asyncio.create_task(self._publish())

    async def beyond(self, seen: int) -> None:
        """Return when more than ``seen`` events are published."""
        if self.published <= seen:
            await self._news.wait()

    async def _publish(self) -> None:
        while self.published < self.query.n:
            await asyncio.sleep(self.query.interval)
            self.published = min(self.query.n, self.published + self.query.clump)
            news, self._news = self._news, asyncio.Event()
            news.set()
            for push in self.push_to:  # readers that are handed each event
                push(self.published - 1)


_feeds: dict[str, Feed] = {}


def feed_of(query: Query, push: Callable[[int], object] | None = None) -> Feed:
    """Join the feed that ``query`` names; the first reader makes it.

    ``push`` is called with each number, in place of waiting for it.
    """
    feed = _feeds.get(query.key)
    if feed is None:
        _feeds.clear()  # the feed of an earlier round
        feed = _feeds[query.key] = Feed(query)
    if push is not None:
        feed.push_to.append(push)
    feed.join()
    return feed


async def events(
    make: Callable[[int], E], path: str, parameters: Mapping[str, str]
) -> AsyncGenerator[E, None]:
    """Yield what a request for ``path`` asks for, each number made into a library's event."""
    query = Query.of(parameters)
    if path == "/burst":
        for number in range(query.n):
            yield make(number)
    elif path == "/paced":
        for number in range(query.n):
            await asyncio.sleep(query.interval)
            yield make(number)
    elif path == "/idle":
        yield make(0)
        await asyncio.Event().wait()
    else:
        number, feed = 0, feed_of(query)
        while number < query.n:
            await feed.beyond(number)
            while number < feed.published:
                yield make(number)
                number += 1
