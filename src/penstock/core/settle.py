"""Waiting for a task's cleanup, whatever happens to the one who waits.

Lives here: the bounded, uncancellable wait, and the strong references of tasks left behind.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from penstock.clock import Clock, current_clock

__all__ = ("settle",)

logger = logging.getLogger("penstock")

# The loop holds tasks weakly: one that nobody holds is "destroyed but pending".
_abandoned: set[asyncio.Task[Any]] = set()


class _Steadfast(asyncio.Future[None]):
    """A future that refuses to be cancelled.

    A task that waits for it and is cancelled, once by asyncio or again and again by an anyio
    scope, gets its CancelledError when the future is done, not before.
    """

    def cancel(self, msg: Any = None) -> bool:
        return False

    def finish(self, _: object = None) -> None:
        if not self.done():
            self.set_result(None)


async def settle(
    task: asyncio.Task[Any], timeout: float, what: str, clock: Clock | None = None
) -> bool:
    """Wait until ``task`` is done, for ``timeout`` seconds at most; return whether it is.

    A task still running then is cancelled once more, logged and left to itself.

    Raises:
        asyncio.CancelledError: The waiting task was cancelled meanwhile; raised after the wait.
    """
    if task.done():
        return True
    clock = clock or current_clock()
    waiter = _Steadfast(loop=asyncio.get_running_loop())
    task.add_done_callback(waiter.finish)
    timer = clock.call_at(clock.now() + timeout, waiter.finish)
    try:
        await waiter
    finally:
        timer.cancel()
        task.remove_done_callback(waiter.finish)
        if not task.done():
            _abandon(task, timeout, what)
    return task.done()


def _abandon(task: asyncio.Task[Any], timeout: float, what: str) -> None:
    logger.warning("%s did not finish within %g s; it is cancelled again and left", what, timeout)
    task.cancel()
    _abandoned.add(task)
    task.add_done_callback(_let_go)


def _let_go(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("a cleanup that was left behind failed", exc_info=error)
