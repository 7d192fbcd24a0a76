"""What happens to a stream because time passes: keep-alives, the late commit, the limits.

Lives here: when. Stays out: what is then done, which is the pump's.

A keep-alive costs a busy stream one alarm per idle time, not one per event: it is set anew when
it rings, for the time that the last write then leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from penstock.clock import Clock, Timer
from penstock.core.alarms import Alarm, set_alarm
from penstock.core.ending import Ending
from penstock.core.options import StreamOptions
from penstock.core.shutdown import GRACE

__all__ = ("Timed", "Timers")


class Timed(Protocol):
    """What timers need to know of a stream, and tell it.

    Attributes:
        last_write: When something was last written, or the stream began.
        last_item: When an item was last written, or the stream began.
    """

    last_write: float
    last_item: float

    def commit(self) -> None:
        """Let the head leave."""

    def keep_alive(self) -> None:
        """Write something that readers ignore, if nothing else waits to be written."""

    def stop(self, ending: Ending) -> None:
        """End the stream."""

    def abort(self) -> None:
        """Break it off: its reader takes nothing."""


class Timers:
    """The timers of one stream.

    Args:
        stream: Whose they are.
        options: Which there are.
        clock: Where time comes from.
    """

    __slots__ = ("_clock", "_idle", "_keep_alive", "_options", "_others", "_stream")

    def __init__(self, stream: Timed, options: StreamOptions, clock: Clock) -> None:
        self._stream, self._options, self._clock = stream, options, clock
        self._keep_alive: Alarm | None = None
        self._idle: Timer | None = None
        self._others: list[Timer] | None = None  # each armed once; most streams have none

    def arm(self, now: float) -> None:
        """Start them."""
        options = self._options
        if options.keep_alive is not None:
            self._keep_alive = set_alarm(self._clock, now + options.keep_alive, self)
        if options.idle_timeout is not None:
            self._idle = self._clock.call_at(now + options.idle_timeout, self._on_idle)
        if options.timeout is not None:
            self._once(now + options.timeout, self._stream.stop, Ending.TIMEOUT)
        if isinstance(options.commit, (int, float)):
            self._once(now + options.commit, self._stream.commit)

    def cancel(self) -> None:
        """Stop them all."""
        for timer in (self._keep_alive, self._idle, *(self._others or ())):
            if timer is not None:
                timer.cancel()

    def grace(self, *, drain: bool) -> None:
        """A shutdown began: the stream may ``drain`` for the grace, then it is told to end.

        Either way a reader that does not even take the last words does not hold it up.
        """
        over = self._drained if drain else self._stream.abort
        self._once(self._clock.now() + GRACE, over)

    def _drained(self) -> None:
        self._stream.stop(Ending.SHUTDOWN)
        # From here: a machine that stood still meanwhile must leave time for the last words, too.
        self._once(self._clock.now() + GRACE / 4, self._stream.abort)

    def _once(self, when: float, callback: Callable[..., object], *args: Any) -> None:
        if self._others is None:
            self._others = []
        self._others.append(self._clock.call_at(when, callback, *args))

    def wake(self) -> None:
        """A keep-alive may be due (``Sleeper``)."""
        interval = self._options.keep_alive
        assert interval is not None
        now = self._clock.now()
        due = self._stream.last_write + interval
        if now >= due:
            self._stream.keep_alive()
            due = now + interval
        self._keep_alive = set_alarm(self._clock, due, self)

    def _on_idle(self) -> None:
        limit = self._options.idle_timeout
        assert limit is not None
        due = self._stream.last_item + limit
        if self._clock.now() >= due:
            self._stream.stop(Ending.TIMEOUT)
        else:
            self._idle = self._clock.call_at(due, self._on_idle)
