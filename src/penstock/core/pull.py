"""A response as an iterator of bytes, for frameworks that pull their bodies.

Lives here: the sink whose reader is an ``async for``. Its pace is the reader's: a chunk is handed
over when it is asked for. Stays out: which framework asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from penstock.core.handoff import Handoff
from penstock.core.head import Head
from penstock.core.response import Response
from penstock.core.settle import settle
from penstock.errors import ClientDisconnected, TransportError

__all__ = ("Pull",)

# Seconds to wait for a stream after its reader left; the stream's own bounds are shorter.
_CLOSE_TIMEOUT = 15.0


class Pull:
    """The body of ``response``, produced while it is iterated.

    Args:
        response: What to send; it is sent once.

    Example:
        ``pull = Pull(response); head = await pull.open()``, then ``async for chunk in pull``, and
        ``await pull.aclose()`` whatever happens.
    """

    def __init__(self, response: Response) -> None:
        self._response = response
        self._chunks: Handoff[bytes] = Handoff()
        self._head: asyncio.Future[Head] | None = None
        self._task: asyncio.Task[None] | None = None
        self._left: Callable[[], object] | None = None
        self._complete = self._abandoned = False

    @property
    def is_open(self) -> bool:
        """Whether the stream has begun and is not over."""
        return self._task is not None and not self._task.done()

    async def open(self, *, head_only: bool = False) -> Head:
        """Start producing; return the head when it is committed.

        Raises:
            Exception: What the producer raised before that.
        """
        if self._head is None:
            self._head = asyncio.get_running_loop().create_future()
            self._task = asyncio.get_running_loop().create_task(self._run(self._head, head_only))
        try:
            return await asyncio.shield(self._head)
        except asyncio.CancelledError:
            await self.aclose()
            raise

    def __aiter__(self) -> Pull:
        return self

    async def __anext__(self) -> bytes:
        await self.open()
        try:
            chunk = await self._chunks.get()
        except asyncio.CancelledError:  # the framework says so that its reader left
            await self.aclose()
            raise
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Stop producing, if it is not over, and return when its cleanup has run."""
        self.leave()
        if self._task is None:
            return
        await settle(self._task, _CLOSE_TIMEOUT, "the stream, after its reader left")

    def leave(self) -> None:
        """Stop producing, without waiting for the cleanup; called on the stream's loop."""
        self._abandoned = True
        if not self._complete and self._left is not None:
            self._left()
        self._chunks.leave()

    async def _write(self, data: bytes, more: bool) -> None:
        if more:
            await self._chunks.put(data)
        else:
            self._complete = True
            self._chunks.give_last(data)

    async def _run(self, head: asyncio.Future[Head], head_only: bool) -> None:
        error: BaseException | None = None
        try:
            await self._response.send(_Sink(self, head), head_only=head_only)
        except Exception as exc:
            error = exc
        finally:  # also when this task is cancelled: nobody must wait for ever
            self._conclude(head, error)

    def _conclude(self, head: asyncio.Future[Head], error: BaseException | None) -> None:
        if not head.done():
            head.set_exception(error or ClientDisconnected("the reader left before the head"))
            head.exception()  # taken note of: nobody may be left to await it
        elif not self._complete:
            # The framework must not take a body that was broken off for a finished one.
            error = error or TransportError("the response was broken off")
        self._chunks.end(error)


class _Sink:
    """The writing end of a ``Pull``."""

    def __init__(self, pull: Pull, head: asyncio.Future[Head]) -> None:
        self._pull, self._head = pull, head

    async def open(self, head: Head) -> None:
        if not self._head.done():
            self._head.set_result(head)

    async def write(self, data: bytes, more: bool) -> None:
        await self._pull._write(data, more)

    def watch(self, left: Callable[[], object]) -> None:
        self._pull._left = left
        if self._pull._abandoned:  # it left before anything began
            left()

    def unwatch(self) -> None:
        self._pull._left = None
