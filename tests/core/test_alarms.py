"""One timer of the clock for many sleepers."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from penstock.clock import LoopClock
from penstock.core import alarms
from penstock.core.alarms import set_alarm
from penstock.testing import FakeClock


class Sleeper:
    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.woken = 0
        self._then = then

    def wake(self) -> None:
        self.woken += 1
        self._then()


def run(main: Callable[[FakeClock], Awaitable[None]]) -> None:
    async def within() -> None:
        await main(FakeClock())
        loop = asyncio.get_running_loop()
        assert not [key for key in alarms._of if key[0] is loop]  # nothing outlives its alarms

    asyncio.run(within())


def test_many_alarms_have_one_timer_and_each_its_own_moment() -> None:
    # F3, T2
    async def main(clock: FakeClock) -> None:
        rung: list[tuple[float, float]] = []

        def sleeper(when: float) -> Sleeper:
            return Sleeper(lambda: rung.append((when, clock.now())))

        times = [5.0, 3.0, 9.0, 3.0, 7.5]
        for when in times:
            set_alarm(clock, when, sleeper(when))
        assert [timer.when for timer in clock.pending] == [3.0]
        await clock.advance(8)
        assert rung == [(when, when) for when in (3.0, 3.0, 5.0, 7.5)]
        assert [timer.when for timer in clock.pending] == [9.0]
        await clock.advance(1)
        assert rung[-1] == (9.0, 9.0)
        assert not clock.pending

    run(main)


def test_what_is_called_off_is_let_go_at_once() -> None:
    # F4
    async def main(clock: FakeClock) -> None:
        kept, gone = Sleeper(), Sleeper()
        first = set_alarm(clock, 5, gone)
        last = set_alarm(clock, 6, kept)
        there = weakref.ref(gone)
        first.cancel()
        first.cancel()
        del gone
        gc.collect()
        assert there() is None
        await clock.advance(6)
        assert kept.woken == 1
        last.cancel()  # harmless: it has rung
        assert not clock.pending

    run(main)


def test_no_timer_is_left_when_the_last_one_is_called_off() -> None:
    # F4
    async def main(clock: FakeClock) -> None:
        for alarm in [set_alarm(clock, when, Sleeper()) for when in (1, 2, 3)]:
            assert len(clock.pending) == 1
            alarm.cancel()
        assert not clock.pending

    run(main)


def test_the_heap_does_not_grow_with_what_was_called_off() -> None:
    # F1: streams come and go, one stays
    async def main(clock: FakeClock) -> None:
        stays = Sleeper()
        set_alarm(clock, 3600, stays)
        heap = alarms._of[asyncio.get_running_loop(), id(clock)]._heap
        for _ in range(10_000):
            set_alarm(clock, 3599, Sleeper()).cancel()
            assert len(heap) <= 2 * alarms._MAX_CALLED_OFF
        await clock.advance(3600)
        assert stays.woken == 1

    run(main)


def test_a_sleeper_may_set_and_call_off_while_it_is_woken() -> None:
    async def main(clock: FakeClock) -> None:
        other = Sleeper()
        others = set_alarm(clock, 1.0, other)
        again = Sleeper()

        def act() -> None:
            others.cancel()
            set_alarm(clock, clock.now(), again)  # at once, but not in this turn's stead

        set_alarm(clock, 0.5, Sleeper(act))
        await clock.advance(2)
        assert (other.woken, again.woken) == (0, 1)

    run(main)


def test_one_that_fails_does_not_keep_the_others_asleep() -> None:
    async def main(clock: FakeClock) -> None:
        def fail() -> None:
            raise ValueError("broken")

        others = [Sleeper(), Sleeper()]
        set_alarm(clock, 1, others[0])
        set_alarm(clock, 1, Sleeper(fail))
        set_alarm(clock, 1, others[1])
        with pytest.raises(ValueError, match="broken"):
            await clock.advance(1)
        await clock.advance(1)
        assert [other.woken for other in others] == [1, 1]

    run(main)


def test_random_words_against_a_plain_list() -> None:
    async def main(clock: FakeClock) -> None:
        random = Random(7)
        due: dict[int, float] = {}
        set_ones: dict[int, alarms.Alarm] = {}
        woken: set[int] = set()

        def sleeper(number: int) -> Sleeper:
            return Sleeper(lambda: woken.add(number))

        for number in range(2000):
            action = random.random()
            if action < 0.5:
                due[number] = clock.now() + random.choice((0.5, 1, 15, 15, 15))
                set_ones[number] = set_alarm(clock, due[number], sleeper(number))
            elif action < 0.8 and due:
                called_off = random.choice(list(due))
                del due[called_off]
                set_ones[called_off].cancel()
            else:
                await clock.advance(random.random() * 2)
                expected = {number for number, when in due.items() if when <= clock.now()}
                assert woken == expected
                for number in expected:
                    del due[number]
                woken.clear()
            assert len(clock.pending) == bool(due)
        await clock.advance(20)
        assert woken == set(due)

    run(main)


def test_clocks_and_loops_have_alarms_of_their_own() -> None:
    async def main(clock: FakeClock) -> None:
        here, there = Sleeper(), Sleeper()
        other = FakeClock()
        set_alarm(clock, 1, here)
        set_alarm(other, 1, there)
        await clock.advance(1)
        assert (here.woken, there.woken) == (1, 0)
        await other.advance(1)
        assert there.woken == 1

    run(main)


def test_the_loops_own_clock() -> None:
    async def main() -> None:
        clock, woken = LoopClock(), asyncio.Event()
        set_alarm(clock, clock.now() + 3000, Sleeper())
        set_alarm(clock, clock.now() + 0.01, Sleeper(woken.set))  # before the one that is armed
        await asyncio.wait_for(woken.wait(), 30)

    asyncio.run(main())
    asyncio.run(main())  # the loop before it was closed with an alarm set: it is forgotten
    (last,) = [key for key in alarms._of if key[0].is_closed()]
    del alarms._of[last]
