"""A sink for tests: it keeps what it is given, stalls and leaves on command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from penstock.core.ending import Ending
from penstock.core.head import Head
from penstock.core.options import StreamKeywords, resolve
from penstock.core.producer import Producer, Reading, Writing
from penstock.core.pump import Pump


class ListSink:
    """Keeps the head and each write."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.writes: list[bytes] = []
        self.is_complete = False
        self.left: Callable[[], object] | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def body(self) -> bytes:
        return b"".join(self.writes)

    async def open(self, head: Head) -> None:
        self.head = head

    async def write(self, data: bytes, more: bool) -> None:
        self.writes.append(data)
        self.is_complete = not more
        await self._flowing.wait()

    def watch(self, left: Callable[[], object]) -> None:
        self.left = left

    def unwatch(self) -> None:
        self.left = None

    def stall(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def leave(self) -> None:
        assert self.left is not None, "nobody watches"
        self.left()


def make_pump(
    sink: ListSink, format: str = "text", around: list[Any] | None = None, **keywords: Any
) -> Pump:
    given: StreamKeywords = keywords  # type: ignore[assignment]  # the tests' own spelling
    chosen, options = resolve(format, given)
    encoder = chosen.encoder(end_mark=format == "sse")
    return Pump(Head(), encoder, sink, options, around or ())


async def run_pump(pump: Pump, producer: Producer) -> Ending:
    return await pump.run(producer, copy_context())


def read(source: Any) -> Reading:
    return Reading(source)


def write(function: Any) -> Writing:
    return Writing(function)


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Let the loop run until ``condition()`` holds; fail after some ten seconds."""
    for turn in range(20_000):
        if condition():
            return
        await asyncio.sleep(0 if turn < 1000 else 0.001)
    raise AssertionError(f"{what} never held")
