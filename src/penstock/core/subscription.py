"""A channel as a source: what is broadcast, item by item, for any stream in any format.

Lives here: the bounded queue of a reader without a log, and reading on by id where there is one.
Stays out: sessions, which get bytes and no items.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Protocol

from penstock.core.cursor import split_cursors
from penstock.core.ending import Ending
from penstock.core.hub import Hub, OverflowPolicy
from penstock.core.log import Entry, EventLog
from penstock.core.logged_hub import WAIT, LoggedHub, reset_event
from penstock.core.message import Message
from penstock.core.producer import Feed
from penstock.errors import CursorGone, Overflow
from penstock.event import Event, Numbered

__all__ = ("Subscribable", "Subscription")


class Subscribable(Protocol):
    """What a subscription needs to know of its channel."""

    name: str
    overflow: OverflowPolicy
    max_queue: int
    log: EventLog | None
    is_closed: bool

    def hub(self) -> Hub:
        """Return the hub of the running loop."""
        ...


class Subscription:
    """A source of a channel's events, each an ``Event`` with the id that it has in the log.

    Iterating begins it; iterated again it begins again. It ends when the channel is closed.

    A slow reader without a log: "close" ends its stream (iterated by hand: ``Overflow`` is
    raised), "drop_oldest" drops, "block" lets broadcasters that await wait. With a log it reads on
    by id, and gets an event "reset" where that is no longer held.
    """

    __slots__ = ("_after", "_channel", "_replay", "_state")

    yields_items = True  # never raw text, also where a host takes text for that

    def __init__(self, channel: Subscribable, after: str, state: Any, replay: bool) -> None:
        self._channel, self._after, self._state, self._replay = channel, after, state, replay

    def __aiter__(self) -> AsyncIterator[Event]:
        if self._channel.log is not None:
            return _FromLog(self._channel, self._after, self._state, self._replay)
        return _FromHub(self._channel, self._state)


class _FromHub:
    """An iterator over what is broadcast from now on (``Attaching``, ``Listener``)."""

    def __init__(self, channel: Subscribable, state: Any) -> None:
        self._channel, self._state = channel, state
        self._events: deque[Message] = deque()
        self._news: asyncio.Future[None] | None = None
        self._room: list[asyncio.Future[None]] = []  # broadcasters that wait
        self._past = 0
        self._feed: Feed | None = None
        self._write: Callable[[Message], Any] = event_of
        self._overflowed = False
        self.ended = channel.is_closed
        self._hub = channel.hub()
        if not self.ended:
            self._hub.listen(self)

    async def attach_to_feed(self, feed: Feed) -> None:
        """Let the head leave: the first event may be long in coming."""
        self._feed, self._write = feed, _item_for(feed)
        feed.commit()

    # --- the channel's side

    @property
    def is_full(self) -> bool:
        """Whether it holds as much as it may."""
        return len(self._events) >= self._channel.max_queue

    def take(self, message: Message) -> None:
        """Keep ``message`` for the reader."""
        if not message.is_for(self._state, None, None):
            return
        if self.is_full and self._channel.overflow == "close":
            self._overflowed = True
            self.close()
            return
        if self.is_full and self._channel.overflow == "drop_oldest":
            self._events.popleft()
        self._events.append(message)
        _finish(self._news)

    async def turn(self) -> None:
        """Return when there is room."""
        room = asyncio.get_running_loop().create_future()
        self._room.append(room)
        await room

    def let_past(self) -> None:
        """Let one event past the bound, when somebody waits for room.

        Raises:
            Overflow: Nobody does.
        """
        if self._past >= len(self._room):
            raise Overflow(
                f"{len(self._events)} events wait for a slow subscriber; "
                "await what broadcast() returns"
            )
        self._past += 1

    def close(self) -> None:
        """Nothing more will come."""
        if not self.ended:
            self.ended = True
            self._hub.ignore(self)
        _finish(self._news)
        self._make_room()

    def _make_room(self) -> None:
        room, self._room, self._past = self._room, [], 0
        for waiting in room:
            _finish(waiting)

    # --- the reader's side

    def __aiter__(self) -> _FromHub:
        return self

    async def __anext__(self) -> Any:
        while not self._events and not self.ended:
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            except asyncio.CancelledError:  # as a generator: one that was cancelled is over
                self.close()
                raise
        if self._overflowed:
            self._break_off()
        if not self._events:
            raise StopAsyncIteration
        message = self._events.popleft()
        if self._room and not self.is_full:
            self._make_room()
        return self._write(message)

    def _break_off(self) -> None:
        """The reader is too slow for the channel's policy."""
        self._events.clear()
        if self._feed is not None:
            self._feed.stop(Ending.OVERFLOW)
            return
        raise Overflow(
            f"{self._channel.max_queue} events of channel {self._channel.name!r} waited for a slow "
            'subscriber; a channel with a log, or overflow="drop_oldest", lets it go on'
        )

    async def aclose(self) -> None:
        """Stop listening."""
        self.close()

    def __del__(self) -> None:
        # A user's generator that iterates us drops us with its frame, and does not close us.
        if not self.ended and not self._hub.loop.is_closed():
            self.close()


class _FromLog:
    """An iterator over what the log holds after a cursor, then what comes (``Attaching``)."""

    def __init__(self, channel: Subscribable, after: str, state: Any, replay: bool) -> None:
        self._channel, self._state, self._replay = channel, state, replay
        hub = channel.hub()
        assert isinstance(hub, LoggedHub)
        self._hub = hub
        cursors = split_cursors(after)
        self._after = cursors.get(hub.tag) or cursors.get("")
        self._events: AsyncGenerator[Any] | None = None
        self._write: Callable[[Message], Any] = event_of

    async def attach_to_feed(self, feed: Feed) -> None:
        """Let the head leave: the first event may be long in coming."""
        self._write = _item_for(feed)
        feed.commit()

    def __aiter__(self) -> _FromLog:
        return self

    async def __anext__(self) -> Any:
        if self._events is None:
            self._events = self._follow()
        return await anext(self._events)

    async def aclose(self) -> None:
        """Stop reading."""
        if self._events is not None:
            await self._events.aclose()

    async def _follow(self) -> AsyncGenerator[Any]:
        hub, after = self._hub, self._after
        if after is None and not self._replay:
            after = await hub.tail()
            if self._write is not _bare:
                yield Event(id=after)  # a place to come back to, though nothing came yet
        while not self._channel.is_closed:
            try:
                page = await self._page(after)
            except CursorGone as gone:
                after = None
                if self._write is not _bare:
                    yield reset_event(gone.reason)
                continue
            for entry in page:
                after = entry.id
                if entry.ending is not None:
                    return
                message = Message.from_entry(entry)
                if message.is_for(self._state, None, None):
                    yield self._write(message)

    async def _page(self, after: str | None) -> list[Entry]:
        """Return what comes next; nothing when the channel was closed meanwhile."""
        hub = self._hub
        read = asyncio.ensure_future(hub.read(after, wait=WAIT))
        try:
            await asyncio.wait((read, hub.closed), return_when=asyncio.FIRST_COMPLETED)
            return await read if read.done() else []
        finally:
            read.cancel()


def _item_for(feed: Feed) -> Callable[[Message], Any]:
    """Return what makes the items of ``feed``: bare where the format has no place for ids."""
    return _numbered if getattr(feed.encoder, "takes_ids", False) else _bare


def _numbered(message: Message) -> Any:
    return Numbered(message.item, message.id) if message.id else message.item


def _bare(message: Message) -> Any:
    return message.item


def event_of(message: Message) -> Event:
    """Return what a subscriber gets of a message."""
    item = message.item
    if isinstance(item, Event):
        return Event(item.data, item.event, message.id or item.id, item.retry, item.comment)
    return Event(item, id=message.id)


def _finish(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
