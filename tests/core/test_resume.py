"""Resumable answers in one process, over a log in memory and one in a file."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from penstock import (
    AlreadyRunning,
    Context,
    Ending,
    Event,
    HttpError,
    InvalidOption,
    Resumable,
    SseDecoder,
    Stream,
    endpoint,
    shutdown,
)
from penstock.chunk import Done, Reasoning, Text, Usage
from penstock.core.log import EventLog
from penstock.logs import MemoryLog, SqliteLog
from penstock.starlette import StreamResponse
from penstock.testing import FakeClock, open_stream
from tests.support.process import in_some_tries

LOGS = ("memory", "sqlite")


@pytest.fixture(params=LOGS)
def make_log(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    @asynccontextmanager
    async def make() -> AsyncIterator[EventLog]:
        log: EventLog = MemoryLog() if request.param == "memory" else SqliteLog(tmp_path / "l.db")
        try:
            yield log
        finally:
            await log.aclose()

    return make


async def items(source: Any) -> list[Any]:
    async with asyncio.timeout(20):
        return [item async for item in source]


async def body_of(source: Any, format: Any = "sse", **options: Any) -> bytes:
    async with asyncio.timeout(20):
        return await Stream(source, format, **options).to_bytes()


def events_of(body: bytes) -> list[Any]:
    return list(SseDecoder().feed(body))


def streaming(follow: Any) -> Any:
    """Return an endpoint that streams ``follow(cursor)``."""

    async def answer(ctx: Context) -> Any:
        return ctx.sse(follow(ctx.last_event_id))

    return endpoint().get(answer)


class Gate:
    """A source that yields its items as it is told to."""

    def __init__(self, count: int = 5) -> None:
        self.count, self.open, self.ended = count, asyncio.Event(), ""
        self.waits = asyncio.Event()

    async def __call__(self) -> AsyncGenerator[Any]:
        try:
            for number in range(self.count):
                if number == self.count // 2:
                    self.waits.set()
                    await self.open.wait()
                yield f"part {number} "
            self.ended = "completed"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise


def text_of(count: int) -> list[str]:
    return [f"part {number} " for number in range(count)]


async def test_an_answer_is_replayed_then_followed(make_log: Any) -> None:  # S7
    async with make_log() as log:
        answers, gate = Resumable(log), Gate()
        run = await answers.start("chat", lambda: gate())
        assert (run.key, run.number, run.is_owner) == ("chat", 1, True)
        early, late = answers.follow("chat"), answers.follow("chat")
        reading = asyncio.create_task(items(early))
        await asyncio.sleep(0.05)
        gate.open.set()
        assert await reading == await items(late) == text_of(5)
        assert await run.wait() is Ending.COMPLETED
        assert gate.ended == "completed"
        assert await items(run.follow()) == text_of(5)  # for as long as it is held


async def test_a_reader_that_leaves_does_not_stop_it_and_comes_back(make_log: Any) -> None:
    async with make_log() as log:
        answers, gate = Resumable(log), Gate(6)

        chat = streaming(lambda after: answers.follow("chat", after))
        run = await answers.start("chat", gate)
        async with open_stream(chat) as stream:  # S7, E0: the head leaves before there is anything
            got = [(await stream.next_event()) for _ in range(2)]
            await stream.disconnect()
        assert [event.data for event in got] == ["part 0 ", "part 1 "]
        gate.open.set()
        async with open_stream(chat, headers={"last-event-id": got[-1].id}) as stream:
            rest = [event async for event in stream]
        assert [event.data for event in rest] == ["part 2 ", "part 3 ", "part 4 ", "part 5 ", ""]
        assert (rest[-1].event, rest[-1].id) == ("done", "~end")
        assert await run.wait() is Ending.COMPLETED
        # It was cut before the end mark: it gets the rest, which is the end.
        body = await body_of(answers.follow("chat", after=rest[-2].id))
        assert [event.event for event in events_of(body)] == ["done"]


async def test_nothing_runs(make_log: Any) -> None:  # S8
    async with make_log() as log:
        answers, gate = Resumable(log), Gate()
        assert await answers.follow("chat") is None
        assert await items(answers.follow("chat")) == []
        assert await answers.running("chat") is None
        assert not await answers.stop("chat")
        run = await answers.start("chat", gate)
        assert await answers.follow("chat") is not None
        assert (await answers.running("chat")).id == run.id  # type: ignore[union-attr]  # it runs
        gate.open.set()
        await run.wait()
        while await answers.running("chat"):
            await asyncio.sleep(0.01)
        assert await answers.follow("chat") is None
        for cursor in (None, "", "~end", "41", "0" * 20 + "-000000000001"):
            app = streaming(lambda _, cursor=cursor: answers.follow("chat", cursor))
            async with open_stream(app) as stream:
                assert (stream.status, await stream.read()) == (204, b"")
                assert "content-type" not in stream.headers


ITEMS = [
    "text\nin lines",
    {"type": "tick", "n": 1, "x": None},
    [1, 2.5, "é\u2028"],
    Event({"a": 1}, event="tick", id="mine", retry=10, comment="note"),
    Event("", event="empty"),
    Event(comment="only"),
    None,
    7,
    Text("hi"),
    Reasoning("hm"),
    Done("stop", Usage(1, 2)),
]


async def test_every_kind_of_item_comes_back_as_it_was(make_log: Any) -> None:  # W9, W16
    async with make_log() as log:
        answers = Resumable(log)
        run = await answers.start("k", lambda: ITEMS)
        assert await items(run.follow()) == ITEMS
        body = await body_of(run.follow())
        plain = await body_of(ITEMS)
        got, expected = events_of(body), events_of(plain)
        assert [(e.event, e.data, e.retry) for e in got] == [
            (e.event, e.data, e.retry) for e in expected
        ]
        assert got[-1].id == "~end"
        ids = [event.id for event in got[:-1]]
        assert ids == sorted(ids)
        assert len(set(ids)) == len(ids)
        assert all(id.startswith(run.id) for id in ids)
        for format in ("ndjson",):
            assert await body_of(run.follow(), format) == await body_of(ITEMS, format)
        texts = await answers.start("t", lambda: ["a", b"b", Text("c")])
        assert await body_of(texts.follow(), "text") == b"abc"


async def test_a_cursor_of_another_run_is_told_and_begins_anew(make_log: Any) -> None:  # S5
    async with make_log() as log:
        answers = Resumable(log)
        first = await answers.start("k", lambda: ["old"])
        old = events_of(await body_of(first.follow()))[0].id
        await first.wait()
        second = await answers.start("k", lambda: ["new"])
        assert (second.number, second.is_owner) == (2, True)
        # It still gets what it came for, while that is held.
        assert [e.event for e in events_of(await body_of(answers.follow("k", old)))] == ["done"]
        await log.delete(f"k#{first.id}")
        events = events_of(await body_of(second.follow(after=old)))
        assert [event.event for event in events] == ["reset", "message", "done"]
        assert events[0].json() == {"reason": "unknown"}
        assert events[1].data == "new"


# --- starting


async def test_of_many_starts_at_once_one_wins_and_the_others_follow(make_log: Any) -> None:  # S7
    async with make_log() as log:
        several = [Resumable(log) for _ in range(5)]
        opened = []

        async def source(name: int) -> AsyncGenerator[str]:
            opened.append(name)
            await asyncio.sleep(0.05)
            yield f"by {name}"

        runs = await asyncio.gather(
            *(each.start("k", partial(source, n)) for n, each in enumerate(several))
        )
        assert sum(run.is_owner for run in runs) == 1
        assert len({run.id for run in runs}) == 1
        texts = [await items(run.follow()) for run in runs]
        assert len(opened) == 1
        assert texts == [[f"by {opened[0]}"]] * 5


async def test_a_second_start_is_refused_or_replaces(make_log: Any) -> None:  # S7
    async with make_log() as log:
        answers, gate = Resumable(log), Gate()
        first = await answers.start("k", gate)
        with pytest.raises(AlreadyRunning):
            await answers.start("k", gate, on_running="error")
        await gate.waits.wait()
        reading = asyncio.create_task(items(first.follow()))
        second = await Resumable(log).start("k", lambda: ["new"], on_running="replace")
        assert (second.number, second.is_owner) == (2, True)
        assert await reading == text_of(2)
        assert await first.wait() is Ending.STOPPED
        assert await items(second.follow()) == ["new"]
        while not gate.ended:
            await asyncio.sleep(0.01)
        assert gate.ended == "cancelled"
        await answers.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_running": "queue"},
        {"key": ""},
        {"key": 3},
        {"source": "text"},
        {"source": {}},
        {"source": 3},
    ],
    ids=str,
)
async def test_mistakes_are_told_at_once(wrong: dict) -> None:
    arguments = {"key": "k", "source": list, **wrong}
    with pytest.raises((InvalidOption, TypeError)):
        await Resumable(MemoryLog()).start(**arguments)


@pytest.mark.parametrize(
    "wrong", [{"lease": 0}, {"lease": 30_000}, {"ttl": 0}, {"max_events": 0}, {"log": "redis://"}]
)
def test_options_are_checked(wrong: dict) -> None:
    with pytest.raises(InvalidOption):
        Resumable(**{"log": MemoryLog(), **wrong})


# --- the ends


async def test_stop_ends_it_in_good_order(make_log: Any) -> None:  # S7, F12
    async with make_log() as log:
        answers, gate = Resumable(log), Gate()
        await answers.start("k", gate)
        app = streaming(lambda after: answers.follow("k", after))
        async with open_stream(app) as stream:
            first = await stream.next_event()
            assert await Resumable(log).stop("k")  # as another process would
            assert gate.ended == "cancelled"
            rest = [event async for event in stream]
            assert stream.ended is not None
        assert [(event.event, event.id) for event in rest][-1:] == [("stopped", "~end")]
        assert [event.data for event in [first, *rest]][:2] == text_of(2)
        # Cut just before that word, EventSource would ask for ever: nothing runs any more.
        async with open_stream(app, headers={"last-event-id": rest[-2].id}) as stream:
            assert stream.status == 204
        assert not await answers.stop("k")


async def test_a_failure_is_told_once_masked(make_log: Any, caplog: Any) -> None:  # E2, E3, S7
    async def failing() -> AsyncGenerator[str]:
        yield "a"
        raise ValueError("secret")

    async with make_log() as log:
        answers = Resumable(log)
        run = await answers.start("k", failing)
        bodies = [await body_of(run.follow()) for _ in range(3)]
        assert len(set(bodies)) == 1
        events = events_of(bodies[0])
        assert [event.event for event in events] == ["message", "error"]
        assert events[-1].id == "~end"
        assert events[-1].json()["errors"][0]["status"] == 500
        assert b"secret" not in bodies[0]
        with pytest.raises(HttpError):
            await items(run.follow())
        assert await run.wait() is Ending.ERROR
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]


async def test_a_4xx_keeps_its_detail(make_log: Any) -> None:  # E4
    async def failing() -> AsyncGenerator[str]:
        raise HttpError(422, detail="no such model")
        yield ""

    async with make_log() as log:
        run = await Resumable(log).start("k", failing)
        events = events_of(await body_of(run.follow()))
        assert events[0].json()["errors"][0]["detail"] == "no such model"


async def test_past_its_bound_an_answer_fails(make_log: Any, caplog: Any) -> None:  # S7
    async with make_log() as log:
        run = await Resumable(log, max_events=3).start("k", lambda: range(10))
        events = events_of(await body_of(run.follow()))
        assert [event.data for event in events[:3]] == ["0", "1", "2"]
        assert [event.event for event in events[3:]] == ["error"]
    assert "LogFull" in caplog.text


async def test_what_cannot_be_kept_fails_the_answer(make_log: Any, caplog: Any) -> None:  # W10
    async with make_log() as log:
        run = await Resumable(log).start("k", lambda: ["a", {"x": object()}, "b"])
        events = events_of(await body_of(run.follow()))
        assert [event.event for event in events] == ["message", "error"]
    assert "$.x" in caplog.text


async def test_a_source_that_cancels_itself_is_a_failure(make_log: Any, caplog: Any) -> None:  # E7
    async def cancelled() -> AsyncGenerator[str]:
        yield "a"
        raise asyncio.CancelledError

    async with make_log() as log:
        run = await Resumable(log).start("k", cancelled)
        assert await run.wait() is Ending.ERROR


async def test_a_shutdown_is_told_to_readers_elsewhere(make_log: Any) -> None:  # F8
    async with make_log() as log:
        answers, gate = Resumable(log), Gate()
        run = await answers.start("k", gate)
        reading = asyncio.create_task(items(Resumable(log).follow("k")))
        await asyncio.sleep(0.05)
        shutdown()
        with pytest.raises(HttpError, match="503"):
            await reading
        assert await run.wait() is Ending.SHUTDOWN
        assert gate.ended == "cancelled"


async def test_a_stale_producer_is_stopped(make_log: Any) -> None:  # S7
    async with make_log() as log:
        answers, gate = Resumable(log, lease=1.5), Gate()
        run = await answers.start("k", gate)
        await gate.waits.wait()
        await log.claim("k", lease=30, takeover=True)
        # Its own renewal finds out, and its readers are told; nobody waits for ever.
        async with asyncio.timeout(10):
            assert await run.wait() in (Ending.STOPPED, Ending.ERROR)
            while not gate.ended:
                await asyncio.sleep(0.01)
        assert gate.ended == "cancelled"


async def test_a_dead_producers_readers_are_told_within_the_lease(make_log: Any) -> None:  # S7
    async with make_log() as log:
        answers = Resumable(log, lease=1.5)
        fence = await log.claim("k", lease=1.5)  # a process that dies at once
        assert fence is not None
        readers = [asyncio.create_task(body_of(answers.follow("k"))) for _ in range(3)]
        bodies = await asyncio.gather(*readers)
        for body in bodies:
            assert [event.event for event in events_of(body)] == ["error"]
        run = await answers.start("k", lambda: ["alive"])
        assert await items(run.follow()) == ["alive"]


@in_some_tries  # a machine that stands still for the lease renews too late
async def test_a_long_silence_is_no_death(tmp_path: Path) -> None:
    # S7; in real time, and long enough that a busy machine still renews in time.
    log, gate = SqliteLog(tmp_path / "l.db"), Gate()
    run = await Resumable(log, lease=3).start("k", gate)
    reading = asyncio.create_task(items(run.follow()))
    await asyncio.sleep(3.5)
    gate.open.set()
    await run.wait()
    got: Any = await asyncio.gather(reading, return_exceptions=True)
    await log.aclose()
    assert got == [text_of(5)]


async def test_an_answer_is_forgotten_in_time() -> None:  # S7, T2
    clock = FakeClock()
    log = MemoryLog(clock=clock)
    answers = Resumable(log, ttl=60, clock=clock)
    run = await answers.start("k", lambda: ["a"])
    cursor = events_of(await body_of(run.follow()))[0].id
    await run.wait()
    await clock.advance(30)
    assert await answers.follow("k", cursor) is not None
    await clock.advance(31)
    assert await answers.follow("k", cursor) is None


async def test_time_as_an_argument_drives_leases() -> None:  # T2
    clock = FakeClock()
    log, gate = MemoryLog(clock=clock), Gate()
    answers = Resumable(log, lease=10, clock=clock)
    run = await answers.start("k", gate)
    reading = asyncio.create_task(items(run.follow()))
    for _ in range(6):  # six leases long, renewed
        await clock.advance(10)
    gate.open.set()
    assert await reading == text_of(5)


async def test_within_a_users_own_generator_there_are_no_ids(make_log: Any) -> None:
    async with make_log() as log:
        answers = Resumable(log)
        run = await answers.start("k", lambda: ["a", "b"])

        async def loud() -> AsyncGenerator[str]:
            async with aclosing(aiter(run.follow())) as source:
                async for item in source:
                    yield item.upper()

        events = events_of(await body_of(loud))
        assert [(event.data, event.id) for event in events] == [("A", ""), ("B", ""), ("", "~end")]


async def test_a_source_that_was_not_taken_is_closed() -> None:
    async with asyncio.timeout(10):
        answers, gate = Resumable(MemoryLog()), Gate()
        await answers.start("k", gate)
        source: Any = gate()  # opened already, and never iterated
        run = await answers.start("k", source)
        assert not run.is_owner
        assert source.ag_frame is None
        await answers.aclose()


async def test_a_source_that_never_awaits_does_not_starve_the_loop() -> None:  # F2
    async def eager() -> AsyncGenerator[int]:
        for number in range(20_000):
            yield number

    turns, answers = 0, Resumable(MemoryLog())
    run = await answers.start("k", eager)
    waiting = asyncio.create_task(run.wait())
    while not waiting.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 100
    assert len(await items(run.follow())) == 20_000


async def test_it_is_stopped_from_another_loop() -> None:
    answers, gate = Resumable(MemoryLog()), Gate()
    run = await answers.start("k", gate)
    await gate.waits.wait()
    assert await asyncio.to_thread(lambda: asyncio.run(answers.stop("k")))
    assert await run.wait() is Ending.STOPPED
    assert gate.ended == "cancelled"


@pytest.mark.parametrize("face", ["starlette", "wsgi"])
async def test_it_is_a_source_everywhere(face: str) -> None:  # S8, E0
    answers, gate = Resumable(MemoryLog()), Gate()
    if face == "wsgi":
        app = streaming(lambda after: answers.follow("k", after))

        def ask() -> tuple[str, bytes]:
            status: list[str] = []
            body = app.wsgi(
                {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "x", "SERVER_PORT": "80",
                 "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"},
                lambda line, headers, exc_info=None: status.append(line),
            )  # fmt: skip
            whole = b"".join(body)
            body.close()
            return status[0], whole

        assert await asyncio.to_thread(ask) == ("204 No Content", b"")
        run = await answers.start("k", gate)
        asking = asyncio.create_task(asyncio.to_thread(ask))
        await asyncio.sleep(0.1)
        gate.open.set()
        status, body = await asking
        assert status.startswith("200")
        assert [event.data for event in events_of(body)] == [*text_of(5), ""]
        await run.wait()
        return

    async def view(request: Request) -> StreamResponse:
        return StreamResponse(answers.follow("k", request.headers.get("last-event-id")))

    app = Starlette(routes=[Route("/", view)])
    async with open_stream(app) as stream:
        assert (stream.status, await stream.read()) == (204, b"")
    await answers.start("k", gate)
    async with open_stream(app) as stream:
        first = await stream.next_event()
        gate.open.set()
    async with open_stream(app, headers={"last-event-id": first.id}) as stream:
        assert [event.data async for event in stream] == [*text_of(5)[1:], ""]


async def test_its_tasks_are_held(caplog: Any) -> None:
    caplog.set_level(logging.WARNING)
    answers, gate = Resumable(MemoryLog()), Gate(100)
    run = await answers.start("k", gate)
    gate.open.set()
    del answers
    assert await run.wait() is Ending.COMPLETED
    assert not caplog.records
