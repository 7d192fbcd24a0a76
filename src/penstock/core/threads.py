"""A blocking iterable, read in one thread for its whole life.

Lives here: the thread, the bounded hand-over, and the limit on how many there may be.

sqlite3 connections and thread-locals need that one thread; the event loop must not wait for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import Any

from penstock.errors import HttpError

__all__ = ("MAX_THREADS", "in_thread")

logger = logging.getLogger("penstock")

MAX_THREADS = 64
_limiter = threading.BoundedSemaphore(MAX_THREADS)

# How far a thread may read ahead of the loop.
_AHEAD = 16


@asynccontextmanager
async def in_thread(
    source: Any, *, interrupt: Callable[[Any], object] | None = None
) -> AsyncIterator[AsyncIterator[Any]]:
    """Iterate a sync iterable, or a sync context manager of one, in a thread of its own.

    Leaving asks the thread to close the source and returns when it has; a thread that is blocked
    inside ``next()`` cannot be asked, and closes it when that returns. ``interrupt(iterated)`` is
    called then, from another thread, for sources that know how to end their own ``next()``; what
    that raises in there is no failure.

    Raises:
        HttpError: 503, when ``MAX_THREADS`` such sources are being read already.
    """
    if not _limiter.acquire(blocking=False):
        raise HttpError(
            503,
            detail=f"{MAX_THREADS} blocking sources are being read",
            headers={"retry-after": "1"},
        )
    reader = _Reader(source, interrupt)
    reader.start()
    try:
        yield reader
    finally:
        await reader.close()


class _Reader:
    """One thread and the items it has read ahead."""

    def __init__(self, source: Any, interrupt: Callable[[Any], object] | None) -> None:
        self._source, self._interrupt = source, interrupt
        self._iterated: Any = None  # what the thread is inside of
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._items: deque[Any] = deque()
        self._room = threading.Semaphore(_AHEAD)
        self._news: asyncio.Future[None] | None = None  # the loop's side waits for items
        self._finished = self._loop.create_future()
        self._leaving = False
        self._error: BaseException | None = None
        self._ended = False

    def start(self) -> None:
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._run,), name="penstock-source", daemon=True
        ).start()

    def __aiter__(self) -> _Reader:
        return self

    async def __anext__(self) -> Any:
        while not self._items:
            if self._ended:
                if isinstance(self._error, StopAsyncIteration):
                    # Raised as it is, it would pass for the end of a whole answer (PEP 479).
                    raise RuntimeError("the source raised StopAsyncIteration") from self._error
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            await self._wait_for_news()
        self._room.release()
        return self._items.popleft()

    async def close(self) -> None:
        self._leaving = True
        self._room.release()
        if self._interrupt is not None and not self._ended and self._iterated is not None:
            # In a thread too: closing a connection may block.
            threading.Thread(target=self._interrupted, name="penstock-close", daemon=True).start()
        await asyncio.shield(self._finished)

    def _interrupted(self) -> None:
        assert self._interrupt is not None
        try:
            self._interrupt(self._iterated)
        except Exception:  # it raced with the thread's own close
            logger.debug("interrupting %r failed", self._source, exc_info=True)

    async def _wait_for_news(self) -> None:
        with self._lock:
            if self._items or self._ended:
                return
            self._news = self._loop.create_future()
        await self._news

    # --- the thread's side

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                iterated = _enter(self._source, stack)
                self._iterated = iterated
                for item in _iterate(iterated, stack):
                    if not self._hand_over(item):
                        break
        except BaseException as exc:  # travels to the loop's side, whatever it is
            self._error = exc
        finally:
            _limiter.release()
            self._tell(self._end)

    def _hand_over(self, item: Any) -> bool:
        self._room.acquire()
        if self._leaving:
            return False
        with self._lock:
            self._items.append(item)
            waiting, self._news = self._news, None
        if waiting is not None:
            self._tell(_finish, waiting)
        return not self._leaving

    def _end(self) -> None:
        if self._leaving and self._error is not None and self._interrupt is None:
            logger.error("closing %r failed", self._source, exc_info=self._error)
        with self._lock:
            self._ended = True
            waiting, self._news = self._news, None
        if waiting is not None:
            _finish(waiting)
        _finish(self._finished)

    def _tell(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            logger.warning("%r outlived its event loop", self._source)


def _enter(source: Any, stack: ExitStack) -> Any:
    if not isinstance(source, AbstractContextManager):
        return source
    entered = stack.enter_context(source)
    return source if entered is None else entered


def _iterate(source: Any, stack: ExitStack) -> Iterator[Any]:
    iterator: Iterator[Any] = iter(source)
    close = getattr(iterator, "close", None)
    if close is not None:
        stack.callback(close)
    return iterator


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
