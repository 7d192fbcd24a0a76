"""Time as an argument: what keep-alives, deadlines and expiries read.

Lives here: the Protocol and the event loop's own clock. The fake one for tests is
``penstock.testing.FakeClock``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ("Clock", "LoopClock", "Timer", "current_clock", "use_clock")


class Timer(Protocol):
    """A call that was arranged and can be called off."""

    def cancel(self) -> None:
        """Call it off; harmless when it has already run."""


class Clock(Protocol):
    """Where time comes from. All durations are float seconds."""

    def now(self) -> float:
        """Return a time that never goes back; its zero means nothing."""
        ...

    def wall(self) -> float:
        """Return seconds since the epoch."""
        ...

    async def sleep(self, delay: float) -> None:
        """Return after ``delay`` seconds."""

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call ``callback(*args)`` when ``now()`` reaches ``when``."""
        ...


class LoopClock:
    """The running event loop's clock."""

    now = staticmethod(time.monotonic)  # no frame of ours in between: every write asks
    wall = staticmethod(time.time)

    async def sleep(self, delay: float) -> None:
        await asyncio.sleep(delay)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Timer:
        # By the delay, not the time: uvloop's clock has a zero of its own.
        return asyncio.get_running_loop().call_later(
            max(0.0, when - time.monotonic()), callback, *args
        )


_LOOP_CLOCK = LoopClock()
_current: ContextVar[Clock] = ContextVar("penstock_clock", default=_LOOP_CLOCK)


def current_clock() -> Clock:
    """Return the clock in force here: the event loop's, unless a test chose another."""
    return _current.get()


def use_clock(clock: Clock) -> None:
    """Make ``clock`` the one in force in the current context and the tasks it starts."""
    _current.set(clock)
