"""An answer that has not left yet: a body that is there, or a stream.

Lives here: what a handler returns, the hooks around it, and how it is sent into a sink.
Stays out: what the sink is (the hosts), and who made it (``app/``, the faces).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import copy_context
from copy import copy
from dataclasses import replace
from typing import Any, TypeAlias

from penstock.core.ending import Ending
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.options import StreamKeywords, StreamOptions
from penstock.core.producer import Producer
from penstock.core.pump import Pump
from penstock.core.request import Request
from penstock.core.settle import settle
from penstock.core.sink import Sink, Stats
from penstock.errors import ClientDisconnected, Problem, StreamError
from penstock.formats._json import dumps
from penstock.types import HeaderValues

__all__ = ("OnFinish", "Response", "Streaming", "problem_response", "stream_head")

logger = logging.getLogger("penstock")

# Seconds that all on_finish callbacks of a response may take.
_FINISH_TIMEOUT = 30.0

# Headers that speak of the body that failed: its error's answer does not take them over.
_OF_THE_BODY = frozenset(
    ("cache-control", "content-encoding", "content-length", "content-type", "x-accel-buffering")
)

RenderError: TypeAlias = "Callable[[BaseException, Request | None], Response]"
OnFinish: TypeAlias = Callable[[Ending], Awaitable[None] | None]


class Response:
    """An answer whose body is there.

    Args:
        body: bytes as they are; str as UTF-8 text; a mapping or list as JSON; None for no body.
        status: HTTP status.
        headers: Header name to value, list of values, or None to remove a default.
        content_type: Names the body; by default what its Python type suggests.

    Raises:
        InvalidOption, InvalidField: A status or header that cannot be sent.
        NotSerializable: A body that JSON cannot carry.
        TypeError: A body that is still to be produced; that is a ``Stream``.
    """

    # Slots: thousands may be open. And a dict: middleware may note something on a response.
    __slots__ = (
        "__weakref__",
        "_around",
        "_on_finish",
        "body",
        "ending",
        "head",
        "render_error",
        "request",
        "stats",
    )

    def __init__(
        self,
        body: str | bytes | Mapping[str, Any] | list[Any] | None = None,
        status: int = 200,
        headers: HeaderValues | None = None,
        *,
        content_type: str | None = None,
    ) -> None:
        self.head = Head(status)
        self.body, default_type = _to_bytes(body)
        content_type = content_type or default_type
        if content_type:
            self.head.headers["content-type"] = content_type
        if headers:
            self.head.headers.apply(headers)
        self.ending: Ending | None = None
        self.stats = Stats()
        # What answers instead, when it fails before the commit; None: the host is told.
        self.render_error: RenderError | None = None
        self.request: Request | None = None  # which it answers, for the log
        self._on_finish: tuple[OnFinish, ...] = ()
        self._around: tuple[AbstractAsyncContextManager[Any], ...] = ()

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.head.status

    def on_finish(self, callback: OnFinish, *, first: bool = False) -> None:
        """Call ``callback(ending)`` after the last byte and all cleanup, in order of adding.

        ``first``: before those that are there already.
        """
        added = (callback,)
        self._on_finish = added + self._on_finish if first else self._on_finish + added

    def around(self, manager: AbstractAsyncContextManager[Any]) -> None:
        """Enter ``manager`` before the first item and leave it after the last byte.

        Both happen in the task that produces the body, so its context variables are seen there.
        """
        self._around += (manager,)

    async def finished(self) -> Ending:
        """Return how the response ended, once it has.

        Raises:
            StreamError: It has not been sent yet. Waiting for that inside a middleware would
                wait for oneself: use ``on_finish`` there.
        """
        if self.ending is None:
            raise StreamError(
                "the response is sent after the middleware that awaits it has returned; "
                "use response.on_finish(callback)"
            )
        return self.ending

    def fresh(self) -> Response:
        """Return the same answer for one request more, with a head and hooks of its own.

        A response may be made once and returned for every request: what one request adds to it,
        a cookie above all, must not reach the next.
        """
        other = copy(self)
        other.head = Head(self.status)
        for name, value in self.head.headers.items():
            other.head.headers.add(name, value)
        other.ending, other.stats = None, Stats()
        return other

    async def drop(self) -> None:
        """Another answer is sent instead: what was opened is closed, ``on_finish`` runs."""
        if self.ending is None:
            self.ending = Ending.CLOSED
            await self._finish(self.ending)

    async def send(self, sink: Sink, *, head_only: bool = False) -> Ending:
        """Send the response into ``sink``; return how it ended, after its hooks have run.

        Raises:
            Exception: What the producer raised before the head was committed.
        """
        ending = Ending.SHUTDOWN  # what it is when the host cancels us
        try:
            ending = await self._send(sink, head_only)
        except Exception as exc:
            ending = Ending.ERROR
            if self.render_error is None or self.head.is_committed:
                raise
            answer = self.render_error(exc, self.request)
            answer.head.absorb(self._since_made())
            self.head = answer.head
            await answer._send(sink, head_only)
        finally:
            self.ending = self._ended() or ending
            if self._on_finish:
                finish = asyncio.get_running_loop().create_task(self._finish(self.ending))
                await settle(finish, _FINISH_TIMEOUT, "an on_finish callback")
        return self.ending

    def _since_made(self) -> Head:
        """What others, middleware above all, put on the head since the response was made."""
        return Head()

    def _ended(self) -> Ending | None:
        """How the stream says that it ended, where there is one."""
        return None

    def _send(self, sink: Sink, head_only: bool) -> Coroutine[Any, Any, Ending]:
        return self._send_body(sink, head_only)

    async def _send_body(self, sink: Sink, head_only: bool) -> Ending:
        async with AsyncExitStack() as stack:
            for manager in self._around:
                await stack.enter_async_context(manager)
            self._complete_head()
            self.head.commit()
            body = self.body if self.head.allows_body and not head_only else b""
            try:
                await sink.open(self.head)
                await sink.write(body, False)
            except ClientDisconnected:
                return Ending.DISCONNECTED
            self.stats.bytes = len(body)
            return Ending.COMPLETED

    def _complete_head(self) -> None:
        headers = self.head.headers
        if self.head.status in (204, 304):
            # RFC 9110, 8.6: no Content-Length in a 204; in a 304 it would speak of another body.
            headers.pop("content-type")
            headers.pop("content-length")
        elif "content-length" not in headers:
            length = len(self.body) if self.head.allows_body else 0
            headers["content-length"] = str(length)

    async def _finish(self, ending: Ending) -> None:
        for callback in self._on_finish:
            try:
                result = callback(ending)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                logger.exception("an on_finish callback failed")


class Streaming(Response):
    """An answer whose body is produced while it is sent.

    Args:
        producer: What makes the items.
        format: How they are written.
        options: How the stream flows and ends.
        head: Status and headers; changeable until the commit.
        end_mark: It is one answer that finishes, so a reader may be told not to ask again.
    """

    __slots__ = (
        "_context",
        "_end_mark",
        "_made_with",
        "_producer",
        "_pump",
        "format",
        "options",
    )

    def __init__(
        self,
        producer: Producer,
        format: Format,
        options: StreamOptions,
        head: Head,
        *,
        end_mark: bool,
    ) -> None:
        super().__init__()
        self.head = head
        self.format, self.options = format, options
        self._producer, self._end_mark = producer, end_mark
        self._made_with = len(head.headers.items())
        # As of now: a middleware may reset its variables before the producer runs.
        self._context = copy_context()
        self._pump: Pump | None = None

    @property
    def pump(self) -> Pump | None:
        """The running stream; None before it is sent."""
        return self._pump

    def raise_cuts(self) -> None:
        """Raise to the host what this wire has no words for, after the head too."""
        self.options = replace(self.options, raise_cuts=True)

    def stop(self, ending: Ending = Ending.STOPPED) -> None:
        """End the stream in good order; harmless when it has ended."""
        if self._pump is not None:
            self._pump.stop(ending)

    def fresh(self) -> Response:
        """Return itself: a stream is of one request, and whoever made it may hold it to stop it.

        Raises:
            StreamError: It was sent before.
        """
        if self.head.is_committed:
            raise StreamError("this stream was sent before: make one for each request")
        return self

    async def drop(self) -> None:
        if self.ending is None:
            await self._producer.discard()
        await super().drop()

    def _since_made(self) -> Head:
        head = Head()
        for name, value in self.head.headers.items()[self._made_with :]:
            if name not in _OF_THE_BODY:
                head.headers.add(name, value)
        return head

    def _ended(self) -> Ending | None:
        return self._pump.ending if self._pump is not None else None

    def _send(self, sink: Sink, head_only: bool) -> Coroutine[Any, Any, Ending]:
        self.fresh()
        if head_only or not self.head.allows_body:
            return self._send_head(sink)
        encoder = self.format.encoder(end_mark=self._end_mark)
        self._pump = Pump(self.head, encoder, sink, self.options, self._around, self.request)
        self.stats = self._pump.stats
        return self._pump.run(self._producer, self._context)

    async def _send_head(self, sink: Sink) -> Ending:
        await self._producer.discard()
        self.head.commit()
        await sink.open(self.head)
        await sink.write(b"", False)
        return Ending.COMPLETED


def stream_head(format: Format, keywords: StreamKeywords, head: Head | None = None) -> Head:
    """Return the head of a stream: the format's defaults under what is already set or given."""
    head = head if head is not None else Head()
    if "status" in keywords:
        head.status = keywords["status"]
    defaults: dict[str, Any] = {"content-type": format.content_type, **format.headers}
    for name, value in defaults.items():
        if isinstance(value, str):
            head.headers.default(name, value)
        elif name not in head.headers and value is not None:
            head.headers.apply({name: value})
    if content_type := keywords.get("content_type"):
        head.headers["content-type"] = content_type
    if headers := keywords.get("headers"):
        head.headers.apply(headers)
    return head


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``{"errors": [...]}`` as JSON under the problem's own status."""
    response = Response(problem.to_dict(), problem.status)
    response.head.headers["cache-control"] = "no-store"
    for name, value in (headers or {}).items():
        response.head.headers[name] = value
    return response


def _to_bytes(body: Any) -> tuple[bytes, str | None]:
    if body is None:
        return b"", None
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    if callable(body) or isinstance(body, (AsyncIterable, Awaitable, Iterator)):
        raise TypeError(
            f"a Response's body is there already, got {type(body).__name__}; "
            "to stream it use Stream(source) or ctx.stream(source)"
        )
    return dumps(body), "application/json"
