"""What a stream can be made of, and that it is closed whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import Any

import pytest

from penstock.core.ending import Ending
from penstock.core.source import discard, open_source
from penstock.core.threads import MAX_THREADS
from penstock.errors import HttpError

from .sinks import ListSink, make_pump, read, run_pump, until


async def numbers() -> AsyncIterator[int]:
    for number in range(3):
        yield number


def plain() -> Iterator[int]:
    yield from range(3)


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@contextlib.asynccontextmanager
async def managed(value: Any) -> AsyncIterator[Any]:
    yield value


@contextlib.contextmanager
def managed_sync(value: Any) -> Iterator[Any]:
    yield value


class Both:
    """An SDK's stream: async iterable and its own context manager."""

    def __init__(self) -> None:
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[int]:
        return numbers()

    async def __aenter__(self) -> Both:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed += 1


SOURCES: dict[str, Any] = {
    "async generator": lambda: numbers(),
    "async generator function": lambda: numbers,
    "generator": lambda: plain(),
    "generator function": lambda: plain,
    "list": lambda: [0, 1, 2],
    "tuple": lambda: (0, 1, 2),
    "range": lambda: range(3),
    "coroutine of an async generator": lambda: later(numbers()),
    "function that returns a coroutine": lambda: lambda: later(plain()),
    "async context manager": lambda: managed(numbers()),
    "sync context manager": lambda: managed_sync(plain()),
    "coroutine of a context manager": lambda: later(managed(later([0, 1, 2]))),
    "both": Both,
    "set": lambda: {0, 1, 2},
    "dict view": lambda: {0: 1, 1: 2, 2: 3}.keys(),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_every_kind_of_source_is_read(make: Any) -> None:
    # F10, C1: an iterable, an awaitable, a context manager, a callable of one
    async def main() -> None:
        async with AsyncExitStack() as stack:
            assert [item async for item in await open_source(make(), stack)] == [0, 1, 2]

    asyncio.run(main())


def test_a_task_is_awaited_not_iterated() -> None:
    async def main() -> None:
        task = asyncio.create_task(later([0, 1]))
        async with AsyncExitStack() as stack:
            assert [item async for item in await open_source(task, stack)] == [0, 1]

    asyncio.run(main())


@pytest.mark.parametrize("source", ["text", b"bytes", {"a": 1}, 7, None, int, ...], ids=repr)
def test_what_can_never_be_a_source_is_refused_at_once(source: Any) -> None:
    # M7
    with pytest.raises(TypeError, match="a source is"):
        read(source)


@pytest.mark.parametrize("made", ["text", {"a": 1}, 7], ids=repr)
def test_a_callable_of_no_source_is_refused_when_it_is_opened(made: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="a source is"):
            await run_pump(make_pump(ListSink()), read(lambda: made))

    asyncio.run(main())


def test_an_sdks_stream_is_closed_once() -> None:
    # F4
    async def main() -> None:
        both = Both()
        await run_pump(make_pump(ListSink(), "ndjson"), read(both))
        assert both.closed == 1

    asyncio.run(main())


def test_discard_closes_what_was_never_opened() -> None:
    # F5, H6
    async def main() -> None:
        class Opened:
            closed = 0

            async def aclose(self) -> None:
                self.closed += 1

            def __aiter__(self) -> AsyncIterator[int]:
                return numbers()

        opened = Opened()
        await discard(opened)
        assert opened.closed == 1
        await discard(later(1))  # no "never awaited" warning: warnings are errors here
        await discard(numbers)
        await discard([1])

    asyncio.run(main())


def test_a_source_that_yields_while_being_closed_is_closed_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # F4
    log: list[str] = []

    async def stubborn() -> AsyncIterator[str]:
        try:
            yield "a"
            await asyncio.Event().wait()
        except (GeneratorExit, asyncio.CancelledError):
            log.append("asked")
            yield "once more"
        finally:
            log.append("closed")

    async def main() -> None:
        sink = ListSink()
        task = asyncio.create_task(run_pump(make_pump(sink), read(stubborn)))
        await until(lambda: sink.writes)
        sink.leave()
        await task

    asyncio.run(main())
    assert log == ["asked", "closed"]


# --- sync sources


def test_a_sync_source_lives_in_one_thread_with_our_context() -> None:
    # F10, M1
    variable: ContextVar[str] = ContextVar("variable")
    threads: set[int] = set()

    def source() -> Iterator[str]:
        try:
            for _ in range(100):
                threads.add(threading.get_ident())
                yield variable.get()
        finally:
            threads.add(threading.get_ident())

    async def main() -> None:
        variable.set("x")
        sink = ListSink()
        assert await run_pump(make_pump(sink), read(source)) is Ending.COMPLETED
        assert sink.body == b"x" * 100

    asyncio.run(main())
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_a_sync_source_does_not_block_the_loop_and_is_closed() -> None:
    # F10
    closed, go = threading.Event(), threading.Event()

    def source() -> Iterator[str]:
        try:
            yield "first"
            go.wait(10)
            while True:
                yield "x" * 1000
        finally:
            closed.set()

    async def main() -> None:
        sink = ListSink()
        task = asyncio.create_task(run_pump(make_pump(sink), read(source)))
        await until(lambda: sink.writes)  # while the thread is blocked
        go.set()
        await until(lambda: len(sink.writes) > 3)
        sink.leave()
        assert await task is Ending.DISCONNECTED
        assert closed.is_set()

    asyncio.run(main())


def test_a_thread_that_is_blocked_is_left_and_closes_when_it_returns() -> None:
    # F10
    closed, go = threading.Event(), threading.Event()

    def source() -> Iterator[str]:
        try:
            yield "first"
            go.wait(10)
            yield "second"
        finally:
            closed.set()

    async def main() -> None:
        sink = ListSink()
        pump = make_pump(sink, cleanup_timeout=0.02)
        task = asyncio.create_task(run_pump(pump, read(source)))
        await until(lambda: sink.writes)
        sink.leave()
        assert await task is Ending.DISCONNECTED
        assert not closed.is_set()
        go.set()
        await until(closed.is_set)

    asyncio.run(main())


def test_errors_of_a_sync_source_arrive() -> None:
    # E2, E1
    def source() -> Iterator[str]:
        yield "a"
        raise ValueError("mine")

    def at_once() -> Iterator[str]:
        raise LookupError("mine")
        yield ""

    async def main() -> None:
        sink = ListSink()
        assert await run_pump(make_pump(sink, "sse"), read(source)) is Ending.ERROR
        assert b"event: error" in sink.body
        with pytest.raises(LookupError):
            await run_pump(make_pump(ListSink()), read(at_once))

    asyncio.run(main())


def test_the_65th_blocking_source_is_refused() -> None:
    # F10
    go = threading.Event()

    def source() -> Iterator[str]:
        yield "x"
        go.wait(10)

    async def main() -> None:
        sinks = [ListSink() for _ in range(MAX_THREADS)]
        tasks = [asyncio.create_task(run_pump(make_pump(sink), read(source))) for sink in sinks]
        await until(lambda: all(sink.writes for sink in sinks))
        with pytest.raises(HttpError) as caught:
            await run_pump(make_pump(ListSink()), read(source))
        assert caught.value.status == 503
        go.set()
        assert await asyncio.gather(*tasks) == [Ending.COMPLETED] * MAX_THREADS
        await run_pump(make_pump(ListSink()), read(source))  # there is room again

    asyncio.run(main())


def test_a_slow_reader_stops_the_thread() -> None:
    # F1, F10
    made = 0

    def source() -> Iterator[str]:
        nonlocal made
        while made < 10_000:
            made += 1
            yield "x" * 1000

    async def main() -> None:
        sink = ListSink()
        sink.stall()
        pump = make_pump(sink)
        task = asyncio.create_task(run_pump(pump, read(source)))
        await until(lambda: pump.outbox.is_full)
        before = made
        await asyncio.sleep(0.02)
        assert made <= before + 20 < 200
        sink.leave()
        sink.resume()
        await task

    asyncio.run(main())


def test_stop_async_iteration_of_a_sync_source_is_no_end() -> None:
    # E2, E7: it must not pass for a finished answer
    def broken() -> Iterator[str]:
        yield "a"
        raise StopAsyncIteration

    async def main() -> None:
        sink = ListSink()
        assert await run_pump(make_pump(sink, "ndjson"), read(broken)) is Ending.ERROR
        assert sink.body.startswith(b'"a"\n{"error"')

    asyncio.run(main())
