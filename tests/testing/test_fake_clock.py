"""The clock that a test moves. Covers T2."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from penstock import endpoint
from penstock.clock import Clock, current_clock, use_clock
from penstock.errors import InvalidOption
from penstock.testing import FakeClock, open_stream

variable: ContextVar[str] = ContextVar("variable", default="unset")


async def test_it_is_a_clock_that_stands_still() -> None:
    clock: Clock = FakeClock(wall=1000.0)
    assert (clock.now(), clock.wall()) == (0.0, 1000.0)
    await asyncio.sleep(0.01)
    assert (clock.now(), clock.wall()) == (0.0, 1000.0)


async def test_timers_run_in_order_each_in_its_own_moment() -> None:
    clock = FakeClock()
    ran: list[tuple[str, float]] = []
    for when, name in ((3.0, "c"), (1.0, "a"), (3.0, "d"), (2.0, "b"), (9.0, "late")):
        clock.call_at(when, lambda name=name: ran.append((name, clock.now())))
    await clock.advance(5)
    assert ran == [("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 3.0)]
    assert clock.now() == 5.0
    assert [timer.when for timer in clock.pending] == [9.0]


async def test_what_a_timer_sets_off_happens_before_the_next_timer() -> None:
    clock = FakeClock()
    seen: list[str] = []

    async def sleeper() -> None:
        for _ in range(3):
            await clock.sleep(1.0)
            seen.append(f"woke at {clock.now():g}")

    task = asyncio.create_task(sleeper())
    clock_at_2_5 = clock.call_at(2.5, lambda: seen.append("timer at 2.5"))
    await clock.advance(10)
    assert seen == ["woke at 1", "woke at 2", "timer at 2.5", "woke at 3"]
    assert task.done()
    assert not clock.pending
    clock_at_2_5.cancel()  # harmless afterwards


async def test_a_timer_called_off_does_not_run() -> None:
    clock = FakeClock()
    ran: list[int] = []
    clock.call_at(1, ran.append, 1).cancel()
    clock.call_at(1, ran.append, 2)
    assert len(clock.pending) == 1
    await clock.advance(1)
    assert ran == [2]


async def test_a_cancelled_sleep_leaves_no_timer() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    assert [timer.when for timer in clock.pending] == [5.0]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not clock.pending


async def test_a_sleep_of_nothing_gives_one_turn() -> None:
    clock = FakeClock()
    await asyncio.wait_for(clock.sleep(0), 5)
    assert clock.now() == 0


async def test_a_timer_keeps_the_context_it_was_arranged_in() -> None:
    clock = FakeClock()
    seen: list[str] = []
    variable.set("arranged")
    clock.call_at(1, lambda: seen.append(variable.get()))
    variable.set("advanced")
    await clock.advance(1)
    assert seen == ["arranged"]


async def test_a_timer_that_raises_fails_the_advance() -> None:
    clock = FakeClock()
    clock.call_at(1, lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        await clock.advance(2)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
async def test_time_does_not_go_back(seconds: float) -> None:
    with pytest.raises(InvalidOption, match="seconds"):
        await FakeClock().advance(seconds)


async def test_use_clock_reaches_the_tasks_started_after_it() -> None:
    clock = FakeClock()

    async def which() -> Clock:
        return current_clock()

    before = asyncio.create_task(which())
    use_clock(clock)
    assert await asyncio.create_task(which()) is clock
    assert await before is not clock


# F3, T2
async def test_it_drives_keep_alives_also_before_the_first_event() -> None:
    clock = FakeClock()

    @endpoint(keep_alive=10)
    async def slow(ctx):
        await current_clock().sleep(25)
        yield "late"
        await current_clock().sleep(5)

    async with open_stream(slow, clock=clock, wait=False) as stream:
        await clock.advance(9.9)
        assert stream.chunks == []
        await clock.advance(0.1)
        assert len(stream.comments) == 1
        await clock.advance(10)
        assert (len(stream.comments), stream.events) == (2, [])
        await clock.advance(9.9)  # 29.9: the event at 25 put the next one off
        assert (await stream.next_event()).data == "late"
        assert len(stream.comments) == 2
        await clock.advance(1)
        await stream.read()
        assert stream.ended == "complete"


# T2: deadlines
async def test_it_drives_timeouts() -> None:
    clock = FakeClock()

    @endpoint(timeout=60, format="ndjson")
    async def endless(ctx):
        while True:
            yield 1
            await current_clock().sleep(7)

    async with open_stream(endless, clock=clock) as stream:
        await clock.advance(59.9)
        assert stream.ended is None
        await clock.advance(0.2)
        assert stream.error["errors"][0]["status"] == 504
        assert stream.ended == "complete"
