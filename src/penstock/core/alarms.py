"""One timer of the clock for the keep-alives of all streams.

Lives here: who is to be woken when. Stays out: what then is done, which is the sleeper's.

A timer of the event loop's takes half a KiB, and nearly every stream is waiting for one. Here they
wait in a heap, and only the next one has a timer: one heap for each event loop and clock, gone
with its last alarm. An alarm that is called off lets its sleeper go at once and leaves the heap
when its time comes, or when half of the heap is such alarms.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import Protocol

from penstock.clock import Clock, Timer

__all__ = ("Alarm", "Sleeper", "set_alarm")

# Alarms called off that may always stay in a heap: clearing a small one is not worth a walk.
_MAX_CALLED_OFF = 64


class Sleeper(Protocol):
    """What waits for an alarm."""

    def wake(self) -> None:
        """It is time; another alarm may be set."""


class Alarm:
    """One time at which one sleeper is woken (a ``Timer``)."""

    __slots__ = ("_alarms", "sleeper", "when")

    def __init__(self, alarms: _Alarms, when: float, sleeper: Sleeper) -> None:
        self._alarms, self.when = alarms, when
        self.sleeper: Sleeper | None = sleeper  # None: it was woken, or called off

    def cancel(self) -> None:
        """Call it off; harmless when it has already rung."""
        if self.sleeper is not None:
            self.sleeper = None
            self._alarms.note_called_off()

    def __lt__(self, other: Alarm) -> bool:
        return self.when < other.when


class _Alarms:
    """The alarms of one event loop on one clock."""

    __slots__ = ("_called_off", "_clock", "_heap", "_loop", "_timer", "_timer_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop, self._clock = loop, clock
        self._heap: list[Alarm] = []
        self._called_off = 0  # of those in the heap
        self._timer: Timer | None = None
        self._timer_when = 0.0

    def add(self, when: float, sleeper: Sleeper) -> Alarm:
        alarm = Alarm(self, when, sleeper)
        heappush(self._heap, alarm)
        if self._timer is None or when < self._timer_when:
            self._arm()
        return alarm

    def note_called_off(self) -> None:
        self._called_off += 1
        if self._called_off == len(self._heap):
            self._heap.clear()
            self._called_off = 0
            self._arm()
        elif self._called_off > max(_MAX_CALLED_OFF, len(self._heap) // 2):
            self._heap[:] = [alarm for alarm in self._heap if alarm.sleeper is not None]
            heapify(self._heap)
            self._called_off = 0

    def _arm(self) -> None:
        """See to it that the timer is the next alarm's, or that there is none."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer_when = self._heap[0].when
            # Not in the context of the stream that happens to be first: it would be kept.
            self._timer = Context().run(self._clock.call_at, self._timer_when, self._ring)
        elif _of.get(key := (self._loop, id(self._clock))) is self:
            del _of[key]

    def _ring(self) -> None:
        now = self._clock.now()
        try:
            # So often at most: what is set meanwhile waits for the timer's next turn.
            for _ in range(len(self._heap)):
                if not self._heap or self._heap[0].when > now:
                    break
                self._wake(heappop(self._heap))
        finally:
            self._arm()

    def _wake(self, alarm: Alarm) -> None:
        sleeper, alarm.sleeper = alarm.sleeper, None
        if sleeper is None:
            self._called_off -= 1
        else:
            sleeper.wake()


# By the clock's identity: it need not be hashable, and lives as long as its alarms do.
_of: dict[tuple[asyncio.AbstractEventLoop, int], _Alarms] = {}


def set_alarm(clock: Clock, when: float, sleeper: Sleeper) -> Alarm:
    """Wake ``sleeper`` when ``clock.now()`` reaches ``when``; called on the sleeper's loop."""
    loop = asyncio.get_running_loop()
    alarms = _of.get((loop, id(clock)))
    if alarms is None:
        for key in list(_of):  # a loop that was closed with streams open
            if key[0].is_closed():
                _of.pop(key, None)
        alarms = _of[loop, id(clock)] = _Alarms(loop, clock)
    return alarms.add(when, sleeper)
