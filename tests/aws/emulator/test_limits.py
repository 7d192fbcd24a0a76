"""The bandwidth of a streamed response, on a clock that only moves when it is slept on."""
# P4

from __future__ import annotations

import pytest

from penstock.aws.emulator.limits import Bandwidth


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    bucket = Bandwidth(2000, burst=6000, now=lambda: clock.now, sleep=clock.sleep)
    await bucket.spend(6000)
    assert clock.now == 0
    for _ in range(10):
        await bucket.spend(1000)
    assert clock.now == pytest.approx(5.0, abs=0.25)


async def test_a_pause_refills_it_up_to_the_burst() -> None:
    clock = Clock()
    bucket = Bandwidth(2000, burst=6000, now=lambda: clock.now, sleep=clock.sleep)
    await bucket.spend(7000)
    clock.now += 100
    began = clock.now
    await bucket.spend(1)
    await bucket.spend(6000)
    assert clock.now - began < 1
