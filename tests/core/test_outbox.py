"""The outbox: whose turn it is, seen from a source that blocks and from one that may not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock.core import outbox, pump
from penstock.core.outbox import MAX_EVENTS, Outbox

from .sinks import ListSink, make_pump, read, run_pump, until, write


def test_a_source_that_blocks_is_not_an_event_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    # F2: a synchronous client, read inside an async generator, is the usual one
    now = 0.0
    for module in (outbox, pump):
        monkeypatch.setattr(module, "monotonic", lambda: now)
    written: list[int] = []

    async def blocking() -> AsyncIterator[str]:
        nonlocal now
        for _ in range(5):
            yield "x"
            now += 0.05
            written.append(len(sink.body))

    sink = ListSink()
    asyncio.run(run_pump(make_pump(sink), read(blocking)))
    assert written == [1, 2, 3, 4, 5]


def test_a_source_that_awaits_is_given_no_turn_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    # F2
    now = 0.0
    turns: list[float] = []
    turn = Outbox.turn

    async def counted(self: Outbox) -> None:
        turns.append(now)
        await turn(self)

    async def paced() -> AsyncIterator[str]:
        nonlocal now
        for _ in range(5):
            yield "x"
            now += 0.05
            await until(lambda: pumped.outbox.is_idle)
            await asyncio.sleep(0)

    for module in (outbox, pump):
        monkeypatch.setattr(module, "monotonic", lambda: now)
    monkeypatch.setattr(Outbox, "turn", counted)
    pumped = make_pump(ListSink())
    asyncio.run(run_pump(pumped, read(paced)))
    assert turns == [0.0]  # after its first event


def test_awaited_writes_wait_whatever_went_before_them() -> None:
    # F13, F1: 1,020 that were not awaited are within the bound; those that are never overflow
    made: list[int] = []

    async def produce(emit: Any) -> None:
        for _ in range(MAX_EVENTS - 4):
            emit("x")
        await until(lambda: sink.writes)
        for number in range(20):
            await emit("y")
            made.append(number)

    async def main() -> None:
        sink.stall()
        running = asyncio.create_task(run_pump(make_pump(sink), write(produce)))
        await until(lambda: len(made) == 3)
        sink.resume()
        assert await running == "completed"

    sink = ListSink()
    asyncio.run(main())
    assert sink.body.count(b"y") == 20
