"""How a session lives and ends: the producer behind it, and what keeps it open.

Lives here: being the producer of a stream, early writes, memberships in channels, the ways to end.
Stays out: what users write to it (``session``).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from penstock.core.cursor import Unnamed, split_cursors
from penstock.core.ending import Ending
from penstock.core.event_buffer import Pushing
from penstock.core.event_writer import EventWriter
from penstock.core.hooks import Hooks
from penstock.core.outbox import Outbox
from penstock.core.producer import Capacity, EndingFeed
from penstock.errors import InvalidOption, StreamClosed

__all__ = ("Member", "SessionLife")

logger = logging.getLogger("penstock")

# Some clients of old hold back the first two kibibytes.
_PADDING = b": " + b" " * 2048 + b"\n"


class Member(Protocol):
    """A session's place in a channel, as the session knows it."""

    def session_ended(self) -> None:
        """The session is over: leave the channel."""


class SessionLife(Pushing):
    """What a session is to its stream and to channels (``Producer``).

    Args:
        last_event_id: Where the reader left off, or ``""``.
        writer: Turns what is pushed into bytes.
        callback: Is given the connected session.
        padded: Begin with two kibibytes of comment.
    """

    __slots__ = (
        "__weakref__",
        "_awaited_by",
        "_callback",
        "_closed",
        "_connected",
        "_cursors",
        "_feed",
        "_held",
        "_hooks",
        "_logged",
        "_members",
        "_over",
        "_padded",
        "_returned",
        "_task",
        "_tasks",
        "_unnamed",
        "_wake",
        "_watch",
        "ending",
        "last_event_id",
        "outbox",
        "request",
        "response",
        "state",
        "writer",
    )

    def __init__(
        self,
        last_event_id: str,
        writer: EventWriter,
        callback: Callable[[Any], Awaitable[object] | None] | None,
        *,
        padded: bool,
    ) -> None:
        if callback is not None and not callable(callback):
            raise InvalidOption("callback", callback, "a function of the session")
        self.last_event_id = last_event_id
        self.writer, self._callback, self._padded = writer, callback, padded
        self.ending: Ending | None = None
        #: Where bytes wait for the reader: channels put theirs here. Its own until it is connected.
        self.outbox = Outbox()
        self._feed: EndingFeed | None = None
        self._hooks: Hooks | None = None
        self._members: dict[Any, Member] = {}  # by channel
        self._tasks: set[asyncio.Task[Any]] | None = None
        self._task: asyncio.Task[Any] | None = None  # the producer's
        self._held = False  # it was registered: it lives until closed
        self._over = False  # hooks and cleanups have run
        self._returned = False  # the callback has
        self._wake: asyncio.Future[None] | None = None  # what produce() waits for
        self._closed: asyncio.Future[Ending] | None = None  # what others wait for
        self._awaited_by: tuple[asyncio.Task[Any] | None, ...] = ()
        self._connected: asyncio.Future[None] | None = None
        self._watch: Callable[[Ending], None] | None = None
        self._cursors: dict[str, str] | None = None  # what the reader came with, by tag
        self._unnamed: Unnamed | None = None  # the one that names no channel
        self._logged: dict[str, str] | None = None  # where it is now, by tag

    @property
    def is_open(self) -> bool:
        """Whether it can be written to."""
        if self.ending is not None:
            return False
        return self._feed is None or self._feed.ending is None

    @property
    def is_connected(self) -> bool:
        """Whether the reader is there: the head has left, and it has not ended."""
        return self._feed is not None and self.is_open

    async def wait_closed(self) -> Ending:
        """Return how the session ended, once it has: its hooks and cleanups have run then."""
        if self._over:
            assert self.ending is not None
            return self.ending
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        self._awaited_by += (task,)
        try:
            return await asyncio.shield(self._closed)
        finally:
            self._awaited_by = tuple(each for each in self._awaited_by if each is not task)

    # --- the producer

    async def produce(self, feed: Any) -> None:
        """Be the producer of ``feed`` until closed (``Producer``)."""
        self._attach(feed)
        self._task = asyncio.current_task()
        try:
            if self._hooks is not None:
                await self._hooks.run("connected", self)
            if self._callback is not None:
                result = self._callback(self)
                if inspect.isawaitable(result):
                    await result
                self._returned = True
                if not self._held and not self._tasks and self.is_open:
                    return
            if self._wake is None:
                self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        finally:
            await self._conclude(feed, sys.exception())

    async def discard(self) -> None:
        """Nobody will read: end as one that was (``Producer``)."""
        self.abandon()

    def abandon(self) -> None:
        """Nobody will ever run it; harmless when it has ended."""
        if not self._over:
            self.outbox.discard()
            self.outbox.end()
            self._leave(Ending.DISCONNECTED)

    def _attach(self, feed: EndingFeed) -> None:
        early, self.outbox, self._feed = self.outbox, feed.outbox, feed
        if self._padded:
            self.outbox.put(_PADDING)
        for data in early.pending:
            self.outbox.put(data)
        early.discard()  # wakes who waits for room in it
        if self._connected is not None and not self._connected.done():
            self._connected.set_result(None)
        if self.ending is not None:  # closed before it was connected
            feed.stop(self.ending)

    async def _conclude(self, feed: EndingFeed, error: BaseException | None) -> None:
        ending = feed.ending or self.ending
        if ending is None:
            ending = Ending.COMPLETED if error is None else Ending.ERROR
        elif feed.ending is None and error is None:
            feed.stop(ending)  # closed from inside the callback
        self.ending = ending
        if self._watch is not None:
            self._watch(ending)
        try:
            if self._tasks:
                await self._cancel_spawned(self._tasks)
            if self._hooks is not None:
                await self._hooks.run("disconnected", self)
        finally:
            self._leave(ending)

    async def _cancel_spawned(self, tasks: set[asyncio.Task[Any]]) -> None:
        left = tasks - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def _leave(self, ending: Ending) -> None:
        if self.ending is None:
            self.ending = ending
        for member in list(self._members.values()):
            member.session_ended()
        self._over, self._task = True, None
        if self._connected is not None and not self._connected.done():
            self._connected.set_result(None)
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(self.ending)

    # --- ending

    def stop(self, ending: Ending) -> None:
        """End it so, in good order; harmless when it has ended."""
        if self.is_open:
            self._stop(ending)

    def fail(self, error: Exception) -> None:
        """End the session with ``error``, reported once, as if its callback had raised it."""
        if not self.is_open:
            return
        if self._feed is None:
            logger.error("a session failed before it was connected", exc_info=error)
            self._end_early(Ending.ERROR)
            return
        self._feed.fail(error)
        if self._task is not None:
            self._task.cancel()

    def _stop(self, ending: Ending) -> None:
        feed = self._feed
        if feed is None:
            self._end_early(ending)
        elif self._task is not None and self._task is asyncio.current_task():
            # Told to the stream once the callback has returned: its own call does not cancel it.
            self.ending = ending
            self._finish_waiting()
        else:
            feed.stop(ending)

    def _end_early(self, ending: Ending) -> None:
        """It ends before it was connected, and maybe never is: no channel is to hold it."""
        self.ending = ending  # told to the stream once there is one
        for member in list(self._members.values()):
            member.session_ended()

    def _finish_waiting(self) -> None:
        if self._wake is None:
            self._wake = asyncio.get_running_loop().create_future()
        if not self._wake.done():
            self._wake.set_result(None)

    def watch_end(self, watch: Callable[[Ending], None]) -> None:
        """Call ``watch`` when it ends, before hooks and cleanups run."""
        self._watch = watch

    def is_awaited_by(self, task: asyncio.Task[Any]) -> bool:
        """Whether ``task`` waits for its end."""
        return task in self._awaited_by

    async def connected(self) -> None:
        """Return when the reader is there, or never will be."""
        if self._feed is None and self.ending is None:
            if self._connected is None:
                self._connected = asyncio.get_running_loop().create_future()
            await self._connected

    # --- channels

    def hold(self, channel: Any, member: Member) -> None:
        """``member`` is this session's place in ``channel``: it stays open without its callback."""
        self._check_open()
        self._members[channel] = member
        self._held = True
        if self._feed is None:
            self._wake = None  # let go of before it was connected, and now held again

    def let_go(self, channel: Any) -> None:
        """It has left ``channel``."""
        self._members.pop(channel, None)

    def release(self) -> None:
        """``channel.close()`` let it go: end, when nothing is left to come."""
        if not self._members:
            self._held = False
            self._returned = self._returned or self._callback is None
            self._end_unless_kept()

    def _end_unless_kept(self) -> None:
        """End when nobody is left who would write: no callback, channel, task, or block."""
        if self._returned and not self._held and not self._tasks and self._watch is None:
            self._finish_waiting()

    def member_of(self, channel: Any) -> Member | None:
        """Return this session's place in ``channel``."""
        return self._members.get(channel)

    def cursor_for(self, tag: str) -> tuple[str | None, Unnamed | None]:
        """Return where the reader left off in the log of a channel, by tag; None: it did not say.

        An id that names no channel is given to each that asks: whose it is they tell each other.
        """
        if self._cursors is None:
            self._cursors = split_cursors(self.last_event_id)
        found, unnamed = self._cursors.pop(tag, None), self._cursors.get("")
        if found is not None or unnamed is None:
            return found, None
        if self._unnamed is None:
            self._unnamed = Unnamed()
        return unnamed, self._unnamed

    @property
    def places(self) -> dict[str, str]:
        """Where it is now in the logs of its channels, by tag."""
        if self._logged is None:
            self._logged = {}
        return self._logged

    # --- writing

    def _check_open(self) -> None:
        if self.ending is None:
            feed = self._feed
            if feed is None or feed.ending is None:
                return
            raise StreamClosed(f"this session has ended: {feed.ending}")
        raise StreamClosed(f"this session has ended: {self.ending}")

    def _put(self, data: bytes) -> Capacity:
        self.outbox.put_unasked(data)
        return Capacity(self.outbox)
