"""A session: one reader's stream of server-sent events, written from wherever you like.

Lives here: ``Session``, what users write to it and hear of it. Stays out: its life as a producer
(``session_life``), how a request becomes one (``app/session``), and who writes to many at once
(``app/channel``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast, overload

from penstock.core.ending import Ending
from penstock.core.event_buffer import Batch, EventBuffer
from penstock.core.event_writer import DEFAULT, EventWriter
from penstock.core.hooks import H, Hook, Hooks
from penstock.core.problem import report
from penstock.core.producer import Capacity
from penstock.core.session_life import SessionLife
from penstock.core.unreturnable import Unreturnable
from penstock.errors import InvalidOption, StreamClosed

__all__ = ("Session",)

State = TypeVar("State")
T = TypeVar("T")


class Session(SessionLife, Unreturnable, Generic[State]):
    """One connected reader.

    ``push`` may be called from the moment the session is made: what comes before the reader is
    connected waits, within the stream's bound. ``create_session`` and ``create_response`` make
    sessions.

    Attributes:
        state: Yours; ``Channel.broadcast(match=...)`` compares with it.
        request: The request it answers.
        response: The response that carries it; a view returns it.
        last_event_id: Where the reader left off, or ``""``.
        ending: How it ended; None while it has not.
    """

    __slots__ = ()

    instead = "session.response, or create_response(request, callback)"

    state: State
    request: Any
    response: Any  # a Response of ours, or of the framework that the request is of

    def __init__(
        self,
        state: State,
        *,
        request: Any = None,
        last_event_id: str = "",
        writer: EventWriter = DEFAULT,
        callback: Callable[[Session[State]], Awaitable[object] | None] | None = None,
        padded: bool = False,
    ) -> None:
        super().__init__(last_event_id, writer, callback, padded=padded)
        self.state, self.request = state, request

    def push(
        self,
        data: Any = None,
        event: str | None = None,
        id: str | int | None = None,
        *,
        retry: int | None = None,
        comment: str | None = None,
    ) -> Awaitable[None]:
        """Write one event: enqueued at the call; await what it returns to keep the reader's pace.

        Args:
            data: Payload: a str raw, everything else as compact JSON.
            event: Event name.
            id: Last event ID. A channel with a log has ids of its own: leave it to them.
            retry: The reader's reconnection time, in milliseconds.
            comment: Text that the reader's API does not show.

        Raises:
            StreamClosed: The session has ended.
            Overflow: Too many events wait, and earlier calls were not awaited.
            InvalidField, NotSerializable, UnsupportedItem: The event has no bytes.
        """
        self._check_open()
        writer = self.writer
        item = writer.item(data, event, id, retry, comment)
        capacity = self._put(writer.encode(item))
        if self._hooks is not None:
            self._hooks.fire("push", self, item)
        return capacity

    def batch(
        self, what: EventBuffer | Callable[[EventBuffer], Awaitable[None] | None] | None = None, /
    ) -> Batch:
        """Write several events as one: nothing comes in between, nothing is sent by halves.

        Args:
            what: An ``EventBuffer`` to send, any number of times; a function that fills one; or
                nothing, for ``async with session.batch() as buffer``. A function or block that
                raises sends nothing.

        Example:
            ``await session.batch(hello)``; ``async with session.batch() as buffer: ...``
        """
        if isinstance(what, EventBuffer):
            return Batch(what, self._send, None)
        if what is not None and not callable(what):
            raise InvalidOption("batch", what, "an EventBuffer or a function of one")
        return Batch(EventBuffer.with_writer(self.writer), self._send, what)

    def buffer(self) -> EventBuffer:
        """Return an empty ``EventBuffer`` that writes as this session does."""
        return EventBuffer.with_writer(self.writer)

    @overload
    def on(self, name: str, hook: H) -> H: ...

    @overload
    def on(self, name: str) -> Callable[[H], H]: ...

    def on(self, name: str, hook: Hook | None = None) -> Any:
        """Call ``hook`` when something happens; without ``hook``, a decorator.

        "connected": ``hook(session)``, before the callback. "disconnected": ``hook(session)``, when
        it is over; ``session.ending`` says how. "push": ``hook(session, item)``, after each push.
        The first two may be coroutine functions.
        """
        if self._hooks is None:
            self._hooks = Hooks(("connected", "disconnected", "push"))
        hooks = self._hooks
        if hook is None:
            return lambda hook: hooks.add(name, hook)
        return hooks.add(name, hook)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run ``work`` beside the callback, for as long as the session is open at most.

        It is cancelled when the session ends; an error in it ends the session as one in the
        callback does. The session stays open until it has returned.

        Raises:
            StreamClosed: The session has ended.
        """
        if not self.is_open:
            work.close()
            raise StreamClosed("this session has ended: nothing can be spawned in it")
        task = asyncio.get_running_loop().create_task(work)
        if self._tasks is None:
            self._tasks = set()
        self._tasks.add(task)
        task.add_done_callback(self._spawned_done)
        return task

    def close(self) -> Awaitable[Ending]:
        """End the session in good order; harmless when it has ended.

        What it returns may be awaited: it is done when hooks and cleanups have run.
        """
        if self.is_open:
            self._stop(Ending.CLOSED)
        return _Closing(self)

    def put_bytes(self, data: bytes) -> Capacity:
        """Write what was encoded elsewhere.

        Raises:
            StreamClosed, Overflow: As for ``push``.
        """
        self._check_open()
        return self._put(data)

    async def put_patiently(self, data: bytes) -> None:
        """Write what was encoded elsewhere, once there is room for it.

        Raises:
            StreamClosed: The session has ended.
        """
        if self.outbox.is_full and self.is_open:
            await self.outbox.turn()
        await self.put_bytes(data)

    async def _send(self, data: bytes) -> None:
        self._check_open()
        await self.put_patiently(data)

    def _spawned_done(self, task: asyncio.Task[Any]) -> None:
        assert self._tasks is not None
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if self.is_open:
                self.fail(cast(Exception, error))
            elif not isinstance(error, StreamClosed):
                report(error, "a spawned task failed as its session ended", None)
        else:
            self._end_unless_kept()


class _Closing:
    """What ``close()`` returns: awaited, it is done when the session is."""

    __slots__ = ("_session",)

    def __init__(self, session: Session[Any]) -> None:
        self._session = session

    def __await__(self) -> Generator[Any, None, Ending]:
        return self._session.wait_closed().__await__()
