"""What a handler is given: the request, the head of its answer, and ways to stream one.

Lives here: ``Context``. Stays out: how endpoints are put together (``endpoint.py``).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, Unpack, cast

from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.inbox import Inbox
from penstock.core.options import StreamKeywords, resolve
from penstock.core.producer import Emit, Producer, Reading, Writing
from penstock.core.request import MAX_BODY, Request
from penstock.core.response import Response, Streaming, stream_head
from penstock.errors import UsageError
from penstock.types import HeaderValues, Scope, Source

__all__ = ("Context",)

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

    @property
    def label(self) -> str:
        return f"{self._name or self.path} {self.id}"

    @cached_property
    def state(self) -> dict[str, Any]:
        """What middleware and lifespan left for this request."""
        state: dict[str, Any] = self.scope.setdefault("state", {})
        return state

    def commit(self) -> None:
        """Let the head leave now, before the first item is there.

        Raises:
            UsageError: The answer has not begun to stream; ``commit="start"`` does that.
        """
        pump = self._response.pump if self._response is not None else None
        if pump is None:
            raise UsageError('no stream has begun to commit; use commit="start" for it')
        pump.commit()

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
        return self._stream(Reading(write), "sse", keywords, end_mark=True)

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
        return self._stream(Reading(source), format, keywords, end_mark=True)

    def _stream(
        self,
        producer: Producer,
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
        response = Streaming(producer, chosen, options, head, end_mark=end_mark)
        self._response = response
        return response

    def _inherited(self, format: str | Format) -> Any:
        """The endpoint's options that hold for a stream in ``format`` too."""
        if self._plan_format is not None and format == self._plan_format.name:
            return {**self._defaults, "format": self._plan_format}
        return {name: self._defaults[name] for name in _ANY_FORMAT if name in self._defaults}

    def answer(self, response: Response) -> None:
        """Take ``response`` for the answer: ``head`` and ``commit()`` are its own from now on."""
        if response.head is not self.head:
            response.head.absorb(self.head)
            self.head = response.head
        self._response = response if isinstance(response, Streaming) else None


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
