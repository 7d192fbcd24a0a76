"""penstock as its README writes it: keep-alive and the watch for the reader leaving are on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from bench.apps.shared import Query, feed_of
from penstock import Context, Emit, Event, Response, endpoint

__all__ = ("app",)


@endpoint(format="sse")
def app(ctx: Context) -> AsyncGenerator[Event | str, None] | Response:
    """Answer one request."""
    if ctx.path == "/pushed":
        return ctx.sse(Pushed(Query.of(ctx.query)).write)
    return PATHS[ctx.path](Query.of(ctx.query))


async def burst(query: Query) -> AsyncGenerator[Event, None]:
    """Yield without ever waiting."""
    for number in range(query.n):
        yield Event({"i": number}, event="tick")


async def tokens(query: Query) -> AsyncGenerator[str, None]:
    """Yield text, as a model's tokens come."""
    for _ in range(query.n):
        yield "{token "


async def paced(query: Query) -> AsyncGenerator[Event, None]:
    """Yield at a steady rate."""
    for number in range(query.n):
        await asyncio.sleep(query.interval)
        yield Event({"i": number}, event="tick")


async def idle(query: Query) -> AsyncGenerator[Event, None]:
    """Yield one event and then wait for one that never comes."""
    yield Event({"i": 0}, event="tick")
    await asyncio.Event().wait()


async def fan_out(query: Query) -> AsyncGenerator[Event, None]:
    """Yield what a feed publishes."""
    number, feed = 0, feed_of(query)
    while number < query.n:
        await feed.beyond(number)
        while number < feed.published:
            yield Event({"i": number}, event="tick")
            number += 1


class Pushed:
    """Emits what a feed hands over, with no task of its own in between."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._done = asyncio.Event()

    async def write(self, emit: Emit) -> None:
        """Return when all of it is emitted."""

        def push(number: int) -> None:
            emit({"i": number}, "tick")
            if number == self._query.n - 1:
                self._done.set()

        feed_of(self._query, push)
        await self._done.wait()


PATHS: dict[str, Callable[[Query], AsyncGenerator[Event | str, None]]] = {
    "/burst": burst,
    "/tokens": tokens,
    "/paced": paced,
    "/idle": idle,
    "/fanout": fan_out,
}
