"""A channel: one broadcast to many sessions, in this process or in all that share a log.

Lives here: ``Channel``, what it promises, and its hubs, one for each event loop. Stays out: how a
broadcast reaches a session (``hub``, ``logged_hub``), and how it is kept (``appender``, ``log``).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar, cast, overload

from penstock.core.appender import Appender
from penstock.core.event_writer import DEFAULT
from penstock.core.hooks import H, Hook, Hooks
from penstock.core.hub import Delivery, Hub, HubOptions, OverflowPolicy, Registration
from penstock.core.log import EventLog, Keep
from penstock.core.logged_hub import LoggedHub, LoggedRegistration, Snapshot
from penstock.core.match import check_match
from penstock.core.message import Message
from penstock.core.outbox import MAX_EVENTS
from penstock.core.producer import item_of
from penstock.core.session import Session
from penstock.core.subscription import Subscription
from penstock.errors import InvalidOption, StreamClosed, UsageError
from penstock.logs.memory import MemoryLog
from penstock.portal import portal

__all__ = ("Channel",)

State = TypeVar("State")


class Channel(Generic[State]):
    """Sessions that are written to together.

    It may be made at import, and used from any event loop; ``broadcast_threadsafe`` from any
    thread.

    Args:
        name: Names it: the same in each process that shares a log.
        history: Events kept for readers that come back; they get ids then. 0 without a log: none.
        log: Where they are kept, for readers in every process that uses it. None: in memory.
        overflow: What happens to a session that is ``max_queue`` events, or 64 KiB, behind:
            "close" ends it, and it may come back with its last event id; "drop_oldest" drops what
            it has not been sent, in a channel with a log behind an event "reset"; "block" makes
            broadcasts that are awaited wait for it.
        max_queue: Events that may wait for one session.
        snapshot: ``snapshot(session)``, called behind the event "reset" for a session whose cursor
            is gone: it pushes what the session needs. None: the session gets all that is held.
        ttl: Seconds after the last broadcast at which the log forgets the events; None: never.

    Raises:
        InvalidOption: A value that cannot be meant.

    Example:
        ``room: Channel[User] = Channel("room", history=500)``
    """

    def __init__(
        self,
        name: str = "channel",
        *,
        history: int = 0,
        log: EventLog | None = None,
        overflow: OverflowPolicy = "close",
        max_queue: int = MAX_EVENTS,
        snapshot: Snapshot | None = None,
        ttl: float | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidOption("name", name, "a str that is not empty")
        if type(history) is not int or history < 0:
            raise InvalidOption("history", history, "a number of events, 0 or more")
        if overflow not in ("close", "drop_oldest", "block"):
            raise InvalidOption("overflow", overflow, '"close", "drop_oldest" or "block"')
        if type(max_queue) is not int or max_queue < 1:
            raise InvalidOption("max_queue", max_queue, "a number of events, 1 or more")
        if log is not None and not callable(getattr(log, "append_many", None)):
            raise InvalidOption("log", log, "an EventLog, such as RedisLog(url), or None")
        _check_snapshot(snapshot)
        self.name, self.max_queue = name, max_queue
        self.overflow: OverflowPolicy = overflow
        self.key = f"channel:{name}"
        self.log = log if log is not None or not history else MemoryLog()
        self._keep = Keep(max_events=history, ttl=ttl) if history else Keep(ttl=ttl)
        self._snapshot = snapshot
        self._hooks = Hooks(("registered", "deregistered", "disconnected", "broadcast"))
        self._hub_options = HubOptions(self, overflow, max_queue, self._hooks)
        self._hubs: dict[asyncio.AbstractEventLoop, Hub] = {}
        self._appenders: dict[asyncio.AbstractEventLoop, Appender] = {}
        self._lock = threading.Lock()
        self.is_closed = False

    # --- sessions

    def register(
        self,
        session: Session[State],
        *,
        snapshot: Snapshot | None = None,
        replay: bool | int = False,
    ) -> Registration:
        """Let ``session`` have what is broadcast from now on; at once, and harmless when it does.

        In a channel with a log a session that comes back gets first what came after its
        ``last_event_id``; await what is returned to know that it has.

        Args:
            session: On the running event loop.
            snapshot: In place of the channel's.
            replay: What a session without a cursor gets first: True: all that is held; a number:
                so many of the newest.

        Raises:
            StreamClosed: The session, or the channel, has ended.
            UsageError: No event loop runs here.
        """
        self._check_open()
        _check_snapshot(snapshot)
        if _running() is None:
            raise UsageError(
                "a session is registered on its event loop: from an async def view, or from the "
                "callback of create_response()"
            )
        known = session.member_of(self)
        if known is not None:
            return cast(Registration, known)
        hub = self.hub()
        if not isinstance(hub, LoggedHub):
            registration = Registration(hub, session)
            hub.add(registration)
            return registration
        logged = LoggedRegistration(hub, session, snapshot or self._snapshot, replay)
        hub.add(logged)
        logged.start()
        return logged

    def deregister(self, session: Session[State]) -> None:
        """Let ``session`` go; harmless when it is not registered. It stays open."""
        registration = session.member_of(self)
        if registration is not None:
            cast(Registration, registration).deregister()

    @property
    def active_sessions(self) -> list[Session[State]]:
        """The sessions registered in this process, in the order they came."""
        return [session for hub in self._all_hubs() for session in list(hub.places)]

    @property
    def session_count(self) -> int:
        """How many sessions are registered in this process."""
        return sum(len(hub.places) for hub in self._all_hubs())

    @overload
    def on(self, name: str, hook: H) -> H: ...

    @overload
    def on(self, name: str) -> Callable[[H], H]: ...

    def on(self, name: str, hook: Hook | None = None) -> Any:
        """Call ``hook`` when something happens in this process; without ``hook``, a decorator.

        "registered", "disconnected", "deregistered": ``hook(session)``; one that disconnects is
        told of by the second, then by the third. "broadcast": ``hook(item, match)``. Hooks may be
        coroutine functions, which run in tasks of their own.
        """
        if hook is None:
            return lambda hook: self._hooks.add(name, hook)
        return self._hooks.add(name, hook)

    # --- broadcasting

    def broadcast(
        self,
        data: Any = None,
        event: str | None = None,
        id: str | int | None = None,
        *,
        filter: Callable[[Session[State]], object] | None = None,
        match: Any = None,
    ) -> Awaitable[Any]:
        """Send one event to every session; enqueued at the call.

        Await what it returns to keep the readers' pace. In a channel with a log, the event is kept
        once that is done, and its id is the result.

        Args:
            data: Payload: a str raw, everything else as compact JSON.
            event: Event name.
            id: Last event ID; only in a channel without a log.
            filter: Which sessions get it; only in a channel without a log.
            match: Names of the state to their values, of who gets it: ``{"user": "ada"}``.

        Raises:
            StreamClosed: The channel was closed.
            Overflow: So much was broadcast without being awaited that every reader would overflow.
            ValueError: ``filter=`` or ``id=`` in a channel with a log.
            InvalidField, NotSerializable, UnsupportedItem: The event has no bytes.
            UsageError: No event loop runs here: use ``broadcast_threadsafe``.
        """
        message = self._message(data, event, id, filter, match)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError(
                "no event loop runs in this thread: use channel.broadcast_threadsafe(...)"
            ) from None
        if self.log is not None:
            append = self._appender().put(message.to_entry())
            self._hooks.fire("broadcast", message.item, message.match)
            return append
        return self._deliver(loop, message, filter)

    def broadcast_threadsafe(
        self,
        data: Any = None,
        event: str | None = None,
        id: str | int | None = None,
        *,
        filter: Callable[[Session[State]], object] | None = None,
        match: Any = None,
    ) -> Future[Any]:
        """Send one event from any thread: Flask's, a synchronous Django view's, a worker's.

        Returns a future that is done when ``await broadcast(...)`` would be: ``.result()`` waits,
        but never on an event loop's own thread.

        Raises:
            StreamClosed, ValueError, InvalidField, NotSerializable: As ``broadcast``.
        """
        message = self._message(data, event, id, filter, match)
        loop = self._home()

        async def send() -> Any:
            if self.log is not None:
                append = self._appender().put(message.to_entry())
                self._hooks.fire("broadcast", message.item, message.match)
                return await append
            return await self._deliver(asyncio.get_running_loop(), message, filter)

        return asyncio.run_coroutine_threadsafe(send(), loop)

    def _message(
        self, data: Any, event: str | None, id: str | int | None, filter: Any, match: Any
    ) -> Message:
        self._check_open()
        if self.log is not None:
            if filter is not None:
                raise InvalidOption(
                    "filter",
                    filter,
                    "left out in a channel with a log, which would replay the event to those it "
                    'kept out: use match={"name": value}, which is kept with the event',
                )
            if id is not None:
                raise InvalidOption("id", id, "left out in a channel with a log: it gives the ids")
        if filter is not None and not callable(filter):
            raise InvalidOption("filter", filter, "a function of the session")
        item = item_of(data, event, id, None, None)
        droppable_of = self if self.overflow == "drop_oldest" else None
        message = Message(item, check_match(match), droppable_of=droppable_of)
        message.encoded(DEFAULT)  # what has no bytes is refused before anybody gets it
        return message

    def _deliver(
        self, loop: asyncio.AbstractEventLoop, message: Message, check: Any
    ) -> Awaitable[None]:
        here: Awaitable[None] = _DONE
        for hub in self._all_hubs():
            if hub.loop is loop:
                hub.check_pace()
                here = Delivery(hub, hub.deliver(message, check))
            else:
                hub.loop.call_soon_threadsafe(hub.deliver, message, check)
        self._hooks.fire("broadcast", message.item, message.match)
        return here

    # --- as a source

    def subscribe(
        self, *, after: str | None = None, state: Any = None, replay: bool = False
    ) -> Subscription:
        """Return this channel as a source: what is broadcast, as ``Event`` items.

        Args:
            after: In a channel with a log: the last event id of a reader that comes back.
            state: What ``match=`` of a broadcast is compared with.
            replay: In a channel with a log: without ``after``, begin with all that is held.

        Example:
            ``return StreamResponse(room.subscribe())``, in each of the frameworks
        """
        if after is not None and not isinstance(after, str):
            raise InvalidOption("after", after, "a last event id, or None")
        return Subscription(self, after or "", state, replay)

    def close(self) -> None:
        """Close the channel in this process; harmless when it is.

        Its sessions are let go, and end unless something else keeps them open: another channel, a
        callback or ``spawn()``ed work that still runs, or the block of ``create_session(scope,
        receive, send)``. Holding on to one is not enough; ``deregister`` it before, and it stays
        open. Subscriptions end. What a log holds stays there, for the other processes.
        """
        if self.is_closed:
            return
        self.is_closed = True
        for appender in list(self._appenders.values()):
            appender.close()
        for hub in self._all_hubs():
            if hub.loop is _running():
                hub.close()
            else:
                hub.loop.call_soon_threadsafe(hub.close)

    # --- hubs

    def hub(self) -> Hub:
        """Return the hub of the running loop."""
        loop = asyncio.get_running_loop()
        hub = self._hubs.get(loop)
        if hub is None:
            with self._lock:
                for other in [each for each in self._hubs if each.is_closed()]:
                    del self._hubs[other]
                    self._appenders.pop(other, None)
                hub = self._hubs[loop] = self._make_hub()
        return hub

    def _make_hub(self) -> Hub:
        if self.log is None:
            return Hub(self._hub_options)
        return LoggedHub(self._hub_options, self.log, self.key, self.name, self.close)

    def _appender(self) -> Appender:
        loop = asyncio.get_running_loop()
        appender = self._appenders.get(loop)
        if appender is None:
            hub = self.hub()
            assert isinstance(hub, LoggedHub)
            assert self.log is not None
            appender = Appender(self.log, self.key, self._keep, hub.started)
            self._appenders[loop] = appender
        return appender

    def _all_hubs(self) -> list[Hub]:
        return [hub for loop, hub in list(self._hubs.items()) if not loop.is_closed()]

    def _home(self) -> asyncio.AbstractEventLoop:
        """Return a loop that runs: one with sessions, else penstock's own."""
        for hub in self._all_hubs():
            if hub.loop.is_running() and not hub.is_empty:
                return hub.loop
        return portal().loop

    def _check_open(self) -> None:
        if self.is_closed:
            raise StreamClosed(f"channel {self.name!r} was closed")

    def __repr__(self) -> str:
        return f"<Channel {self.name!r}, {self.session_count} sessions>"


class _Done:
    """What is done already."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


_DONE = _Done()


def _check_snapshot(snapshot: Any) -> None:
    if snapshot is not None and not callable(snapshot):
        raise InvalidOption("snapshot", snapshot, "a function of the session, or None")


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
