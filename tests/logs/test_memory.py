"""What only a log in memory does: its bounds, its clock, several loops."""

from __future__ import annotations

import asyncio
import threading

import pytest

from penstock import CursorGone, InvalidOption, LogFull
from penstock.core.log import Keep
from penstock.logs import MemoryLog
from penstock.testing import FakeClock


async def test_keys_are_bounded_and_the_longest_silent_goes_first() -> None:
    log = MemoryLog(max_keys=3)
    for key in "abc":
        await log.append(key, b"1")
    await log.append("a", b"2")
    await log.append("d", b"1")
    assert [bool(await log.read(key)) for key in "abcd"] == [True, False, True, True]


async def test_a_key_that_is_followed_is_not_forgotten_for_room() -> None:
    log = MemoryLog(max_keys=2)
    followers = [asyncio.create_task(log.read(key, wait=60)) for key in "ab"]
    for key in "ab":
        await log.tail(key)
    await asyncio.sleep(0)
    with pytest.raises(LogFull, match="2 keys"):
        await log.append("c", b"1")
    for key in "ab":
        await log.append(key, b"1")
    assert all(await asyncio.gather(*followers))
    await log.append("c", b"1")


async def test_expired_keys_make_room_first() -> None:
    clock = FakeClock()
    log = MemoryLog(max_keys=2, clock=clock)
    await log.append("old but kept", b"1")
    await log.append("expires", b"1", keep=Keep(ttl=5))
    await clock.advance(6)
    await log.append("new", b"1")
    assert await log.read("old but kept")


async def test_time_is_an_argument() -> None:  # T2
    clock = FakeClock()
    log = MemoryLog(clock=clock)
    id = await log.append("k", b"1", keep=Keep(ttl=60))
    fence = await log.claim("k", lease=10)
    assert fence is not None
    waiting = asyncio.create_task(log.read("k", after=id, wait=30))
    await clock.advance(9)
    await log.renew(fence, lease=10)
    await clock.advance(9)
    claim = await log.claimed("k")
    assert claim is not None
    assert claim.remaining == pytest.approx(1)
    assert not waiting.done()
    await clock.advance(13)
    assert await waiting == []
    claim = await log.claimed("k")
    assert claim is not None
    assert not claim.is_held
    await clock.advance(30)
    with pytest.raises(CursorGone):
        await log.read("k", after=id)


async def test_claims_are_bounded() -> None:
    clock = FakeClock()
    log = MemoryLog(max_keys=10, clock=clock)
    for number in range(10):
        await log.claim(str(number), lease=1)
    held = await log.claim("held", lease=100)
    await clock.advance(2)
    for number in range(50):
        await log.claim(f"more {number}", lease=0.1)
        await clock.advance(1)
    assert len(log._claims) <= 11
    assert held is not None
    await log.renew(held, lease=1)


async def test_an_append_from_another_loop_wakes_a_reader() -> None:
    log = MemoryLog()
    waiting = asyncio.create_task(log.read("k", wait=20))
    await asyncio.sleep(0)
    thread = threading.Thread(target=lambda: asyncio.run(log.append("k", b"x")))
    thread.start()
    assert [entry.data for entry in await waiting] == [b"x"]
    thread.join()


async def test_what_is_trimmed_is_let_go_of() -> None:
    log = MemoryLog()
    for number in range(5000):
        await log.append("k", b"%d" % number, keep=Keep(max_events=10))
    held = log._keys["k"]
    assert len(held) == 10
    assert len(held.entries) < 200
    for number in range(500):
        await log.append("k", b"", sequence=(f"writer {number}", 1))
    assert len(held.writers) <= 256


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "1", None])
def test_the_bound_is_checked(wrong: object) -> None:
    with pytest.raises(InvalidOption):
        MemoryLog(max_keys=wrong)  # type: ignore[arg-type]  # that is the test
