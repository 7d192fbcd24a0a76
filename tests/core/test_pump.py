"""The pump: what it writes, when, and how each stream ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import weakref
from collections.abc import AsyncIterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from penstock.core.ending import Ending
from penstock.core.head import Head
from penstock.core.outbox import MAX_BYTES, MAX_EVENTS
from penstock.errors import (
    BodyNotAllowed,
    ClientDisconnected,
    HeadAlreadySent,
    HttpError,
    Overflow,
    StreamClosed,
)
from penstock.event import Event

from .sinks import ListSink, make_pump, read, run_pump, until, write


async def three() -> AsyncIterator[str]:
    for letter in "abc":
        yield letter


async def for_ever(log: list[str]) -> AsyncIterator[str]:
    """Yields once, then is silent; logs how it is ended."""
    try:
        yield "x"
        log.append("waiting")
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        log.append("cancelled")
        raise
    finally:
        await asyncio.sleep(0)
        log.append("cleaned up")


async def count(turns: list[None]) -> None:
    """Add to ``turns`` at each turn of the loop."""
    while True:
        turns.append(None)
        await asyncio.sleep(0)


def run(main: Any) -> None:
    asyncio.run(main())


# --- flow


def test_events_ready_in_one_turn_leave_in_one_write() -> None:
    # F2: the first leaves by itself, so that its byte is never late
    async def main() -> None:
        sink = ListSink()
        assert await run_pump(make_pump(sink), read(three)) is Ending.COMPLETED
        assert sink.writes == [b"a", b"bc"]
        assert sink.is_complete

    run(main)


def test_an_event_leaves_before_the_next_is_made() -> None:
    # F2
    async def main() -> None:
        sink = ListSink()
        seen: list[bytes] = []

        async def source() -> AsyncIterator[str]:
            for letter in "abc":
                yield letter
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                seen.append(sink.body)

        await run_pump(make_pump(sink), read(source))
        assert seen == [b"a", b"ab", b"abc"]

    run(main)


def test_a_source_that_never_awaits_lets_others_run() -> None:
    # F2
    async def main() -> None:
        sink = ListSink()
        turns: list[None] = []

        async def source() -> AsyncIterator[str]:
            for _ in range(640):
                yield "x"

        task = asyncio.create_task(count(turns))
        await run_pump(make_pump(sink), read(source))
        task.cancel()
        assert len(turns) >= 10
        assert len(sink.writes[0]) == 1

    run(main)


def test_an_item_that_fills_the_outbox_takes_one_turn_of_the_loop() -> None:
    # F1, F2
    async def main() -> None:
        turns: list[None] = []

        async def source() -> AsyncIterator[str]:
            for _ in range(100):
                yield "x" * MAX_BYTES

        sink = ListSink()
        task = asyncio.create_task(count(turns))
        await run_pump(make_pump(sink), read(source))
        task.cancel()
        assert len(sink.writes) == 101  # the last one is the end
        assert len(turns) < 110

    run(main)


@pytest.mark.parametrize(
    ("item", "held"), [("x", MAX_EVENTS), ("y" * 1000, MAX_BYTES // 1000 + 1)], ids=["many", "big"]
)
def test_a_stalled_reader_stops_the_producer(item: str, held: int) -> None:
    # F1
    async def main() -> None:
        sink, made = ListSink(), 0
        sink.stall()

        async def source() -> AsyncIterator[str]:
            nonlocal made
            while made < 100_000:
                made += 1
                yield item

        pump = make_pump(sink)
        task = asyncio.create_task(run_pump(pump, read(source)))
        await until(lambda: pump.outbox.is_full)
        for _ in range(100):
            await asyncio.sleep(0)
        assert made <= held + 1
        sink.resume()
        await until(lambda: made > 10 * held)
        sink.leave()
        assert await task is Ending.DISCONNECTED

    run(main)


def test_calls_past_the_bound_that_nobody_awaits_overflow() -> None:
    # F13, F1
    async def main() -> None:
        sink = ListSink()
        sink.stall()
        written = 0

        async def careless(emit: Any) -> None:
            nonlocal written
            with pytest.raises(Overflow, match="await what"):
                while True:
                    emit("x")
                    written += 1
            sink.resume()

        assert await run_pump(make_pump(sink), write(careless)) is Ending.COMPLETED
        assert written == MAX_EVENTS == len(sink.body)

    run(main)


def test_writers_that_wait_do_not_overflow_each_other() -> None:
    # F13
    async def main() -> None:
        sink = ListSink()
        sink.stall()

        async def crowd(emit: Any) -> None:
            async def one() -> None:
                for _ in range(200):
                    await emit("x")

            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(one())

        pump = make_pump(sink)
        task = asyncio.create_task(run_pump(pump, write(crowd)))
        await until(lambda: pump.outbox.is_full)
        sink.resume()
        assert await task is Ending.COMPLETED
        assert len(sink.body) == 20 * 200

    run(main)


def test_a_forgotten_await_loses_nothing() -> None:
    # F13
    async def main() -> None:
        sink = ListSink()

        def produce(emit: Any) -> None:
            emit("a")
            emit(Event("b"))

        await run_pump(make_pump(sink, "sse"), write(produce))
        assert sink.body.startswith(b"data: a\n\ndata: b\n\n")

    run(main)


def test_emit_takes_all_fields_of_an_event() -> None:
    # F13, W6
    async def main() -> None:
        sink = ListSink()

        async def produce(emit: Any) -> None:
            await emit({"type": "tick"})
            await emit("x", "named", 7, retry=5, comment="c")
            await emit(event="done")

        pump = make_pump(sink, "sse", done=None)
        await run_pump(pump, write(produce))
        assert sink.body == (
            b'event: tick\ndata: {"type":"tick"}\n\n'
            b": c\nevent: named\nid: 7\nretry: 5\ndata: x\n\n"
            b"event: done\ndata: null\n\n"
        )

    run(main)


# --- the commit


def test_the_head_waits_for_the_first_item() -> None:
    # E0, H4
    async def main() -> None:
        sink, go = ListSink(), asyncio.Event()
        pump = make_pump(sink)

        async def source() -> AsyncIterator[str]:
            await go.wait()
            pump.head.status = 201
            yield "x"
            with pytest.raises(HeadAlreadySent):
                pump.head.status = 202

        task = asyncio.create_task(run_pump(pump, read(source)))
        await asyncio.sleep(0.01)
        assert sink.head is None
        go.set()
        await task
        assert sink.head is not None
        assert sink.head.status == 201

    run(main)


def test_an_empty_source_sends_its_head() -> None:
    # E0
    async def main() -> None:
        sink = ListSink()
        assert await run_pump(make_pump(sink), read([])) is Ending.COMPLETED
        assert sink.head is not None
        assert (sink.body, sink.is_complete) == (b"", True)

    run(main)


def test_commit_start_writes_a_comment_before_the_first_item() -> None:
    # E0, W7
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]

        async def silent() -> AsyncIterator[str]:
            await asyncio.Event().wait()
            yield ""

        pump = make_pump(sink, "sse", commit="start", retry=50)
        task = asyncio.create_task(run_pump(pump, read(silent)))
        await until(lambda: sink.writes)
        assert sink.body == b": open\nretry: 50\n"
        sink.leave()
        assert await task is Ending.DISCONNECTED
        assert log == []

    run(main)


def test_an_item_under_a_status_without_body_is_refused() -> None:
    # H7
    async def main() -> None:
        sink = ListSink()
        pump = make_pump(sink)

        async def source() -> AsyncIterator[str]:
            pump.head.status = 204
            yield "x"

        with pytest.raises(BodyNotAllowed):
            await run_pump(pump, read(source))
        assert sink.head is None

    run(main)


# --- errors


@pytest.mark.parametrize("error", [HttpError(404), ValueError("x"), OSError("x"), TimeoutError()])
def test_an_error_before_the_commit_is_the_hosts(error: Exception) -> None:
    # E1, E7
    async def main() -> None:
        sink = ListSink()

        async def source() -> AsyncIterator[str]:
            raise error
            yield ""

        pump = make_pump(sink)
        with pytest.raises(type(error)) as caught:
            await run_pump(pump, read(source))
        assert caught.value is error
        assert sink.head is None
        assert pump.ending is Ending.ERROR

    run(main)


def test_an_error_after_the_commit_is_one_event(caplog: pytest.LogCaptureFixture) -> None:
    # E2, E3
    async def main() -> None:
        sink = ListSink()

        async def source() -> AsyncIterator[str]:
            yield "a"
            raise OSError("database password is hunter2")

        pump = make_pump(sink, "sse")
        assert await run_pump(pump, read(source)) is Ending.ERROR
        assert sink.body.startswith(b"data: a\n\nevent: error\nid: ~end\ndata: {")
        assert sink.body.count(b"event: error") == 1
        assert b"hunter2" not in sink.body
        assert b"event: done" not in sink.body
        assert sink.is_complete

    run(main)
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is not None


def test_an_error_in_plain_text_cuts_the_body() -> None:
    # E2
    async def main() -> None:
        sink = ListSink()

        async def source() -> AsyncIterator[str]:
            yield "a"
            yield "b"
            raise ValueError

        assert await run_pump(make_pump(sink), read(source)) is Ending.ERROR
        assert sink.body == b"ab"
        assert not sink.is_complete

    run(main)


def test_throw_after_the_commit_writes_no_event_and_raises() -> None:
    # E5
    async def main() -> None:
        sink = ListSink()

        async def source() -> AsyncIterator[str]:
            yield "a"
            raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            await run_pump(make_pump(sink, "sse", throw=True), read(source))
        assert sink.body == b"data: a\n\n"
        assert not sink.is_complete

    run(main)


def test_an_item_that_cannot_be_written_is_an_error_of_the_stream() -> None:
    # W10, W16
    async def main() -> None:
        sink = ListSink()
        assert await run_pump(make_pump(sink, "ndjson"), read([{"a": 1}, {"a": object()}]))
        assert sink.body.startswith(b'{"a":1}\n{"error":')
        assert b"object" not in sink.body
        with pytest.raises(TypeError, match="text format does not write dict"):
            await run_pump(make_pump(ListSink()), read([{"a": 1}]))

    run(main)


def test_a_sources_own_cancelled_error_is_an_error() -> None:
    # E7
    async def main() -> None:
        sink = ListSink()

        async def source() -> AsyncIterator[str]:
            yield "a"
            raise asyncio.CancelledError

        assert await run_pump(make_pump(sink, "sse"), read(source)) is Ending.ERROR
        assert b"event: error" in sink.body

    run(main)


# --- leaving


def test_a_reader_that_leaves_cancels_a_silent_producer() -> None:
    # F4
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]
        task = asyncio.create_task(run_pump(make_pump(sink), read(lambda: for_ever(log))))
        await until(lambda: "waiting" in log)
        log.clear()
        sink.leave()
        assert await task is Ending.DISCONNECTED
        assert log == ["cancelled", "cleaned up"]
        assert len(asyncio.all_tasks()) == 1

    run(main)


def test_a_reader_that_leaves_closes_a_parked_producer() -> None:
    # F4: parked at its yield it sees GeneratorExit
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]
        sink.stall()

        async def source() -> AsyncIterator[str]:
            try:
                while True:
                    yield "x" * 1000
            except GeneratorExit:
                log.append("closed")
                raise
            finally:
                await asyncio.sleep(0)
                log.append("cleaned up")

        pump = make_pump(sink)
        task = asyncio.create_task(run_pump(pump, read(source)))
        await until(lambda: pump.outbox.is_full)
        sink.leave()
        sink.resume()  # as a server does whose reader is gone
        assert await task is Ending.DISCONNECTED
        assert log == ["closed", "cleaned up"]

    run(main)


def test_a_request_that_is_gone_starts_nothing() -> None:
    # F5
    async def main() -> None:
        class Gone(ListSink):
            def watch(self, left: Any) -> None:
                asyncio.get_running_loop().call_soon(left)

        started: list[str] = []

        async def source() -> AsyncIterator[str]:
            started.append("x")
            yield "x"

        class Opened:
            closed = False

            def __aiter__(self) -> AsyncIterator[str]:
                return three()

            async def aclose(self) -> None:
                self.closed = True

        sink, opened = Gone(), Opened()
        assert await run_pump(make_pump(sink), read(source)) is Ending.DISCONNECTED
        assert await run_pump(make_pump(Gone()), read(opened)) is Ending.DISCONNECTED
        assert (sink.head, started, opened.closed) == (None, [], True)

    run(main)


def test_a_source_that_swallows_the_cancel_is_closed_at_its_next_item() -> None:
    # F4
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]

        async def stubborn() -> AsyncIterator[str]:
            try:
                while True:
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.sleep(3600 if log else 0)
                    log.append("x")
                    yield "x"
                    if len(log) == 1:
                        log.append("second")
            finally:
                log.append("closed")

        task = asyncio.create_task(run_pump(make_pump(sink), read(stubborn)))
        await until(lambda: log[-1:] == ["second"])
        sink.leave()
        await task
        assert log[-1] == "closed"

    run(main)


def test_cleanup_runs_to_its_end_when_the_host_is_cancelled_again_and_again() -> None:
    # F4: what an anyio cancel scope does to the task it holds
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]

        async def source() -> AsyncIterator[str]:
            try:
                yield "x"
                await asyncio.Event().wait()
            finally:
                for step in range(5):
                    await asyncio.sleep(0.001)
                    log.append(f"step {step}")

        task = asyncio.create_task(run_pump(make_pump(sink, "sse"), read(source)))
        await until(lambda: sink.writes)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert log == [f"step {step}" for step in range(5)]

    run(main)


def test_a_cancelled_host_counts_as_shutdown_and_gets_the_last_words() -> None:
    # F8: hypercorn's default mode
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]
        pump = make_pump(sink, "sse")
        task = asyncio.create_task(run_pump(pump, read(lambda: for_ever(log))))
        await until(lambda: "waiting" in log)
        log.clear()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pump.ending is Ending.SHUTDOWN
        assert sink.writes[-1].startswith(b": ")
        assert b"retry: " in sink.writes[-1]
        assert log == ["cancelled", "cleaned up"]

    run(main)


def test_cleanup_that_never_ends_is_logged_and_left(caplog: pytest.LogCaptureFixture) -> None:
    # F4
    async def main() -> None:
        sink, done = ListSink(), asyncio.Event()

        async def source() -> AsyncIterator[str]:
            try:
                yield "x"
                await asyncio.Event().wait()
            finally:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                done.set()

        pump = make_pump(sink, cleanup_timeout=0.01)
        task = asyncio.create_task(run_pump(pump, read(source)))
        await until(lambda: sink.writes)
        sink.leave()
        assert await task is Ending.DISCONNECTED
        gc.collect()  # a task that nobody held would be lost here
        await asyncio.wait_for(done.wait(), 5)

    run(main)
    assert "did not finish within 0.01 s" in caplog.text


@pytest.mark.parametrize("is_generator", [True, False])
def test_an_idle_stream_holds_neither_its_last_item_nor_its_bytes(is_generator: bool) -> None:
    # F1: a big event to many readers would stay as often as there are readers
    class Text(str):
        """An item that can be watched."""

    made: list[weakref.ref[Text]] = []

    async def generator() -> AsyncIterator[Text]:
        for word in ("one", "two"):
            item = Text(word)
            made.append(weakref.ref(item))
            yield item
            del item
        await asyncio.Event().wait()

    class Iterable:
        def __aiter__(self) -> AsyncIterator[Text]:
            return self._words.__aiter__()

        _words = generator()

    async def main() -> None:
        sink = ListSink()
        source = generator if is_generator else Iterable()
        task = asyncio.create_task(run_pump(make_pump(sink), read(source)))
        await until(lambda: sink.body == b"onetwo")
        await until(lambda: not any(item() for item in made), "the items were let go")
        # The list's, and the argument's.
        await until(lambda: sys.getrefcount(sink.writes[-1]) <= 2, "the bytes were let go")
        sink.leave()
        assert await task is Ending.DISCONNECTED

    run(main)


def test_an_error_in_cleanup_is_logged_and_alters_nothing(caplog: pytest.LogCaptureFixture) -> None:
    # F4, E3
    async def main() -> None:
        sink = ListSink()

        async def source() -> AsyncIterator[str]:
            try:
                yield "x"
                await asyncio.Event().wait()
            finally:
                raise ValueError("in cleanup")

        task = asyncio.create_task(run_pump(make_pump(sink), read(source)))
        await until(lambda: sink.writes)
        sink.leave()
        assert await task is Ending.DISCONNECTED

    run(main)
    assert "cleanup failed" in caplog.text


def test_a_leaving_reader_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    # F4
    caplog.set_level(logging.DEBUG)
    test_a_reader_that_leaves_cancels_a_silent_producer()
    assert [record for record in caplog.records if record.name == "penstock"] == []


def test_a_sink_that_finds_the_reader_gone_ends_the_stream() -> None:
    # F4, E7: only the sink's own word counts
    async def main() -> None:
        class Broken(ListSink):
            async def write(self, data: bytes, more: bool) -> None:
                raise ClientDisconnected("gone")

        log: list[str] = []
        assert await run_pump(make_pump(Broken()), read(lambda: for_ever(log))) is (
            Ending.DISCONNECTED
        )
        assert log[-1] == "cleaned up"

    run(main)


def test_writing_after_the_end_raises_in_the_writer() -> None:
    # F6
    async def main() -> None:
        sink, kept = ListSink(), []  # type: tuple[ListSink, list[Any]]

        async def produce(emit: Any) -> None:
            kept.append(emit)
            await emit("x")

        await run_pump(make_pump(sink), write(produce))
        with pytest.raises(StreamClosed):
            kept[0]("y")

    run(main)


# --- other ends


@pytest.mark.parametrize(
    ("format", "words", "complete"),
    [
        ("sse", b": shutdown\nretry: ", True),
        ("ndjson", b'{"error":{"errors":[{"status":503', True),
        ("text", b"", False),
    ],
)
def test_shutdown_says_last_words(format: str, words: bytes, complete: bool) -> None:
    # F8
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]
        pump = make_pump(sink, format)
        task = asyncio.create_task(run_pump(pump, read(lambda: for_ever(log))))
        await until(lambda: "waiting" in log)
        log.clear()
        pump.shut_down()
        assert await task is Ending.SHUTDOWN
        assert b"".join(sink.writes[1:]).startswith(words)
        assert sink.is_complete == complete
        assert log == ["cancelled", "cleaned up"]

    run(main)


@pytest.mark.parametrize(("format", "commits"), [("sse", True), ("ndjson", False)])
def test_shutdown_before_the_commit(format: str, commits: bool) -> None:
    # F8: an EventSource that got a 503 would never come back
    async def main() -> None:
        sink = ListSink()

        async def silent() -> AsyncIterator[str]:
            await asyncio.Event().wait()
            yield ""

        pump = make_pump(sink, format)
        task = asyncio.create_task(run_pump(pump, read(silent)))
        await asyncio.sleep(0.001)
        pump.shut_down()
        if commits:
            assert await task is Ending.SHUTDOWN
            assert b"retry: " in sink.body
        else:
            with pytest.raises(HttpError) as caught:
                await task
            assert caught.value.status == 503

    run(main)


def test_stop_twice_is_harmless_and_the_first_word_wins() -> None:
    # F6
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]
        pump = make_pump(sink, "sse")
        task = asyncio.create_task(run_pump(pump, read(lambda: for_ever(log))))
        await until(lambda: "waiting" in log)
        log.clear()
        pump.stop(Ending.STOPPED)
        pump.stop(Ending.TIMEOUT)
        assert await task is Ending.STOPPED
        assert sink.is_complete

    run(main)


@pytest.mark.parametrize("ending", [Ending.DEADLINE, Ending.TIMEOUT])
def test_a_deadline_is_a_504_event(ending: Ending) -> None:
    # E2
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]
        pump = make_pump(sink, "sse")
        task = asyncio.create_task(run_pump(pump, read(lambda: for_ever(log))))
        await until(lambda: "waiting" in log)
        log.clear()
        pump.stop(ending)
        assert await task is ending
        assert b'"status":504' in sink.body

    run(main)


# --- what the producer sees


variable: ContextVar[str] = ContextVar("variable")


def test_the_producer_sees_the_contexts_variables_and_leaks_none() -> None:
    # M1
    async def main() -> None:
        sink = ListSink()
        variable.set("outer")
        context = copy_context()
        variable.set("later")

        async def source() -> AsyncIterator[str]:
            yield variable.get()
            variable.set("inner")
            yield variable.get()

        await make_pump(sink).run(read(source), context)
        assert sink.body == b"outerinner"
        assert variable.get() == "later"

    run(main)


def test_around_is_entered_before_the_first_item_and_left_after_the_last_byte() -> None:
    # M1
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]

        @contextlib.asynccontextmanager
        async def around() -> AsyncIterator[None]:
            log.append(f"in {asyncio.current_task().get_name()}")  # type: ignore[union-attr]
            try:
                yield
            finally:
                log.append(f"out after {sink.body!r}")

        async def source() -> AsyncIterator[str]:
            asyncio.current_task().set_name("producer")  # type: ignore[union-attr]
            yield "a"
            yield "b"

        await run_pump(make_pump(sink, around=[around()]), read(source))
        assert log[-1] == "out after b'ab'"

        log.clear()
        failing = make_pump(ListSink(), "sse", around=[around()])

        async def fails() -> AsyncIterator[str]:
            yield "a"
            raise ValueError

        assert await run_pump(failing, read(fails)) is Ending.ERROR
        assert len(log) == 2

    run(main)


def test_stats_count_items_and_bytes() -> None:
    # M8: what the access log says
    async def main() -> None:
        sink = ListSink()
        pump = make_pump(sink, "sse", commit="start")
        await run_pump(pump, read(three))
        assert pump.stats.events == 3
        assert pump.stats.bytes == len(sink.body)
        assert pump.stats.first_byte is not None

    run(main)


def test_an_unsent_head_is_not_committed_by_a_failing_first_item() -> None:
    # E1, W10
    async def main() -> None:
        head = Head()
        sink = ListSink()
        pump = make_pump(sink, "sse")
        with pytest.raises(TypeError):
            await run_pump(pump, read([b"bytes"]))
        assert not pump.head.is_committed
        assert not head.is_committed

    run(main)


@pytest.mark.parametrize(
    "factory",
    [None, *filter(None, [getattr(asyncio, "eager_task_factory", None)])],  # eager: from 3.12 on
    ids=["tasks", "eager tasks"][: 1 + hasattr(asyncio, "eager_task_factory")],
)
def test_gone_before_the_first_step(factory: Any) -> None:
    # F5
    class Gone(ListSink):
        def watch(self, left: Any) -> None:
            left()

    log: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        sink = Gone()
        pump = make_pump(sink)
        assert await run_pump(pump, read(for_ever(log))) is Ending.DISCONNECTED
        assert (sink.head, log) == (None, [])

    asyncio.run(main())


def test_a_reader_that_leaves_before_the_last_byte_lets_what_is_around_go() -> None:
    # M1, F4: what waits for the last byte to be written must not wait for a reader that is gone
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[str]]
        sink.stall()

        @contextlib.asynccontextmanager
        async def around() -> AsyncIterator[None]:
            try:
                yield
            finally:
                log.append("out")

        pump = make_pump(sink, around=[around()], cleanup_timeout=30)
        task = asyncio.create_task(run_pump(pump, read(three)))
        await until(lambda: pump.ending is Ending.COMPLETED)
        sink.leave()
        assert await asyncio.wait_for(task, 5) is Ending.DISCONNECTED
        assert log == ["out"]

    run(main)
