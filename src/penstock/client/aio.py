"""Reading a stream with ``async for``.

Lives here: the awaited I/O of the conversation's steps, on asyncio. Stays out: what the steps are.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import NoneType, TracebackType
from typing import Any, Self, TypeVar

from penstock.client.http_library import HttpLibrary
from penstock.client.options import Options
from penstock.client.steps import (
    RESTARTED,
    Answer,
    Call,
    Deliver,
    Follow,
    Open,
    Read,
    ReadAll,
    Wait,
)
from penstock.client.stream import BaseStream
from penstock.client.typed import make_converter

__all__ = ("AsyncEventStream",)

T = TypeVar("T")
M = TypeVar("M")


class AsyncEventStream(BaseStream[T]):
    """A stream read with ``async for``; ``aconnect`` makes it, ``async with`` opens it.

    Items are ``ServerSentEvent``, or each line's JSON value when the stream is NDJSON. One task
    reads; ``aclose`` and ``restart`` may come from any task of the same loop, ``close`` from any
    thread.
    """

    _kind = "AsyncClient"

    def __init__(self, url: str, options: Options) -> None:
        super().__init__(url, options)
        self._body: AsyncIterator[bytes] | None = None
        self._reader: asyncio.Task[Any] | None = None  # while it waits for something of ours
        self._has_left: asyncio.Future[None] | None = None  # who closes waits for its reader
        self._ending = asyncio.Lock()  # whoever ends it, the other waits until it has ended
        self._loop: asyncio.AbstractEventLoop | None = None
        self._items = self._iterate()

    async def __aenter__(self) -> Self:
        self._begin()
        self._loop = asyncio.get_running_loop()
        try:
            self._step = next(self._steps, None)
            while not isinstance(self._step, (Read, Deliver, NoneType)):
                await self._take_step()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[T]:
        self._check_entered("async with")
        return self._items

    async def __anext__(self) -> T:
        self._check_entered("async with")
        return await anext(self._items)

    async def events(self, model: type[M], *, event: str | None = None) -> AsyncIterator[M]:
        """Yield each event's data, or each value, as a ``model``; with ``event``, that type's only.

        Args:
            model: A pydantic model, a msgspec struct, or a dataclass.
            event: Event type to keep; the others are passed over.

        Raises:
            InvalidEvent: What came does not fit.
        """
        convert = make_converter(model, event)
        async for item in self:
            for made in convert(item):
                yield made

    async def run(self) -> None:
        """Read to the end, calling what ``on`` gave, and awaiting what that returns."""
        async for item in self:
            for listener in self._wanted_by(item):
                await _called(listener, item)

    async def aclose(self) -> None:
        """End the stream, from any task: its reader's loop just ends. Harmless twice."""
        self._closing = True
        self._interrupt()
        if self._reader is not None and self._reader is not asyncio.current_task():
            if self._has_left is None:
                self._has_left = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._has_left)
        # Not while its reader is in it: that one is on its way out.
        if not getattr(self._items, "ag_running", False):
            await self._items.aclose()
        await self._end()

    def close(self) -> None:
        """Tell the reader to end, from any thread; ``aclose`` also waits until it has."""
        self._closing = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._interrupt)

    def restart(self) -> None:
        """Drop the connection, from any task, and ask again from the last event ID."""
        self._restarting = True
        self._interrupt()

    def _interrupt(self) -> None:
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()

    async def _iterate(self) -> AsyncGenerator[T, None]:
        while self._step is not None and not self._closing:
            step = self._step
            if type(step) is Deliver:
                for item in step.items:
                    self._item = item
                    yield item
                    if self._closing:
                        return
                self._item, self._cursor = None, step.cursor
            try:
                await self._take_step()
            except BaseException:
                await self._end()
                raise
        await self._end()

    async def _take_step(self) -> None:
        """Do the step at hand and learn the next."""
        if self._closing:
            self._step = None
            return
        step = self._step
        # The two that come for every chunk first, and without a detour.
        if type(step) is Deliver:
            answer: Answer = None
        elif type(step) is Call:
            await _called(step.function, step.argument)
            answer = None
        else:
            if self._restarting and type(step) is Read:
                answer = RESTARTED  # told while nobody waited here
            else:
                answer = await self._interruptible(step)
            if self._closing:
                self._step = None
                return
            if self._restarting and isinstance(step, (Open, Follow, Read, Wait)):
                self._restarting = False
                if not isinstance(step, Wait):
                    answer = RESTARTED
        self._step = None
        try:
            self._step = self._steps.send(answer)
        except StopIteration:
            await self._close_response()

    async def _interruptible(self, step: object) -> Answer:
        """Do ``step``; ``aclose`` and ``restart`` may break it off, as asyncio.timeout would."""
        task = asyncio.current_task()
        assert task is not None
        others = task.cancelling()
        self._reader = task
        try:
            return await (self._read() if type(step) is Read else self._do(step))
        except asyncio.CancelledError:
            is_ours = self._closing or self._restarting
            if not is_ours or task.uncancel() > others:
                raise
            return None  # what it would have been does not matter: the caller looks at the flags
        finally:
            self._reader = None
            if self._has_left is not None and not self._has_left.done():
                self._has_left.set_result(None)

    async def _do(self, step: object) -> Answer:
        if type(step) is Open:
            library, options = self._of_ours(), self._options
            await self._close_response()
            return await self._send(
                lambda: library.build(step.request, self._url, options.params),
                library.auth(options.auth),
            )
        if type(step) is Follow:
            response = self._response
            auth = self._of_ours().auth_after(response, self._options.auth)
            await self._close_response()
            return await self._send(lambda: response.next_request, auth)
        if type(step) is ReadAll:
            return await self._read_all(step.limit)
        if type(step) is Wait:
            await self._close_response()
            await (self._options.sleep or self._clock.sleep)(step.seconds)
        return None

    async def _send(self, build: Callable[[], Any], auth: dict[str, Any]) -> Answer:
        library = self._of_ours()
        try:
            response = await library.client.send(
                build(), stream=True, follow_redirects=False, **auth
            )
        except library.errors as exc:
            return library.lost(exc)
        self._response, self._head = response, library.head(response)
        # Past the library's own layers where they have nothing to decode: they cost half the time.
        is_coded = "content-encoding" in self._head.headers
        self._body = aiter(response.aiter_bytes() if is_coded else response.stream)
        return self._head

    async def _read(self) -> Answer:
        library = self._of_ours()
        assert self._body is not None, "it was opened"
        try:
            return await self._body.__anext__()
        except StopAsyncIteration:
            return None
        except library.errors as exc:
            return library.lost(exc)

    async def _read_all(self, limit: int) -> bytes:
        found = bytearray()
        while len(found) < limit and isinstance(got := await self._read(), bytes):
            found += got
        return bytes(found[:limit])

    def _of_ours(self) -> HttpLibrary:
        assert self._library is not None, "opened by __aenter__"
        return self._library

    async def _close_response(self) -> None:
        response, self._response = self._response, None
        self._body = None
        if response is not None:
            await response.aclose()

    async def _end(self) -> None:
        async with self._ending:
            self._step = None
            self._steps.close()
            await self._close_response()
            if self._library is not None and self._library.is_ours:
                await self._library.client.aclose()


async def _called(function: Callable[[Any], object], argument: object) -> None:
    result = function(argument)
    if inspect.isawaitable(result):
        await result
