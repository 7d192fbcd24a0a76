"""Keep-alives and time limits, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock.core.ending import Ending
from penstock.core.head import Head
from penstock.errors import HttpError
from penstock.testing import FakeClock

from .sinks import ListSink, make_pump, read, run_pump, until


class Stream:
    """A stream whose source yields what the test puts, on a fake clock."""

    def __init__(self, format: str = "sse", **keywords: Any) -> None:
        self.clock, self.sink = FakeClock(), ListSink()
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.pump = make_pump(self.sink, format, clock=self.clock, **keywords)

    async def source(self) -> AsyncIterator[Any]:
        while True:
            yield await self.items.get()

    async def __aenter__(self) -> Stream:
        self.task = asyncio.create_task(run_pump(self.pump, read(self.source)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.task.done():
            self.sink.resume()
            self.sink.leave()
            await self.task

    async def put(self, item: Any) -> None:
        before = len(self.sink.writes)
        self.items.put_nowait(item)
        await until(lambda: len(self.sink.writes) > before)


def test_a_silent_stream_is_kept_alive_also_before_its_first_item() -> None:
    # F3, E0
    async def main() -> None:
        async with Stream(keep_alive=15) as stream:
            await stream.clock.advance(14.9)
            assert stream.sink.head is None
            await stream.clock.advance(0.2)
            assert stream.sink.head is not None
            assert stream.sink.body == b": keep-alive\n"
            await stream.clock.advance(15)
            assert stream.sink.body == b": keep-alive\n" * 2
            assert stream.pump.stats.keep_alives == 2
            assert stream.pump.stats.events == 0

    asyncio.run(main())


def test_an_event_puts_the_keep_alive_off() -> None:
    # F3
    async def main() -> None:
        async with Stream(keep_alive=15) as stream:
            for _ in range(5):
                await stream.clock.advance(10)
                await stream.put("x")
            assert b"keep-alive" not in stream.sink.body
            await stream.clock.advance(14)
            assert b"keep-alive" not in stream.sink.body
            await stream.clock.advance(2)
            assert stream.sink.body.endswith(b"data: x\n\n: keep-alive\n")

    asyncio.run(main())


def test_a_stalled_reader_gets_no_keep_alives() -> None:
    # F3, F1
    async def main() -> None:
        async with Stream(keep_alive=1) as stream:
            stream.sink.stall()
            await stream.put("x")
            await stream.clock.advance(60)
            assert stream.sink.body == b"data: x\n\n"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("format", "keywords", "kept"),
    [
        ("sse", {}, b": keep-alive\n"),
        ("sse", {"keep_alive": None}, b""),
        ("ndjson", {}, b""),
        ("ndjson", {"keep_alive": 15}, b"\n"),
        ("text", {}, b""),
    ],
)
def test_the_formats_defaults(format: str, keywords: Any, kept: bytes) -> None:
    # F3
    async def main() -> None:
        async with Stream(format, **keywords) as stream:
            await stream.clock.advance(15.5)
            assert stream.sink.body == kept

    asyncio.run(main())


def test_retry_stands_behind_a_comment_or_in_the_first_event() -> None:
    # W7
    async def main() -> None:
        async with Stream(keep_alive=1, retry=5) as stream:
            await stream.clock.advance(1)
            await stream.put("x")
            assert stream.sink.body == b": keep-alive\nretry: 5\ndata: x\n\n"
        async with Stream(retry=5) as stream:
            await stream.put("x")
            assert stream.sink.body == b"retry: 5\ndata: x\n\n"

    asyncio.run(main())


def test_commit_after_seconds() -> None:
    # E0
    async def main() -> None:
        async with Stream(commit=2) as stream:
            await stream.clock.advance(1.9)
            assert stream.sink.head is None
            await stream.clock.advance(0.2)
            assert stream.sink.body == b": open\n"

    asyncio.run(main())


def test_a_stream_that_takes_too_long_ends_with_a_504() -> None:
    # M8, E2
    async def main() -> None:
        async with Stream(timeout=10, done=None) as stream:
            await stream.put("x")
            await stream.clock.advance(10)
            assert await stream.task is Ending.TIMEOUT
            assert b'event: error\ndata: {"errors":[{"status":504' in stream.sink.body
        async with Stream(timeout=10) as stream:
            await stream.clock.advance(10)
            with pytest.raises(HttpError) as caught:
                await stream.task
            assert caught.value.status == 504

    asyncio.run(main())


def test_idle_is_counted_from_the_last_item_not_the_last_keep_alive() -> None:
    # M8
    async def main() -> None:
        async with Stream(idle_timeout=10, keep_alive=3) as stream:
            await stream.clock.advance(8)
            await stream.put("x")
            await stream.clock.advance(8)
            await stream.put("x")
            await stream.clock.advance(9.9)
            assert not stream.task.done()
            await stream.clock.advance(0.2)
            assert await stream.task is Ending.TIMEOUT

    asyncio.run(main())


def test_drain_lets_a_stream_finish_within_the_grace() -> None:
    # F8
    async def main() -> None:
        async with Stream(on_shutdown="drain") as stream:
            await stream.put("x")
            stream.pump.shut_down()
            await stream.clock.advance(1.9)
            await stream.put("y")
            assert not stream.task.done()
            await stream.clock.advance(0.2)
            assert await stream.task is Ending.SHUTDOWN
            assert stream.sink.body.startswith(b"data: x\n\ndata: y\n\n: shutdown\n")

    asyncio.run(main())


def test_a_machine_that_stood_still_leaves_time_for_the_last_words() -> None:
    # F8: all that fell due meanwhile runs in one turn of the loop
    async def main() -> None:
        async with Stream(on_shutdown="drain") as stream:
            await stream.put("x")
            stream.pump.shut_down()
            before, stream.clock._now = stream.clock.pending, 10.0
            for timer in before:
                timer.run()
                timer.cancel()
            assert await stream.task is Ending.SHUTDOWN
            assert stream.sink.body.startswith(b"data: x\n\n: shutdown\n")
            assert stream.sink.is_complete

    asyncio.run(main())


@pytest.mark.parametrize("on_shutdown", ["end", "drain"])
def test_a_reader_that_takes_nothing_cannot_hold_up_the_shutdown(on_shutdown: str) -> None:
    # F8
    async def main() -> None:
        async with Stream(on_shutdown=on_shutdown) as stream:
            stream.sink.stall()
            await stream.put("x")
            stream.pump.shut_down()
            await stream.clock.advance(3)
            assert await stream.task is Ending.SHUTDOWN
            assert not stream.sink.is_complete
            assert not asyncio.current_task().cancelling()  # type: ignore[union-attr]

    asyncio.run(main())


def test_a_busy_stream_arms_one_timer() -> None:
    # F3: lazily re-armed
    async def main() -> None:
        async with Stream(keep_alive=15) as stream:
            for _ in range(100):
                await stream.put("x")
            assert len(stream.clock.pending) == 1

    asyncio.run(main())


def test_no_timer_is_left_behind() -> None:
    # F4
    async def main() -> None:
        keywords: Any = {"keep_alive": 1, "timeout": 5, "idle_timeout": 5, "commit": 3}
        async with Stream(**keywords) as stream:
            assert len(stream.clock.pending) == 4
        assert len(stream.clock.pending) == 0
        assert isinstance(stream.pump.head, Head)

    asyncio.run(main())
