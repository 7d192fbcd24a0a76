"""How a request becomes a session.

Lives here: the options of a session, the response that carries one, and ``create_session`` over
bare ASGI. Stays out: what a session does (``core/session``), frameworks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, NoReturn, TypeAlias, TypedDict, TypeVar, cast

from penstock.asgi import respond
from penstock.clock import Clock
from penstock.core.ending import Ending
from penstock.core.event_writer import Sanitizer, writer_of
from penstock.core.head import Head
from penstock.core.inbox import Inbox
from penstock.core.options import StreamKeywords, resolve
from penstock.core.problem import Scrub
from penstock.core.request import Request
from penstock.core.response import Streaming, stream_head
from penstock.core.session import Session
from penstock.core.settle import settle
from penstock.errors import ClientDisconnected, InvalidOption, StreamClosed, UsageError
from penstock.types import HeaderValues, Receive, Scope, Send, Serializer

__all__ = (
    "SessionCallback",
    "SessionContext",
    "SessionKeywords",
    "SessionResponse",
    "make_session",
)

State = TypeVar("State")
SessionCallback: TypeAlias = Callable[[Session[State]], Awaitable[object] | None]

# Seconds to wait for a session's stream after its block was left; its own bounds are shorter.
_CLOSE_TIMEOUT = 15.0


class SessionKeywords(TypedDict, total=False):
    """Keyword options of a session. Durations are float seconds; ``retry`` is milliseconds.

    Attributes:
        retry: The reader's reconnection time, in whole milliseconds.
        keep_alive: Idle seconds before a keep-alive; None: none.
        status: HTTP status; ``status_code`` is the same.
        headers: Header name to value, list of values, or None to remove a default.
        serializer: Makes a value's text, in place of raw str and compact JSON.
        sanitizer: Sees the text of data, event name, id and comment before it is checked.
        name_from: Member of a mapping that names its event; None: no name.
        error_event: Name of the event that tells of an error.
        trust_last_event_id: False: ignore where the reader says that it left off.
    """

    retry: int | None
    keep_alive: float | None
    status: int
    status_code: int
    headers: HeaderValues
    content_type: str
    serializer: Serializer | None
    sanitizer: Sanitizer | None
    name_from: str | None
    error_event: str
    trust_last_event_id: bool
    timeout: float | None
    idle_timeout: float | None
    throw: bool
    scrub: Scrub | None
    cleanup_timeout: float
    clock: Clock | None


_OURS = ("sanitizer", "trust_last_event_id", "status_code")


class SessionResponse(Streaming):
    """The response that carries a session: an ASGI app, too, for frameworks that take one."""

    __slots__ = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(self, scope, receive, send)


def make_session(
    request: Any,
    scope: Scope,
    callback: SessionCallback[State] | None,
    state: State,
    keywords: Any,
    head: Head | None = None,
) -> Session[State]:
    """Return a session that answers ``request``, with its response.

    Args:
        request: What ``session.request`` shall be.
        scope: ASGI scope that it came with.
        callback: Is given the connected session; None: others write to it.
        state: The user's.
        keywords: ``SessionKeywords``.
        head: What was set on the answer's head before.

    Raises:
        InvalidOption: An unknown option, or a value it cannot take.
    """
    given: dict[str, Any] = dict(keywords)
    trusted = given.pop("trust_last_event_id", True)
    if not isinstance(trusted, bool):
        raise InvalidOption("trust_last_event_id", trusted, "True or False")
    if "status_code" in given:
        if "status" in given:
            raise InvalidOption(
                "status_code", given["status_code"], "left out when status= is given"
            )
        given["status"] = given.pop("status_code")
    if given.setdefault("commit", "start") != "start":
        raise InvalidOption("commit", given["commit"], '"start": a session begins at once')
    sanitizer = given.pop("sanitizer", None)
    writer = writer_of(given.get("serializer"), sanitizer, given.get("name_from", "type"))
    stream_keywords = cast(StreamKeywords, given)
    format, options = resolve("sse", stream_keywords, also=_OURS)
    reader = Request(scope, cast(Inbox, None))
    query = reader.query if scope.get("query_string") else {}
    session: Session[State] = Session(
        state,
        request=request,
        last_event_id=reader.last_event_id if trusted else "",
        writer=writer,
        callback=callback,
        padded="padding" in query or "evs_preamble" in query,
    )
    session.response = SessionResponse(
        session, format, options, stream_head(format, stream_keywords, head), end_mark=False
    )
    return session


class SessionContext(AbstractAsyncContextManager[Session[State]], Generic[State]):
    """A session over bare ASGI: ``async with create_session(scope, receive, send) as session``.

    The block is the session's life. When the reader leaves, or the process shuts down, the block
    is cancelled where it waits, unless it waits for ``session.wait_closed()``, and is left in
    silence; so is a block that writes to a reader that has left. An error in it is reported and
    told to the reader as one error event.
    """

    def __init__(self, session: Session[State], scope: Scope, receive: Receive, send: Send) -> None:
        self._session = session
        self._asgi = (scope, receive, send)
        self._stream: asyncio.Task[Ending] | None = None
        self._owner: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._cancelled = False

    def __await__(self) -> NoReturn:
        raise UsageError(
            "a session over bare ASGI lives in a block: "
            "async with create_session(scope, receive, send) as session"
        )

    async def __aenter__(self) -> Session[State]:
        session, loop = self._session, asyncio.get_running_loop()
        self._owner = asyncio.current_task()
        assert self._owner is not None
        self._cancelling = self._owner.cancelling()
        work = respond(session.response, *self._asgi, inbox=session.request.inbox)
        self._stream = loop.create_task(work, name="penstock session")
        self._stream.add_done_callback(lambda _: session.abandon())
        session.watch_end(self._ended)
        try:
            await session.connected()
        except asyncio.CancelledError:
            await self._close()
            raise
        return session

    def _ended(self, ending: Ending) -> None:
        """The session is over before its block is: the block has nobody to write to."""
        if ending in (Ending.CLOSED, Ending.COMPLETED) or self._owner is None:
            return
        if self._session.is_awaited_by(self._owner):
            return
        self._cancelled = True
        self._owner.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        owner, session = self._owner, self._session
        assert owner is not None
        self._owner = None
        if isinstance(error, Exception) and session.is_open:
            session.fail(error)
        ours = self._cancelled and owner.uncancel() <= self._cancelling
        if isinstance(error, asyncio.CancelledError) and not ours and session.is_open:
            session.stop(Ending.SHUTDOWN)  # without word that the reader left
        await self._close()
        if error is None:
            return False
        if isinstance(error, asyncio.CancelledError):
            return ours
        if isinstance(error, (StreamClosed, ClientDisconnected)):
            return True  # the reader has left, and that is no error
        return isinstance(error, Exception) and session.ending is Ending.ERROR and not self._throws

    @property
    def _throws(self) -> bool:
        response = self._session.response
        return isinstance(response, Streaming) and response.options.throw

    async def _close(self) -> None:
        assert self._stream is not None
        self._session.close()
        await settle(self._stream, _CLOSE_TIMEOUT, "a session's stream")
        if self._stream.done() and not self._stream.cancelled():
            error = self._stream.exception()
            if error is not None and not self._throws:
                raise error
