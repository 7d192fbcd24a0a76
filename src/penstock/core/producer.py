"""What makes a stream's items: a source that is read, or a function that writes.

Lives here: both kinds, and the writer's ``emit``. Stays out: where the items go.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol, runtime_checkable

from penstock.core.ending import Ending
from penstock.core.format import Encoder
from penstock.core.head import Head
from penstock.core.outbox import Outbox
from penstock.core.source import check_source, close_iterator, discard, open_source
from penstock.event import Event

__all__ = (
    "Attaching",
    "Capacity",
    "Emit",
    "EndingFeed",
    "Feed",
    "Producer",
    "Reading",
    "Writing",
    "item_of",
    "run_producer",
)


class Feed(Protocol):
    """The near end of a stream: takes items, never waits."""

    @property
    def outbox(self) -> Outbox:
        """Where the bytes wait."""
        ...

    @property
    def head(self) -> Head:
        """Status and headers; changeable until the commit."""
        ...

    @property
    def encoder(self) -> Encoder:
        """What turns the items into bytes."""
        ...

    def commit(self) -> None:
        """Let the head leave now, before there is an item."""

    def stop(self, ending: Ending) -> None:
        """End the stream so; the producer is cancelled."""

    def put(self, item: Any) -> bool:
        """Take one item; return whether the producer owes the loop a turn."""
        ...

    def put_unasked(self, item: Any) -> Capacity:
        """Take one item from a caller that may or may not wait; return what it may await."""
        ...


@runtime_checkable
class Attaching(Protocol):
    """An iterator of ours that wants to know the stream it feeds: a log's follower, a subscriber.

    It is told before its first item: a cursor that is gone, or nothing to follow, can still change
    the head; then it commits, for its first item may be long in coming. One that a user's own
    generator iterates is never told.
    """

    async def attach_to_feed(self, feed: Feed) -> None:
        """Check what has to be checked, then ``feed.commit()``."""


class EndingFeed(Feed, Protocol):
    """A feed that is told how its producer ended."""

    ending: Ending | None
    started: bool

    def complete(self) -> None:
        """The producer has returned."""

    def fail(self, error: BaseException) -> None:
        """The producer raised."""


class Producer(Protocol):
    """What makes a stream's items."""

    async def produce(self, feed: Feed) -> None:
        """Put items into ``feed`` until there are no more."""

    async def discard(self) -> None:
        """Close what ``produce`` would have opened; called when it never began."""


class Capacity:
    """What ``emit`` and its like return: await it, and the reader's pace is yours."""

    __slots__ = ("_outbox",)

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def __await__(self) -> Generator[Any, None, None]:
        if self._outbox.owes_turn or self._outbox.is_full:
            yield from self._outbox.turn().__await__()


class Reading:
    """A producer that reads a source, item by item, and closes it.

    Raises:
        TypeError: ``source`` can never be one.
    """

    __slots__ = ("_source",)

    def __init__(self, source: Any) -> None:
        check_source(source)
        self._source = source

    async def produce(self, feed: Feed) -> None:
        source = self._source
        if inspect.isasyncgenfunction(source):
            source = source()
        if not inspect.isasyncgen(source):
            await self._produce_any(source, feed)
            return
        # What most sources are, without the exit stack: thousands of them may be idle.
        try:
            async for item in source:
                owes_turn = feed.put(item)
                del item  # or an idle stream holds its last item until the next
                if owes_turn:
                    await feed.outbox.turn()
        finally:
            if source.ag_frame is not None:
                await close_iterator(source)

    async def _produce_any(self, source: Any, feed: Feed) -> None:
        async with AsyncExitStack() as stack:
            async for item in await _attached(await open_source(source, stack), feed):
                owes_turn = feed.put(item)
                del item
                if owes_turn:
                    await feed.outbox.turn()

    async def discard(self) -> None:
        await discard(self._source)


async def _attached(items: AsyncIterator[Any], feed: Feed) -> AsyncIterator[Any]:
    """Return ``items``, once those that want to know the stream do."""
    if isinstance(items, Attaching):
        await items.attach_to_feed(feed)
    return items


async def run_producer(
    producer: Producer, around: Sequence[AbstractAsyncContextManager[Any]], feed: EndingFeed
) -> None:
    """Run ``producer`` inside the managers ``around``, and tell ``feed`` how it ended."""
    if feed.ending is not None:
        return  # under an eager task factory the watch ran first: the reader has left already
    feed.started = True
    try:
        if around:
            await _produce_within(around, producer, feed)
        else:
            await producer.produce(feed)
            feed.complete()
    except asyncio.CancelledError as exc:
        if feed.ending is None:  # nobody of ours cancelled it: it is the source's own
            feed.fail(exc)
    except BaseException as exc:
        feed.fail(exc)
        if not isinstance(exc, Exception):
            raise


async def _produce_within(
    around: Sequence[AbstractAsyncContextManager[Any]], producer: Producer, feed: EndingFeed
) -> None:
    """The managers are left after the last byte."""
    async with AsyncExitStack() as stack:
        for manager in around:
            await stack.enter_async_context(manager)
        try:
            await producer.produce(feed)
        except BaseException as exc:
            if feed.ending is None:
                feed.fail(exc)
                await feed.outbox.flushed()
            raise
        feed.complete()
        await feed.outbox.flushed()


class Emit(Protocol):
    """Writes one event: enqueued at the call; await what it returns to keep the reader's pace.

    Raises:
        Overflow: Too many events wait, and earlier calls were not awaited.
        StreamClosed: The stream has ended.
    """

    def __call__(
        self,
        data: Any = None,
        event: str | None = None,
        id: str | int | None = None,
        *,
        retry: int | None = None,
        comment: str | None = None,
    ) -> Awaitable[None]: ...


class Writing:
    """A producer that is a function of ``emit``."""

    __slots__ = ("_write",)

    def __init__(self, write: Callable[[Emit], Awaitable[None] | None]) -> None:
        if not callable(write):
            raise TypeError(f"expected a function of emit, got {write!r}")
        self._write = write

    async def produce(self, feed: Feed) -> None:
        put_unasked = feed.put_unasked

        def emit(
            data: Any = None,
            event: str | None = None,
            id: str | int | None = None,
            *,
            retry: int | None = None,
            comment: str | None = None,
        ) -> Capacity:
            return put_unasked(item_of(data, event, id, retry, comment))

        written = self._write(emit)
        if inspect.isawaitable(written):
            await written
        elif written is not None:
            raise TypeError(
                f"a function of emit returns None or a coroutine, got {type(written).__name__}; "
                "to yield items pass the generator function to ctx.stream() or Stream()"
            )

    async def discard(self) -> None:
        """Nothing was opened."""


def item_of(
    data: Any,
    event: str | None,
    id: str | int | None,
    retry: int | None,
    comment: str | None,
) -> Any:
    """Return the item that ``emit(...)`` means: data alone is formatted as if it were yielded."""
    if event is None and id is None and retry is None and comment is None:
        return data
    return Event(data, event, id, retry, comment)
