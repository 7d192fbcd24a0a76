"""What a session is told to write, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import io
import logging
from typing import Any

import pytest

from penstock import (
    Channel,
    Context,
    Ending,
    EventBuffer,
    HttpError,
    InvalidField,
    InvalidOption,
    NotSerializable,
    Overflow,
    Session,
    StreamClosed,
    endpoint,
)
from penstock.testing import FakeClock, open_stream


def answering(callback: Any, **options: Any) -> Any:
    """Return an endpoint whose answer ``callback(session)`` writes."""

    @endpoint
    def app(ctx: Context) -> Any:
        return ctx.session(callback, **options)

    return app


async def body_of(callback: Any, headers: Any = None, params: Any = None, **options: Any) -> bytes:
    """Return what ``callback`` wrote, behind the first comment."""
    app = answering(callback, **options)
    async with open_stream(app, headers=headers, params=params, clock=FakeClock()) as stream:
        return (await stream.read()).removeprefix(b": open\n")


# S2, W1, W3, W6, W7, W9
PUSHED: dict[str, tuple[Any, bytes]] = {
    "text": (lambda s: s.push("a\nb"), b"data: a\ndata: b\n\n"),
    "a mapping": (lambda s: s.push({"a": 1}), b'data: {"a":1}\n\n'),
    "its own type": (lambda s: s.push({"type": "tick"}), b'event: tick\ndata: {"type":"tick"}\n\n'),
    "named": (lambda s: s.push({"a": 1}, "tick"), b'event: tick\ndata: {"a":1}\n\n'),
    "an id": (lambda s: s.push("x", "tick", 7), b"event: tick\nid: 7\ndata: x\n\n"),
    "retry": (lambda s: s.push("x", retry=50), b"retry: 50\ndata: x\n\n"),
    "only a comment": (lambda s: s.push(comment="hm"), b": hm\n"),
    "nothing": (lambda s: s.push(), b"data: null\n\n"),
    "empty": (lambda s: s.push(""), b"data: \n\n"),
}


@pytest.mark.parametrize(("push", "wire"), PUSHED.values(), ids=PUSHED)
async def test_push(push: Any, wire: bytes) -> None:
    # F13: none of them is awaited
    def callback(session: Session[Any]) -> None:
        push(session)

    assert await body_of(callback) == wire


REFUSED: dict[str, tuple[Any, type[Exception]]] = {
    "a name that forges": (lambda s: s.push(1, "a\nb"), InvalidField),
    "an id that forges": (lambda s: s.push(1, id="a\0"), InvalidField),
    "retry as a float": (lambda s: s.push(1, retry=1.5), InvalidField),
    "no JSON": (lambda s: s.push(object()), NotSerializable),
}


@pytest.mark.parametrize(("push", "error"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_written_raises_in_the_writer(push: Any, error: Any) -> None:
    # W4, W7, W10
    def callback(session: Session[Any]) -> None:
        with pytest.raises(error):
            push(session)
        session.push("after")

    assert await body_of(callback) == b"data: after\n\n"


async def numbers() -> Any:
    for number in (1, 2):
        await asyncio.sleep(0)
        yield number


# S2
ITERATED: dict[str, tuple[Any, bytes]] = {
    "a list": (lambda s: s.iterate([1, 2], "n"), b"event: n\ndata: 1\n\nevent: n\ndata: 2\n\n"),
    "a generator": (lambda s: s.iterate(iter("ab")), b"data: a\n\ndata: b\n\n"),
    "an async generator": (lambda s: s.iterate(numbers()), b"data: 1\n\ndata: 2\n\n"),
    "text": (lambda s: s.stream(["a", "b"], "t"), b"event: t\ndata: a\n\nevent: t\ndata: b\n\n"),
    "bytes cut in a character": (
        lambda s: s.stream([b"\xe2\x82", b"\xac!", b""]),
        "data: €!\n\n".encode(),
    ),
    "a file": (
        lambda s: s.stream(io.BytesIO(b"a\nb\n")),
        b"data: a\ndata: \n\ndata: b\ndata: \n\n",
    ),
    "transformed": (
        lambda s: s.stream([b"a"], "data", transform=lambda text: {"text": text}),
        b'event: data\ndata: {"text":"a"}\n\n',
    ),
}


@pytest.mark.parametrize(("write", "wire"), ITERATED.values(), ids=ITERATED)
async def test_iterate_and_stream(write: Any, wire: bytes) -> None:
    assert await body_of(write) == wire


# S2, W7, H2, S1
OPTIONS: dict[str, tuple[dict[str, Any], bytes]] = {
    "retry": ({"retry": 3000}, b"retry: 3000\ndata: a\ndata: b\n\n"),
    "serializer": ({"serializer": lambda value: f"<{value}>"}, b"data: <a\ndata: b>\n\n"),
    "sanitizer": ({"sanitizer": lambda text: text.replace("\n", " ")}, b"data: a b\n\n"),
    "both": (
        {"serializer": lambda value: f"<{value}>", "sanitizer": lambda text: text.upper()},
        b"data: <A\ndata: B>\n\n",
    ),
}


@pytest.mark.parametrize(("options", "wire"), OPTIONS.values(), ids=OPTIONS)
async def test_options(options: dict[str, Any], wire: bytes) -> None:
    def callback(session: Session[Any]) -> None:
        session.push("a\nb")

    assert await body_of(callback, **options) == wire


async def test_the_sanitizer_sees_every_field() -> None:
    # S2, W4: what it lets through is checked all the same
    def callback(session: Session[Any]) -> None:
        session.push(1, "a\nb", "c\nd", comment="e\nf")

    wire = await body_of(callback, sanitizer=lambda text: text.replace("\n", "-"))
    assert wire == b": e-f\nevent: a-b\nid: c-d\ndata: 1\n\n"


WRONG = {
    "status twice": {"status": 200, "status_code": 201},
    "no such option": {"keepalive": 5},
    "commit": {"commit": "first"},
    "milliseconds": {"keep_alive": 15000},
    "a sanitizer that is none": {"sanitizer": "x"},
    "trust": {"trust_last_event_id": "yes"},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_mistakes_show_where_they_are_made(options: Any) -> None:
    from penstock import create_response

    with pytest.raises(InvalidOption):
        create_response({"type": "http", "method": "GET", "path": "/"}, print, **options)


async def test_head() -> None:
    # H1, H2, S2
    app = answering(lambda session: None, status_code=201, headers={"X-A": ["1", "2"]})
    async with open_stream(app) as stream:
        assert stream.status == 201
        assert stream.content_type == "text/event-stream"
        assert stream.headers.getlist("x-a") == ["1", "2"]


async def test_keep_alive() -> None:
    # F3
    clock = FakeClock()
    app = answering(lambda session: session.wait_closed(), keep_alive=5)
    async with open_stream(app, clock=clock) as stream:
        await clock.advance(5)
        await stream.wait_for(lambda: stream.comments == ["open", "keep-alive"])


# S1
CURSORS: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, ""),
    "header": ({"headers": {"last-event-id": "7"}, "params": {"lastEventId": "8"}}, "7"),
    "query": ({"params": {"lastEventId": "8", "evs_last_event_id": "9"}}, "8"),
    "polyfill's": ({"params": {"evs_last_event_id": "9"}}, "9"),
    "not trusted": ({"headers": {"last-event-id": "7"}, "trust_last_event_id": False}, ""),
}


@pytest.mark.parametrize(("given", "cursor"), CURSORS.values(), ids=CURSORS)
async def test_the_cursor(given: dict[str, Any], cursor: str) -> None:
    def callback(session: Session[Any]) -> None:
        session.push({"cursor": session.last_event_id})

    assert await body_of(callback, **given) == b'data: {"cursor":"%b"}\n\n' % cursor.encode()


@pytest.mark.parametrize("name", ["padding", "evs_preamble"])
async def test_padding_for_polyfills(name: str) -> None:
    # S1
    wire = await body_of(lambda session: None, params={name: "1"})
    assert len(wire) > 2048
    assert wire.startswith(b": ")
    assert wire.count(b"\n") == 1


async def test_a_batch_is_one_write_whatever_is_pushed_meanwhile() -> None:
    # S2
    async def callback(session: Session[Any]) -> None:
        async def fill(buffer: EventBuffer) -> None:
            buffer.push("one")
            session.push("between")
            await asyncio.sleep(0)
            await buffer.iterate([2, 3], "n")

        await session.batch(fill)
        async with session.batch() as buffer:
            buffer.push("last")

    async with open_stream(answering(callback)) as stream:
        await stream.read()
        assert [event.data for event in stream.events] == ["between", "one", "2", "3", "last"]
        together = b"data: one\n\nevent: n\ndata: 2\n\nevent: n\ndata: 3\n\n"
        assert any(together in chunk for chunk in stream.chunks)


async def test_a_batch_that_nobody_awaits_is_told_of() -> None:
    # F13: it would be lost in silence
    async def callback(session: Session[None]) -> None:
        with pytest.warns(RuntimeWarning, match="never sent"):
            session.batch(lambda buffer: None)
        await session.push("after")

    assert await body_of(callback) == b"data: after\n\n"


async def test_a_batch_that_fails_sends_nothing() -> None:
    # S2
    async def callback(session: Session[Any]) -> None:
        with pytest.raises(ZeroDivisionError):
            async with session.batch() as buffer:
                buffer.push("one")
                raise ZeroDivisionError
        await session.batch(session.buffer())

    assert await body_of(callback) == b""


async def test_a_buffer_is_sent_to_many_and_not_used_up() -> None:
    # S2
    hello = EventBuffer()
    hello.push("hi", "greeting")
    for _ in range(2):
        assert await body_of(lambda session: session.batch(hello)._run()) == hello.read()
    assert len(hello) == 1
    hello.clear()
    assert hello.read() == b""


async def test_pushes_before_the_reader_is_there_wait() -> None:
    # S2, F13
    @endpoint
    def app(ctx: Context) -> Any:
        session = ctx.session()
        session.push("early")
        session.close()
        return session

    async with open_stream(app) as stream:
        assert (await stream.next_event()).data == "early"
        await stream.read()
        assert stream.ended == "complete"


async def test_unawaited_pushes_past_the_bound_overflow() -> None:
    # F13, F1
    async def callback(session: Session[Any]) -> None:
        with pytest.raises(Overflow):
            for number in range(5000):
                session.push(number)

    wire = await body_of(callback)
    assert wire.count(b"data:") == 1023  # and the first comment


async def test_awaited_pushes_keep_the_readers_pace() -> None:
    # F1
    pushed: list[int] = []

    async def callback(session: Session[Any]) -> None:
        for number in range(5000):
            await session.push("x" * 100)
            pushed.append(number)

    async with open_stream(answering(callback)) as stream:
        stream.stall()
        await asyncio.sleep(0.05)
        stuck = len(pushed)
        assert stuck < 3000
        stream.resume()
        await stream.read()
        await stream.wait_for(lambda: len(stream.events) == 5000)


# --- how it ends


async def test_it_ends_when_its_callback_returns() -> None:
    # S2
    ends: list[Any] = []

    def callback(session: Session[Any]) -> None:
        session.on("disconnected", lambda session: ends.append(session.ending))

    assert await body_of(callback) == b""
    assert ends == [Ending.COMPLETED]


async def test_spawned_work_keeps_it_open() -> None:
    # S2
    async def work(session: Session[Any]) -> None:
        await asyncio.sleep(0.01)
        session.push("worked")

    assert await body_of(lambda session: _spawn(session, work(session))) == b"data: worked\n\n"


def _spawn(session: Session[Any], work: Any) -> None:
    session.spawn(work)


async def test_spawned_work_is_cancelled_with_the_session() -> None:
    # S2, F4
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cleanup")

    def callback(session: Session[Any]) -> None:
        session.spawn(work())

    async with open_stream(answering(callback)) as stream:
        await asyncio.sleep(0)
        await stream.disconnect()
    assert seen == ["cleanup"]


@pytest.mark.parametrize("where", ["callback", "spawned"])
async def test_an_error_is_told_once(where: str, caplog: pytest.LogCaptureFixture) -> None:
    # E2, E3, E6
    async def fail() -> None:
        raise ValueError("secret")

    async def callback(session: Session[Any]) -> None:
        session.push("before")
        if where == "spawned":
            session.spawn(fail())
        else:
            await fail()

    async with open_stream(answering(callback)) as stream:
        await stream.read()
        assert [event.event for event in stream.events] == ["message", "error"]
        assert stream.error["errors"][0]["status"] == 500
        assert b"secret" not in stream.body
        assert stream.ended == "complete"
    assert [record.message.split(" [")[0] for record in caplog.records] == ["a stream failed"]


async def test_a_4xx_keeps_its_detail() -> None:
    # E4
    def callback(session: Session[Any]) -> None:
        raise HttpError(409, detail="taken")

    assert b'"detail":"taken"' in await body_of(callback)


async def test_hooks_in_order_and_the_end() -> None:
    # S2, F6
    seen: list[Any] = []
    made: list[Session[Any]] = []

    async def push_and_wait(session: Session[Any]) -> None:
        await session.push("x")
        await session.wait_closed()

    @endpoint
    def app(ctx: Context) -> Any:
        session = ctx.session(push_and_wait)
        made.append(session)
        session.on("connected", lambda session: seen.append("connected"))

        @session.on("disconnected")
        async def left(session: Session[Any]) -> None:
            await asyncio.sleep(0)
            seen.append(("disconnected", session.ending))

        @session.on("disconnected")
        def fails(session: Session[Any]) -> None:
            raise RuntimeError

        session.on("disconnected", lambda session: seen.append("last"))
        session.on("push", lambda session, item: seen.append(("push", item)))
        return session

    async with open_stream(app) as stream:
        await stream.next_event()
        (session,) = made
        assert session.is_connected
        await stream.disconnect()
    assert seen == ["connected", ("push", "x"), ("disconnected", "disconnected"), "last"]
    assert not session.is_open
    assert await session.wait_closed() == Ending.DISCONNECTED
    session.close()  # F6: idempotent
    with pytest.raises(StreamClosed):
        session.push("late")
    with pytest.raises(StreamClosed):
        session.spawn(asyncio.sleep(0))
    with pytest.raises(InvalidOption, match="connected"):
        session.on("conected", print)


async def test_closed_from_the_server() -> None:
    # F6, S2
    made: list[Session[Any]] = []

    async def callback(session: Session[Any]) -> None:
        made.append(session)
        await session.wait_closed()

    app = answering(callback)
    async with open_stream(app) as stream:
        await stream.wait_for(lambda: made)
        assert await made[0].close() == Ending.CLOSED
        await stream.read()
        assert stream.ended == "complete"


async def test_a_callback_that_closes_is_not_cut_short() -> None:
    # F6
    seen: list[str] = []

    async def callback(session: Session[Any]) -> None:
        session.push("bye")
        session.close()
        await asyncio.sleep(0)
        seen.append("went on")
        with pytest.raises(StreamClosed):
            session.push("late")

    assert await body_of(callback) == b"data: bye\n\n"
    assert seen == ["went on"]


async def test_shutdown_is_told() -> None:
    # F8
    room: Channel[None] = Channel()
    app = answering(lambda session: room.register(session), retry=500)
    async with open_stream(app) as stream:
        await stream.wait_for(lambda: room.session_count == 1)
        await stream.shut_down()
        await stream.read()
        assert stream.comments[-1] == "shutdown"
        assert stream.body.endswith(b"retry: 500\n")
    assert room.session_count == 0


async def test_a_reader_already_gone_starts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    # F5
    caplog.set_level(logging.WARNING)
    called: list[Any] = []
    app = answering(called.append)
    async with open_stream(app, gone=True):
        pass
    assert not called
    assert not caplog.records
