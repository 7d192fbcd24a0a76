"""A clock that stands still until the test moves it.

Lives here: ``FakeClock``, a ``penstock.clock.Clock``. Stays out: the event loop's own timers,
which it leaves alone: ``asyncio.sleep`` and ``asyncio.timeout`` go on in real time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from penstock.errors import InvalidOption

__all__ = ("FakeClock", "FakeTimer", "settle_loop")

# Turns of the loop after which whatever a timer set off has come to rest. A stop that goes
# through two layers of anyio streams takes about twenty.
_TURNS = 50


async def settle_loop() -> None:
    """Give the loop turns enough for what is ready to run, and what that makes ready."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class FakeTimer:
    """A call arranged on a ``FakeClock``.

    Attributes:
        when: The ``now()`` at which it is due.
        callback: What will be called.
    """

    __slots__ = ("_args", "_context", "callback", "is_cancelled", "when")

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> None:
        self.when, self.callback = when, callback
        self._args, self._context = args, context
        self.is_cancelled = False

    def cancel(self) -> None:
        """Call it off; harmless when it has already run."""
        self.is_cancelled = True

    def run(self) -> None:
        """Run it, in the context in which it was arranged."""
        self._context.run(self.callback, *self._args)

    def __repr__(self) -> str:
        return f"<FakeTimer at {self.when:g}: {self.callback!r}>"


class FakeClock:
    """A ``Clock`` on which time passes only in ``advance()``.

    For one event loop; not thread-safe.

    Args:
        wall: Seconds since the epoch at the start; by default 2024-01-01 00:00 UTC.

    Example:
        ``async with open_stream(app, clock=clock) as stream: await clock.advance(15)``
    """

    def __init__(self, *, wall: float = 1_704_067_200.0) -> None:
        self._now = 0.0
        self._wall = wall
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._order = itertools.count()  # timers due together run as they were arranged

    def now(self) -> float:
        """Return the seconds that were advanced so far."""
        return self._now

    def wall(self) -> float:
        """Return seconds since the epoch: the start's, and what was advanced."""
        return self._wall + self._now

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> FakeTimer:
        """Call ``callback(*args)`` when ``advance()`` reaches ``when``."""
        timer = FakeTimer(when, callback, args, copy_context())
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    async def sleep(self, delay: float) -> None:
        """Return once ``delay`` seconds were advanced; at once, but for a turn, when it is 0."""
        if delay <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now + delay, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()

    @property
    def pending(self) -> list[FakeTimer]:
        """Timers that are neither run nor called off, the next one first."""
        return [timer for _, _, timer in sorted(self._timers) if not timer.is_cancelled]

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass: run what falls due, in order, each in its own moment.

        The loop settles before the first, between them and after the last, so that what a timer
        sets off, new timers included, happens before the next. Work in other threads does not
        settle so: wait for its result instead.

        Raises:
            InvalidOption: ``seconds`` is negative.
            Exception: What a timer's callback raised.
        """
        if not seconds >= 0:
            raise InvalidOption("seconds", seconds, "a number, 0 or more: time does not go back")
        await settle_loop()
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            if timer.is_cancelled:
                continue
            self._now = max(self._now, when)
            timer.run()
            await settle_loop()
        self._now = end


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
