"""A channel's sessions on one loop, when the channel has a log: history, resume, other processes.

Lives here: the one follower of the log, which brings its events to all sessions in their one
order, and each session's way from its cursor to what is live.
Stays out: appending (``appender``), what a log is (``log``).

A session reads by itself, at its reader's pace, until it is where the follower is. Then it is
live: from there on the follower's loop writes to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from penstock.clock import current_clock
from penstock.core.cursor import Unnamed, join_cursors, tag_of
from penstock.core.hub import Delivery, Hub, HubOptions, Registration
from penstock.core.log import Entry, EventLog, split_cursor
from penstock.core.message import Message
from penstock.core.outbox import Outbox
from penstock.core.session import Session
from penstock.errors import CursorGone, LogUnavailable, StreamClosed
from penstock.event import Event

__all__ = ("WAIT", "LoggedHub", "LoggedRegistration", "Snapshot", "reset_event")

logger = logging.getLogger("penstock")

T = TypeVar("T")

# Called for a session whose cursor is gone: it pushes what the session needs instead.
Snapshot: TypeAlias = Callable[[Session[Any]], Awaitable[None] | None]

_PAGE = 256
WAIT = 60.0  # seconds that one wait for more takes at most
# Seconds between two tries while the log does not answer.
_BACKOFF = (0.05, 0.1, 0.2, 0.5, 1.0)


def reset_event(reason: str) -> Event:
    """Return what tells a reader to begin anew: what it holds is not what comes before the next."""
    return Event({"reason": reason}, event="reset")


class LoggedHub(Hub):
    """The sessions of a channel with a log.

    Args:
        options: The channel's.
        log: Its log.
        key: Where in the log.
        name: The channel's name.
        ended: Called when the log's key was closed.
    """

    def __init__(
        self,
        options: HubOptions,
        log: EventLog,
        key: str,
        name: str,
        ended: Callable[[], None],
    ) -> None:
        super().__init__(options)
        self.log, self.key, self.tag = log, key, tag_of(name)
        self._ended = ended
        self.position = ""  # the follower's: the id that it delivered last
        self.starting: set[asyncio.Future[None]] = set()  # those that do not know yet where
        self.droppable_of = options.owner if options.overflow == "drop_oldest" else None
        self._ready: asyncio.Future[None] | None = None
        self._follower: asyncio.Task[None] | None = None

    def add(self, registration: Registration) -> None:
        super().add(registration)
        if self._follower is None:
            self._ready = self.loop.create_future()
            self._follower = self.loop.create_task(self._follow(), name="penstock follower")

    def remove(self, registration: Registration) -> None:
        super().remove(registration)
        if not self.places and self._follower is not None:
            follower, self._follower = self._follower, None
            follower.cancel()

    def _find_live(self) -> tuple[Registration, ...]:
        places = (each for each in self.places.values() if isinstance(each, LoggedRegistration))
        return tuple(each for each in places if each.is_live)

    async def ready(self) -> None:
        """Return when the follower has a position."""
        if self._ready is not None:
            await asyncio.shield(self._ready)

    async def started(self) -> None:
        """Return when everybody who wants what comes from now on knows where that is."""
        while self.starting:
            await asyncio.wait(self.starting)

    async def tail(self) -> str:
        """Return the cursor of now, however long the log is away."""
        return await self._patiently(lambda: self.log.tail(self.key))

    async def read(self, after: str | None, *, wait: float = 0.0) -> list[Entry]:
        """Return a page of what comes after a cursor, however long the log is away.

        Raises:
            CursorGone: It cannot be told.
        """
        return await self._patiently(
            lambda: self.log.read(self.key, after=after, limit=_PAGE, wait=wait)
        )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        tries = 0
        while True:
            try:
                return await ask()
            except LogUnavailable as exc:
                if not tries:
                    logger.warning("%s: its log does not answer: %s", self.key, exc)
                await current_clock().sleep(_BACKOFF[min(tries, len(_BACKOFF) - 1)])
                tries += 1

    # --- the follower

    async def _follow(self) -> None:
        while True:
            try:
                self.position = await self.tail()
                assert self._ready is not None
                if not self._ready.done():
                    self._ready.set_result(None)
                await self._follow_on()
                return
            except CursorGone as gone:
                for place in list(self.places.values()):
                    if isinstance(place, LoggedRegistration):
                        place.restart(gone.reason)
            except StreamClosed:  # the log was let go of
                self._ended()
                return
            except Exception:
                logger.exception("channel %r stopped following its log", self.key)
                self._ended()
                return

    async def _follow_on(self) -> None:
        while True:
            page = await self.read(self.position, wait=WAIT)
            for entry in page:
                self.position = entry.id
                if entry.ending is not None:
                    self._ended()
                    return
                message = Message.from_entry(entry, self.droppable_of)
                await Delivery(self, self.deliver(message))


class LoggedRegistration(Registration):
    """A session's place in a channel with a log.

    Args:
        hub: The channel's, on this loop.
        session: Whose place it is.
        snapshot: Called when its cursor is gone; None: it gets all that is held.
        replay: What one without a cursor gets first: True: all; a number: so many of the newest.
    """

    __slots__ = (
        "_catching_up",
        "_cursor",
        "_logged_hub",
        "_replay",
        "_snapshot",
        "_unnamed",
        "is_live",
    )

    def __init__(
        self,
        hub: LoggedHub,
        session: Session[Any],
        snapshot: Snapshot | None,
        replay: bool | int,
    ) -> None:
        super().__init__(hub, session)
        self._logged_hub, self._snapshot, self._replay = hub, snapshot, replay
        self.is_live = False
        self._cursor = ""
        self._catching_up: asyncio.Task[None] | None = None
        self._unnamed: Unnamed | None = None

    def start(self) -> None:
        """Begin to catch up, from where the reader left off."""
        tag = self._logged_hub.tag
        cursor, self._unnamed = self.session.cursor_for(tag)
        # One that names no channel belongs to the first that asks, unless its log does not know it.
        is_certain = self._unnamed is None or self._unnamed.ask(self)
        if cursor is not None and is_certain and split_cursor(cursor) is not None:
            self.session.places[tag] = cursor  # other channels' ids say it too, from now on
        self._catch_up(self._begin(cursor, is_certain))

    def restart(self, reason: str) -> None:
        """Begin anew: what came after the session's place cannot be told."""
        self._catch_up(self._reset(reason))

    def deregister(self) -> None:
        super().deregister()
        self._settle(False)
        self.session.places.pop(self._logged_hub.tag, None)
        if self._catching_up is not None and self._catching_up is not asyncio.current_task():
            self._catching_up.cancel()

    async def _caught_up(self) -> None:
        """Wait until the session is live.

        Raises:
            StreamClosed: It ended, or left the channel, before that.
        """
        task = self._catching_up
        if task is not None:
            await asyncio.wait([task])
        if not self.is_active:
            raise StreamClosed("the session left the channel before it had caught up")

    # --- writing to the session

    def bytes_of(self, message: Message) -> bytes | None:
        id = message.id
        assert id is not None
        if id <= self._cursor:
            return None  # read by itself before it was live
        return self._bytes_at(message, id)

    def _bytes_at(self, message: Message, id: str) -> bytes:
        session, tag = self.session, self._logged_hub.tag
        self._cursor = id
        places = session.places
        places[tag] = id
        if len(places) == 1:
            return message.encoded(session.writer)
        return message.placed(session.writer, join_cursors(places))

    def after_dropping(self, outbox: Outbox, index: int) -> bool:
        if self._snapshot is not None:
            self.restart("dropped")
            return False
        reset = self.session.writer.encode(reset_event("dropped"))
        if index == 0 or outbox.pending[index - 1] != reset:
            outbox.pending.insert(index, reset)
            outbox.size += len(reset)
        return True

    # --- catching up

    def _catch_up(self, work: Any) -> None:
        if self._catching_up is not None:
            self._catching_up.cancel()
            self._settle(False)
        if self.is_live:
            self.is_live = False
            self._logged_hub.changed()
        loop = self._logged_hub.loop
        self._catching_up = loop.create_task(self._guarded(work), name="penstock catch-up")

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except StreamClosed:
            pass  # the session has ended: nobody is left to catch up
        except Exception as exc:
            self.session.fail(exc)

    def _settle(self, is_known: bool) -> None:
        if self._unnamed is not None:
            self._unnamed.settle(self, is_known)

    async def _begin(self, cursor: str | None, is_certain: bool) -> None:
        try:
            if cursor is not None and is_certain:
                await self._read_on(cursor)
            elif cursor is not None:
                await self._try(cursor)
            elif self._replay:
                await self._read_on(await self._replay_from())
            else:
                await self._from(await self._now())
        except CursorGone as gone:
            self._settle(gone.reason != "unknown")
            await self._reset(gone.reason)

    async def _try(self, cursor: str) -> None:
        """Begin at a cursor that may be another channel's."""
        now = await self._now()
        try:
            await self._logged_hub.read(cursor)
        except CursorGone as gone:
            if gone.reason != "unknown":
                raise
            self._settle(False)
            if self._unnamed is None or not await self._unnamed.settled():  # nobody's
                self.session.places[self._logged_hub.tag] = cursor
                raise
            if self._replay:
                await self._read_on(await self._replay_from())
            else:
                await self._from(now)
            return
        self.session.places[self._logged_hub.tag] = cursor
        await self._read_on(cursor)

    async def _now(self) -> str:
        """Return the cursor of now. Broadcasts wait for that, and for nothing else of us."""
        hub = self._logged_hub
        started = hub.loop.create_future()
        hub.starting.add(started)
        try:
            return await hub.tail()
        finally:
            hub.starting.discard(started)
            started.set_result(None)

    async def _from(self, tail: str) -> None:
        await self._place(tail)
        await self._read_on(tail)

    async def _replay_from(self) -> str | None:
        """Return the cursor before the newest events that are asked for; None: before all."""
        if self._replay is True:
            return None
        hub = self._logged_hub
        newest: deque[str] = deque(maxlen=int(self._replay) + 1)
        after: str | None = None
        while page := await hub.read(after):
            newest.extend(entry.id for entry in page)
            after = page[-1].id
        return newest[0] if len(newest) > self._replay else None

    async def _reset(self, reason: str) -> None:
        session, hub = self.session, self._logged_hub
        while True:
            await session.put_patiently(session.writer.encode(reset_event(reason)))
            try:
                if self._snapshot is None:
                    await self._read_on(None)
                    return
                tail = await hub.tail()
                made = self._snapshot(session)
                if made is not None:
                    await made
                await self._from(tail)
                return
            except CursorGone as gone:  # trimmed faster than this reader reads
                reason = gone.reason

    async def _place(self, id: str) -> None:
        """Tell the reader where it is though no event says so: it may be cut before the first."""
        session = self.session
        self._cursor = id
        session.places[self._logged_hub.tag] = id
        await session.put_patiently(session.writer.encode(Event(id=join_cursors(session.places))))

    async def _read_on(self, after: str | None) -> None:
        """Read what is held after a cursor, then be live."""
        hub, session = self._logged_hub, self.session
        await session.connected()
        await hub.ready()
        if after is None:
            self._cursor, tail = "", await hub.tail()
        else:
            self._cursor = tail = after
        while True:
            page = await hub.read(after)
            self._settle(True)
            for entry in page:
                after = entry.id
                if entry.ending is None:
                    await self._deliver(entry)
            if not page and after is None:
                after = tail
                self._cursor = tail
                await self._place(tail)
            if after is not None and after >= hub.position:
                self._cursor = max(self._cursor, after)
                self.is_live = True
                hub.changed()
                return

    async def _deliver(self, entry: Entry) -> None:
        message = Message.from_entry(entry, self._logged_hub.droppable_of)
        session = self.session
        if message.is_for(session.state, None, session):
            await session.put_patiently(self._bytes_at(message, entry.id))
        else:
            self._cursor = entry.id
