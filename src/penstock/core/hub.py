"""A channel's sessions on one event loop, and putting a broadcast before each of them.

Lives here: the loop over the sessions, what happens to a slow one, and the pace of a broadcaster.
No task is made for a delivery: an event's bytes go straight into each session's outbox.
Stays out: logs (``logged_hub``), and other loops (``channel``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, TypeAlias

from penstock.core.ending import Ending
from penstock.core.hooks import Hooks
from penstock.core.message import Droppable, Message
from penstock.core.outbox import MAX_BYTES, Outbox
from penstock.core.session import Session
from penstock.errors import Overflow

__all__ = ("Delivery", "Filter", "Hub", "HubOptions", "Listener", "OverflowPolicy", "Registration")

logger = logging.getLogger("penstock")

OverflowPolicy: TypeAlias = Literal["close", "drop_oldest", "block"]
Filter: TypeAlias = Callable[[Session[Any]], object]

# A broadcaster that awaits gives the loop a turn after so much, so that writers get to write.
_TURN_EVENTS = 64
_TURN_BYTES = 4096


@dataclass(frozen=True, slots=True)
class HubOptions:
    """What all hubs of a channel share.

    Attributes:
        owner: The channel.
        overflow: What happens to a slow reader.
        max_queue: Events that may wait for one.
        hooks: The channel's.
    """

    owner: Any
    overflow: OverflowPolicy
    max_queue: int
    hooks: Hooks


class Registration:
    """A session's place in a channel.

    Await it to know that the session has caught up with what the channel holds; as a context
    manager it deregisters at the end of the block.
    """

    __slots__ = ("_hub", "is_active", "session")

    def __init__(self, hub: Hub, session: Session[Any]) -> None:
        self._hub, self.session = hub, session
        self.is_active = True

    def deregister(self) -> None:
        """Leave the channel; harmless when it was left."""
        if self.is_active:
            self._hub.remove(self)

    def session_ended(self) -> None:
        """The session is over (``Member``)."""
        if self.is_active:
            self._hub.options.hooks.fire("disconnected", self.session)
            self.deregister()

    def __await__(self) -> Generator[Any, None, None]:
        return self._caught_up().__await__()

    async def _caught_up(self) -> None:
        """There is nothing to catch up with."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.deregister()

    async def __aenter__(self) -> Self:
        await self
        return self

    async def __aexit__(self, *error: object) -> None:
        self.deregister()

    def bytes_of(self, message: Message) -> bytes | None:
        """Return what this session is sent of ``message``; None: nothing, it has it."""
        return message.encoded(self.session.writer)

    def after_dropping(self, outbox: Outbox, index: int) -> bool:
        """Something was dropped at ``index`` of what waits; return whether to go on as usual."""
        return True


class Full(Protocol):
    """What is over its bound, and whose reader a broadcaster may wait for."""

    @property
    def ended(self) -> bool:
        """Whether nobody reads it any more."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether its bound is reached."""
        ...

    async def turn(self) -> None:
        """Return when there is room."""


class _Blocked:
    """A session's outbox that is at the channel's bound, which may be below its own."""

    __slots__ = ("_limit", "_outbox")

    def __init__(self, outbox: Outbox, limit: int) -> None:
        self._outbox, self._limit = outbox, limit

    @property
    def ended(self) -> bool:
        return self._outbox.ended

    @property
    def is_full(self) -> bool:
        outbox = self._outbox
        return outbox.size >= MAX_BYTES or len(outbox.pending) + outbox.taken >= self._limit

    async def turn(self) -> None:
        while self.is_full and not self.ended:
            await self._outbox.written()


class Listener(Full, Protocol):
    """Somebody who takes messages, not bytes: a subscription."""

    def let_past(self) -> None:
        """Let one write past the bound; raises ``Overflow`` when nobody waits."""

    def take(self, message: Message) -> None:
        """Keep ``message``, or not: the policy is its own."""

    def close(self) -> None:
        """Nothing more will come."""


class Hub:
    """The sessions of a channel that live on one loop.

    Args:
        options: The channel's.
    """

    def __init__(self, options: HubOptions) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.places: dict[Session[Any], Registration] = {}
        self.listeners: list[Listener] = []  # subscriptions
        self._closed: asyncio.Future[None] | None = None
        self._live: tuple[Registration, ...] | None = ()
        self._turn_events = self._turn_bytes = 0  # put since the loop last turned

    @property
    def is_empty(self) -> bool:
        """Whether nobody listens here."""
        return not self.places and not self.listeners

    def add(self, registration: Registration) -> None:
        """Let a session in.

        Raises:
            StreamClosed: It has ended.
        """
        session = registration.session
        session.hold(self.options.owner, registration)
        self.places[session] = registration
        self._live = None
        self.options.hooks.fire("registered", session)

    def remove(self, registration: Registration) -> None:
        """Let a session out."""
        session = registration.session
        registration.is_active = False
        if self.places.pop(session, None) is not None:
            self._live = None
            session.let_go(self.options.owner)
            self.options.hooks.fire("deregistered", session)

    def listen(self, listener: Listener) -> None:
        """Let a subscription in."""
        self.listeners.append(listener)

    def ignore(self, listener: Listener) -> None:
        """Let a subscription out."""
        if listener in self.listeners:
            self.listeners.remove(listener)

    def close(self) -> None:
        """Let everybody out; sessions that nothing else keeps open end."""
        for place in list(self.places.values()):
            place.deregister()
            place.session.release()
        for listener in list(self.listeners):
            listener.close()
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    @property
    def closed(self) -> asyncio.Future[None]:
        """Done when the hub is closed."""
        if self._closed is None:
            self._closed = self.loop.create_future()
        return self._closed

    def live(self) -> tuple[Registration, ...]:
        """Return those that are sent what is broadcast now."""
        if self._live is None:
            self._live = self._find_live()
        return self._live

    def _find_live(self) -> tuple[Registration, ...]:
        return tuple(self.places.values())

    def changed(self) -> None:
        """Who is live has changed."""
        self._live = None

    # --- delivering

    def deliver(self, message: Message, check: Filter | None = None) -> list[Full]:
        """Put ``message`` before each session; return those to wait for, which are full."""
        full: list[Full] = []
        limit, selective = self.options.max_queue, check is not None or message.match is not None
        blocks = self.options.overflow == "block"
        size, failed = 0, None
        for place in self.live():
            session = place.session
            outbox = session.outbox
            try:
                if selective and not message.is_for(session.state, check, session):
                    continue
                data = place.bytes_of(message)
            except Exception as exc:
                if check is None:
                    session.fail(exc)  # this one cannot be written to: the others do not notice
                else:
                    failed = failed or exc
                continue
            if data is None or outbox.ended or session.ending is not None:
                continue
            size = len(data)
            behind = outbox.size >= MAX_BYTES or len(outbox.pending) + outbox.taken >= limit
            if behind and not self._make_room(place, outbox):
                continue
            outbox.add(data)
            if blocks and (outbox.size >= MAX_BYTES or len(outbox.pending) + outbox.taken >= limit):
                full.append(_Blocked(outbox, limit))
        if failed is not None:  # once, however many sessions it failed for
            name = getattr(self.options.owner, "name", "")
            logger.error("a filter failed in channel %r", name, exc_info=failed)
        for listener in list(self.listeners):
            listener.take(message)
            if blocks and listener.is_full:
                full.append(listener)
        self._count(size)
        return full

    def _make_room(self, place: Registration, outbox: Outbox) -> bool:
        """A session is over its bound; return whether it is sent the event all the same."""
        policy = self.options.overflow
        if policy == "block":
            return True
        if policy == "close":
            place.session.stop(Ending.OVERFLOW)
            return False
        return self._drop_oldest(place, outbox)

    def _drop_oldest(self, place: Registration, outbox: Outbox) -> bool:
        pending, owner = outbox.pending, self.options.owner
        index = 0
        while index < len(pending) and (
            outbox.size >= MAX_BYTES or len(pending) + outbox.taken >= self.options.max_queue
        ):
            data = pending[index]
            if type(data) is Droppable and data.channel is owner:
                del pending[index]
                outbox.size -= len(data)
                if not place.after_dropping(outbox, index):
                    return False
            else:
                index += 1
        return True

    # --- the broadcaster's pace

    def check_pace(self) -> None:
        """Refuse a broadcaster that never lets the loop run: its readers are not slow.

        Raises:
            Overflow: So much was broadcast, un-awaited, that it would overflow every reader.
        """
        limit = self.options.max_queue
        if self._turn_events >= limit or self._turn_bytes >= MAX_BYTES:
            raise Overflow(
                f"{self._turn_events} broadcasts, {self._turn_bytes} bytes, in one turn of the "
                "event loop; await what broadcast() returns"
            )
        if self.options.overflow == "block":
            for place in self.live():
                outbox = place.session.outbox
                if len(outbox.pending) + outbox.taken >= limit or outbox.size >= MAX_BYTES:
                    outbox.let_past()
            for listener in self.listeners:
                if listener.is_full:
                    listener.let_past()

    def _count(self, size: int) -> None:
        if not self._turn_events:
            self.loop.call_soon(self._loop_ran)
        self._turn_events += 1
        self._turn_bytes += size

    def _loop_ran(self) -> None:
        self._turn_events = self._turn_bytes = 0

    @property
    def owes_turn(self) -> bool:
        """Whether the loop should run before more is delivered."""
        events = min(_TURN_EVENTS, max(1, self.options.max_queue // 4))
        return self._turn_events >= events or self._turn_bytes >= _TURN_BYTES


class Delivery:
    """What ``broadcast`` returns: await it, and the readers' pace is yours."""

    __slots__ = ("_full", "_hub")

    def __init__(self, hub: Hub, full: Sequence[Full]) -> None:
        self._hub, self._full = hub, full

    def __await__(self) -> Generator[Any, None, None]:
        if self._hub.owes_turn:
            yield  # one turn of the loop, as asyncio.sleep(0)
        for each in self._full:
            if each.is_full and not each.ended:
                yield from each.turn().__await__()
