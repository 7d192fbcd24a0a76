"""A producer that outlives connections: a source that runs into a log.

Lives here: the task that runs it under a claim, the claim's renewal, stopping it from any process,
and its one ending. Stays out: who starts it (``resume.py``), and who reads it (``replay.py``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from time import monotonic
from typing import Any

from penstock.clock import Clock, current_clock
from penstock.core.ending import Ending
from penstock.core.log import EventLog, Fence, Keep, split_cursor
from penstock.core.logged import dump_item, dump_problem
from penstock.core.outbox import TURN_EVENTS, TURN_SECONDS
from penstock.core.problem import Scrub, problem_of, report
from penstock.core.settle import settle
from penstock.core.shutdown import enroll, withdraw
from penstock.core.source import discard, open_source
from penstock.errors import (
    CursorGone,
    HttpError,
    LogClosed,
    LogUnavailable,
    StaleFence,
    StreamError,
)

__all__ = ("Production", "RunOptions", "stop_key", "stream_key")

logger = logging.getLogger("penstock")

# Seconds before another try at a log that did not answer.
_AGAIN = 0.5


def stream_key(key: str, token: str) -> str:
    """Return the log's key for one run's events."""
    return f"{key}#{token}"


def stop_key(key: str, token: str) -> str:
    """Return the log's key for what one run's producer is told."""
    return f"{key}#{token}!"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How the answers of a ``Resumable`` are kept and end. Durations are float seconds."""

    keep: Keep
    lease: float
    scrub: Scrub | None
    cleanup_timeout: float
    clock: Clock | None


class Production:
    """One run of a source.

    Args:
        log: Where its items go.
        fence: The claim it runs under.
        source: What makes the items; opened in this run's own task.
        options: How it is kept and ends.
    """

    def __init__(self, log: EventLog, fence: Fence, source: Any, options: RunOptions) -> None:
        self.fence = fence
        self.ending: Ending | None = None
        self._log, self._source, self._options = log, source, options
        self._stream = stream_key(fence.key, fence.token)
        self._clock = options.clock or current_clock()
        self.loop = asyncio.get_running_loop()
        self._error: BaseException | None = None
        self._work: asyncio.Task[None] | None = None
        self._opened = False
        self._count = 0

    async def run(self) -> None:
        """Run the source to its end, and tell that end."""
        enroll(self)
        work = self._work = asyncio.create_task(self._produce(), name="penstock production")
        if self.ending is not None:  # stopped before it began
            work.cancel()
        helpers = [self._help(self._renew()), self._help(self._obey())]
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:  # the loop is being closed
            self.stop(Ending.SHUTDOWN)
        finally:
            try:
                await settle(
                    work, self._options.cleanup_timeout, "an answer's cleanup", self._clock
                )
                if not self._opened:
                    await discard(self._source)
            finally:
                for helper in helpers:
                    helper.cancel()
                try:
                    await self._conclude()
                finally:
                    withdraw(self)
                    await asyncio.wait(helpers)

    def stop(self, ending: Ending = Ending.STOPPED) -> None:
        """End it from outside: the source is cancelled, its cleanup runs. The first word wins."""
        if self.ending is None:
            self.ending = ending
            if self._work is not None:
                self._work.cancel()

    def shut_down(self) -> None:
        """The process is going away (``Stoppable``)."""
        self.stop(Ending.SHUTDOWN)

    # --- the source

    async def _produce(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                self._opened = True
                began = monotonic()
                async for item in await open_source(self._source, stack):
                    await self._append(item)
                    # A source and a log that both never wait must not starve the loop.
                    if self._count % TURN_EVENTS == 0 or monotonic() - began > TURN_SECONDS:
                        await asyncio.sleep(0)
                        began = monotonic()
            self.ending = self.ending or Ending.COMPLETED
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self.ending = self.ending or Ending.SHUTDOWN  # not ours: the loop is being closed
            else:
                self._fail(StreamError("something cancelled the source from inside"), exc)
        except (StaleFence, LogClosed) as exc:
            self._lost(exc)
        except Exception as exc:
            self._fail(exc)

    async def _append(self, item: Any) -> None:
        self._count += 1
        id = await self._log.append(
            self._stream,
            dump_item(item),
            fence=self.fence,
            sequence=(self.fence.token, self._count),
            keep=self._options.keep,
        )
        if split_cursor(id) != (self.fence.token, self._count):
            raise StreamError(f"the log has lost what {self.fence.key!r} produced before {id}")

    def _fail(self, error: BaseException, cause: BaseException | None = None) -> None:
        if cause is not None:
            error.__cause__ = cause
        if self.ending is None:
            self.ending, self._error = Ending.ERROR, error
            report(error, f"the answer {self.fence.key!r} failed", None)
        else:
            report(error, f"the cleanup of the answer {self.fence.key!r} failed", None)

    def _lost(self, error: BaseException) -> None:
        """Another took over, or this process was out for longer than its lease."""
        if self.ending is None:
            logger.warning("the answer %r is stopped here: %s", self.fence.key, error)
            self.stop(Ending.STOPPED)

    # --- beside it

    @staticmethod
    def _help(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(coroutine, name="penstock production's helper")

    async def _renew(self) -> None:
        """Hold the claim; where that is lost, stop."""
        lease = self._options.lease
        while True:
            await self._clock.sleep(lease / 3)
            try:
                await self._log.renew(self.fence, lease=lease)
            except StaleFence as exc:
                return self._lost(exc)
            except LogUnavailable as exc:  # the next try may still be in time
                logger.warning("the claim on %r could not be renewed: %s", self.fence.key, exc)

    async def _obey(self) -> None:
        """Stop when any process says so."""
        key = stop_key(self.fence.key, self.fence.token)
        while True:
            try:
                async with aclosing(self._log.follow(key)) as orders:
                    async for _ in orders:
                        return self.stop(Ending.STOPPED)
            except CursorGone:
                continue  # the order has expired, and we are still here
            except LogUnavailable as exc:
                logger.warning("nobody can stop %r meanwhile: %s", self.fence.key, exc)
                await self._clock.sleep(_AGAIN)
            except StreamError as exc:  # the log was closed
                return self._lost(exc)

    # --- the end

    async def _conclude(self) -> None:
        """Tell the ending, once; then another may run."""
        ending, error = self.ending or Ending.SHUTDOWN, self._error
        self.ending = ending
        if ending is Ending.SHUTDOWN:
            error = HttpError(503, detail="The server is shutting down.")
        data = dump_problem(problem_of(error, self._options.scrub)) if error is not None else b""
        try:
            # Without the fence: this run's events are nobody else's, and the first word wins.
            await self._log.close(self._stream, ending.value, data=data, keep=self._options.keep)
            await self._log.release(self.fence)
            await self._log.delete(stop_key(self.fence.key, self.fence.token))
        except LogUnavailable:
            # Its readers are told when the lease ends.
            logger.exception("the end of the answer %r could not be told", self.fence.key)
