"""What a channel's broadcasts are appended to its log by: in order, together, and once.

Lives here: the bounded queue between ``broadcast``, which never waits, and the log.
Stays out: what an event is, and who reads it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from uuid import uuid4

from penstock.clock import current_clock
from penstock.core.log import EventLog, Keep, NewEntry
from penstock.core.outbox import MAX_EVENTS
from penstock.errors import LogUnavailable, Overflow, StreamClosed

__all__ = ("Append", "Appender")

logger = logging.getLogger("penstock")

_TOGETHER = 128
# Seconds for which an append is tried again while the log does not answer, and between two tries.
_PATIENCE = 30.0
_PAUSE = 0.1


class Append:
    """What ``broadcast`` on a logged channel returns: awaited, the event is kept; gives its id.

    One that nobody awaits is reported when it fails.
    """

    __slots__ = ("_done", "is_awaited")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._done: asyncio.Future[str] = loop.create_future()
        self.is_awaited = False

    def __await__(self) -> Generator[object, None, str]:
        self.is_awaited = True
        return (yield from asyncio.shield(self._done).__await__())

    def kept(self, id: str) -> None:
        """It is kept under ``id``."""
        if not self._done.done():
            self._done.set_result(id)

    def failed(self, error: Exception) -> None:
        """It may not be kept."""
        if self._done.done():
            return
        self._done.set_exception(error)
        if not self.is_awaited:
            self._done.exception()  # taken note of
            logger.error("a broadcast was lost", exc_info=error)


class Appender:
    """Appends to one key of a log, on one loop.

    Args:
        log: The log.
        key: The key.
        keep: Its bounds.
        before: Awaited before each append.
    """

    def __init__(
        self, log: EventLog, key: str, keep: Keep, before: Callable[[], Awaitable[None]]
    ) -> None:
        self._log, self._key, self._keep, self._before = log, key, keep, before
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[NewEntry, Append]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writer, self._number = uuid4().hex, 0
        self._is_closed = False

    def put(self, entry: NewEntry) -> Append:
        """Enqueue one event.

        Raises:
            Overflow: Too many wait that nobody awaits.
            StreamClosed: The channel was closed.
        """
        if self._is_closed:
            raise StreamClosed("this channel was closed")
        if len(self._queue) >= MAX_EVENTS and self._unawaited() >= MAX_EVENTS:
            raise Overflow(
                f"{len(self._queue)} broadcasts wait for the log; await what broadcast() returns"
            )
        append = Append(self._loop)
        self._queue.append((entry, append))
        if self._task is None:
            self._task = self._loop.create_task(self._drain(), name="penstock append")
        return append

    def _unawaited(self) -> int:
        return sum(not append.is_awaited for _, append in self._queue)

    def close(self) -> None:
        """Take no more; what waits is still appended."""
        self._is_closed = True

    async def _drain(self) -> None:
        try:
            while self._queue:
                await self._before()
                count = min(len(self._queue), _TOGETHER)
                taken = [self._queue.popleft() for _ in range(count)]
                await self._append(taken)
        finally:
            self._task = None
            while self._queue:  # cancelled: the loop is going away
                self._queue.popleft()[1].failed(StreamClosed("the event loop has ended"))

    async def _append(self, taken: list[tuple[NewEntry, Append]]) -> None:
        try:
            ids = await self._appended([entry for entry, _ in taken])
        except Exception as exc:
            for _, append in taken:
                append.failed(exc)
        except asyncio.CancelledError:
            for _, append in taken:
                append.failed(StreamClosed("the event loop has ended"))
            raise
        else:
            for (_, append), id in zip(taken, ids, strict=True):
                append.kept(id)

    async def _appended(self, entries: list[NewEntry]) -> list[str]:
        """Append them once, however often it takes."""
        self._number += 1
        sequence = (self._writer, self._number)
        clock = current_clock()
        deadline = clock.now() + _PATIENCE
        while True:
            try:
                return await self._log.append_many(
                    self._key, entries, sequence=sequence, keep=self._keep
                )
            except LogUnavailable:
                if clock.now() >= deadline:
                    raise
                await clock.sleep(_PAUSE)
