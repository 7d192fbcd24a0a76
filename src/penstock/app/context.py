"""What a handler is given: the request, the head of its answer, and ways to stream one.

Lives here: ``Context``. Stays out: how endpoints are put together (``endpoint.py``).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast, overload

from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.inbox import Inbox
from penstock.core.options import StreamKeywords, resolve
from penstock.core.producer import Emit, Writing
from penstock.core.request import MAX_BODY, Request
from penstock.core.response import Response, Streaming, stream_head
from penstock.errors import UsageError
from penstock.providers.producing import producer_of
from penstock.types import HeaderValues, Scope, Source

if TYPE_CHECKING:
    from penstock.app.session import SessionCallback, SessionKeywords
    from penstock.core.session import Session

__all__ = ("Context",)

State = TypeVar("State")

# The endpoint's options that do not depend on the format.
_ANY_FORMAT = ("status", "headers", "commit", "timeout", "idle_timeout", "throw", "scrub") + (
    "cleanup_timeout",
    "on_shutdown",
    "clock",
)


class Context(Request):
    """One request and the answer being made for it.

    Everything a ``Request`` has, and ``head``: status, headers and cookies of the answer, which
    may change until the first byte leaves.
    """

    def __init__(
        self,
        scope: Scope,
        inbox: Inbox,
        *,
        max_body: int = MAX_BODY,
        name: str | None = None,
        format: Format | None = None,
        defaults: StreamKeywords | None = None,
    ) -> None:
        super().__init__(scope, inbox, max_body=max_body)
        self.head = Head()
        self._name = name
        self._plan_format = format
        self._defaults: Any = {} if defaults is None else defaults
        self._response: Streaming | None = None
        self._session: Session[Any] | None = None  # the last that was made

    @property
    def label(self) -> str:
        return f"{self._name or self.path} {self.id}"

    @cached_property
    def state(self) -> dict[str, Any]:
        """What middleware and lifespan left for this request."""
        state: dict[str, Any] = self.scope.setdefault("state", {})
        return state

    @property
    def event(self) -> Any:
        """On Lambda the event that is answered; None elsewhere."""
        return self.scope.get("aws.event")

    @property
    def lambda_context(self) -> Any:
        """On Lambda the context that AWS gives a handler; None elsewhere."""
        return self.scope.get("aws.context")

    def commit(self) -> Awaitable[None]:
        """Let the head leave now, before the first item is there; it is done at the call.

        What is returned may be awaited: that gives the head a turn of the loop to leave in.

        Raises:
            UsageError: The answer has not begun to stream; ``commit="start"`` does that.
        """
        pump = self._response.pump if self._response is not None else None
        if pump is None:
            raise UsageError('no stream has begun to commit; use commit="start" for it')
        pump.commit()
        return _Turn()

    def sse(
        self,
        write: Callable[[Emit], Awaitable[None] | None] | Source,
        **keywords: Unpack[StreamKeywords],
    ) -> Streaming:
        """Return a server-sent events answer that ``write(emit)`` writes.

        Args:
            write: ``async def write(emit)``; or a source, whose items become events.
            **keywords: See ``StreamKeywords``.

        Example:
            ``return ctx.sse(produce)`` with
            ``async def produce(emit): await emit({"delta": "hi"}, "token")``
        """
        if _takes_emit(write):
            return self._stream(Writing(cast(Any, write)), "sse", keywords, end_mark=False)
        return self._stream(write, "sse", keywords, end_mark=True)

    def stream(
        self,
        source: Source,
        format: str | Format = "text",
        **keywords: Unpack[StreamKeywords],
    ) -> Streaming:
        """Return an answer made of ``source``'s items, each sent as soon as it exists.

        Args:
            source: An async or sync iterable, an awaitable, a context manager, or a
                zero-argument callable of one: an async generator function, mostly.
            format: "text" (str and bytes as they are), "sse", "ndjson", or a format object.
            **keywords: See ``StreamKeywords``; ``content_type`` names what the text is.

        Example:
            ``return ctx.stream(rows, content_type="text/csv")``
        """
        return self._stream(source, format, keywords, end_mark=True)

    @overload
    def session(
        self,
        callback: SessionCallback[Any] | None = ...,
        *,
        state: None = ...,
        **keywords: Unpack[SessionKeywords],
    ) -> Session[Any]: ...

    @overload
    def session(
        self,
        callback: SessionCallback[State] | None = ...,
        *,
        state: State,
        **keywords: Unpack[SessionKeywords],
    ) -> Session[State]: ...

    def session(
        self,
        callback: SessionCallback[Any] | None = None,
        *,
        state: Any = None,
        **keywords: Unpack[SessionKeywords],
    ) -> Session[Any]:
        """Return a session that answers this request; a handler returns it.

        Args:
            callback: ``callback(session)``, called when the reader is connected. The answer ends
                when it returns, unless the session was registered in a channel, or work that it
                ``spawn()``ed still runs. None: write to what is returned, or register it.
            state: Yours, as ``session.state``.
            **keywords: See ``SessionKeywords``.

        Example:
            ``session = ctx.session(state=user); room.register(session); return session``
        """
        from penstock.app.session import SessionKeywords, make_session  # most answers are none

        known = SessionKeywords.__annotations__
        is_sse = self._plan_format is not None and self._plan_format.name == "sse"
        names = known if is_sse else [name for name in _ANY_FORMAT if name in known]
        inherited = {name: self._defaults[name] for name in names if name in self._defaults}
        merged: Any = {**inherited, **keywords}
        if "headers" in inherited and "headers" in keywords:
            merged["headers"] = _lower(inherited["headers"]) | _lower(keywords["headers"])
        session = make_session(self, self.scope, callback, state, merged, self.head)
        self._response = cast(Streaming, session.response)
        self._session = session
        return session

    def _stream(
        self,
        source: Any,
        format: str | Format,
        keywords: StreamKeywords,
        *,
        end_mark: bool,
    ) -> Streaming:
        inherited = self._inherited(format)
        chosen_format = inherited.pop("format", format)
        merged: Any = {**inherited, **keywords}
        if "headers" in inherited and "headers" in keywords:  # name by name, the stream's win
            merged["headers"] = _lower(inherited["headers"]) | _lower(keywords["headers"])
        chosen, options = resolve(chosen_format, merged)
        head = stream_head(chosen, merged, self.head)
        producer = source if isinstance(source, Writing) else producer_of(source, chosen)
        response = Streaming(producer, chosen, options, head, end_mark=end_mark)
        self._response = response
        return response

    def _inherited(self, format: str | Format) -> Any:
        """The endpoint's options that hold for a stream in ``format`` too."""
        if self._plan_format is not None and format == self._plan_format.name:
            return {**self._defaults, "format": self._plan_format}
        return {name: self._defaults[name] for name in _ANY_FORMAT if name in self._defaults}

    def abandon_session(self, response: Response) -> None:
        """``response`` is the answer: a session that it does not carry will never be connected."""
        if self._session is not None and self._session.response is not response:
            self._session.abandon()

    def answer(self, response: Response) -> None:
        """Take ``response`` for the answer: ``head`` and ``commit()`` are its own from now on."""
        if response.head is not self.head:
            response.head.absorb(self.head)
            self.head = response.head
        self._response = response if isinstance(response, Streaming) else None


class _Turn:
    """What gives the loop one turn when it is awaited, and nothing when it is not."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield


def _lower(headers: HeaderValues) -> dict[str, Any]:
    return {name.lower(): value for name, value in headers.items()}


def _takes_emit(write: Any) -> bool:
    if not callable(write) or hasattr(write, "__aiter__") or hasattr(write, "__iter__"):
        return False
    return any(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in inspect.signature(write).parameters.values()
    )
