"""A response in a test's hands: the head, the body in each kind, and what goes wrong. Covers T1."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from penstock import Event, HttpError, Response, ServerSentEvent, endpoint
from penstock.errors import InvalidOption, PeerError
from penstock.testing import OpenStream, open_stream
from penstock.types import Message, Receive, Scope, Send

variable: ContextVar[str] = ContextVar("variable", default="unset")


def app_that_sends(*messages: Message) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def endless(content: str, item: Any) -> Any:
    @endpoint(format=content)
    async def counting(ctx):
        for _ in itertools.count():
            yield item
            await asyncio.sleep(0)

    return counting


# T1: also when the stream never ends
@pytest.mark.parametrize(
    ("format", "item", "event"),
    [
        ("sse", {"n": 1}, ServerSentEvent(data='{"n":1}')),
        ("ndjson", {"n": 1}, {"n": 1}),
        ("ndjson", None, None),
        ("text", "é", "é"),
    ],
)
async def test_events_come_one_by_one_in_each_format(format: str, item: Any, event: Any) -> None:
    async with open_stream(endless(format, item)) as stream:
        for _ in range(5):
            assert await stream.next_event() == event
        assert stream.is_running
    assert not stream.is_running
    assert (stream.ended, stream.app_error) == ("left", None)


async def test_a_starlette_app_is_run_too() -> None:
    gate = asyncio.Event()

    async def lines():
        yield "a"
        await gate.wait()
        yield "b"

    async def page(request):
        return StreamingResponse(lines(), media_type="text/plain")

    async with open_stream(Starlette(routes=[Route("/lines", page)]), "/lines") as stream:
        assert await stream.next_event() == "a"
        assert stream.is_running
        gate.set()
        assert [event async for event in stream] == ["b"]
        assert stream.ended == "complete"
        assert stream.body == b"ab"
        assert stream.chunks == [b"a", b"b"]


async def test_a_fastapi_app_with_its_lifespan() -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def lifespan(app):
        seen.append("up")
        yield {"db": "open"}
        seen.append("down")

    async def ask(request: Request) -> dict[str, Any]:
        return {"db": request.state.db, "body": await request.json()}

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/ask", ask, methods=["POST"])
    async with open_stream(app, "/ask", method="POST", json={"q": 1}, lifespan=True) as stream:
        assert await stream.json() == {"db": "open", "body": {"q": 1}}
        assert seen == ["up"]
    assert seen == ["up", "down"]


async def test_a_start_up_that_fails_is_raised() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="no database"):
        async with open_stream(app, lifespan=True):
            pass


# --- the request

REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing given": ({}, {"method": "GET", "path": "/", "host": "testserver", "body": ""}),
    "a query in both places": (
        {"path": "/a%20b?x=1", "params": {"x": [2, 3], "y": "ü"}},
        {"path": "/a b", "x": ["1", "2", "3"], "y": ["ü"]},
    ),
    "headers, one with two values": (
        {"headers": {"X-A": ["1", "2"], "Host": "example.com"}},
        {"x-a": ["1", "2"], "host": "example.com"},
    ),
    "cookies": ({"cookies": {"a": "1", "b": "2"}}, {"cookies": {"a": "1", "b": "2"}}),
    "json": (
        {"method": "POST", "json": {"a": 1}},
        {"method": "POST", "type": "application/json", "body": '{"a": 1}', "length": "8"},
    ),
    "a form": (
        {"method": "POST", "data": {"a": [1, 2]}},
        {"type": "application/x-www-form-urlencoded", "body": "a=1&a=2"},
    ),
    "text": ({"method": "POST", "body": "é"}, {"body": "é", "type": None, "length": "2"}),
    "pieces": ({"method": "POST", "body": [b"a", b"", b"b"]}, {"body": "ab", "length": "2"}),
    "the scope": ({"scope": {"client": ("10.0.0.1", 1)}}, {"client": ["10.0.0.1", 1]}),
}


@endpoint(methods=("GET", "POST"))
async def tell(ctx):
    return {
        "method": ctx.method,
        "path": ctx.path,
        "host": ctx.headers["host"],
        "x": ctx.query.getlist("x"),
        "y": ctx.query.getlist("y"),
        "x-a": ctx.headers.getlist("x-a"),
        "cookies": ctx.cookies,
        "type": ctx.headers.get("content-type"),
        "length": ctx.headers.get("content-length"),
        "client": ctx.client,
        "body": (await ctx.body()).decode(),
    }


@pytest.mark.parametrize(("given", "seen"), REQUESTS.values(), ids=REQUESTS)
async def test_the_request_arrives_as_given(given: dict[str, Any], seen: dict[str, Any]) -> None:
    async with open_stream(tell, **given) as stream:
        assert (await stream.json()).items() >= seen.items()


@pytest.mark.parametrize(
    "mistake",
    [{"json": 1, "data": {"a": 1}}, {"path": "ticks"}, {"buffer": 0}, {"buffer": True}],
    ids=str,
)
async def test_a_request_that_cannot_be_meant_is_refused(mistake: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        async with open_stream(tell, **mistake):
            pass


# --- the head


async def test_the_head_and_its_cookies() -> None:
    async def handler(ctx):
        ctx.head.status = 201
        ctx.head.set_cookie("a", "1")
        ctx.head.set_cookie("b", "two words")
        return ctx.stream(["x"], content_type="text/csv")

    async with open_stream(endpoint(handler)) as stream:
        assert stream.status == 201
        assert stream.content_type == stream.headers["Content-Type"] == "text/csv"
        assert stream.cookies == {"a": "1", "b": "two words"}
        assert len(stream.headers.getlist("set-cookie")) == 2


async def test_without_waiting_there_is_no_head_yet() -> None:
    gate = asyncio.Event()

    @endpoint
    async def silent(ctx):
        await gate.wait()
        yield 1

    async with open_stream(silent, wait=False) as stream:
        with pytest.raises(RuntimeError, match="has not arrived"):
            _ = stream.status
        gate.set()
        await stream.head()
        assert stream.status == 200


async def test_what_the_app_raises_instead_of_a_head_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_stream(endpoint(throw=True)(lambda ctx: 1 // 0)):
            pass


async def test_an_app_without_a_response_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="without a response"):
        async with open_stream(app_that_sends()):
            pass


MISBEHAVING = {
    "a body without a head": [body(b"x")],
    "two heads": [start(), start()],
    "a head after the body began": [start(), body(b"x"), start()],
    "a chunk after the last": [start(), body(b"", False), body(b"x")],
    "no such message": [start(), {"type": "http.response.pathsnd"}],
    "a header that is text": [start(("a", "b"))],  # type: ignore[arg-type]  # that is the mistake
    "a header in capitals": [start((b"X-A", b"b"))],
}


# T1: what no server would take is not taken here
@pytest.mark.parametrize("messages", MISBEHAVING.values(), ids=MISBEHAVING)
async def test_an_app_that_breaks_the_protocol_fails(messages: list[Message]) -> None:
    with pytest.raises(RuntimeError):
        async with open_stream(app_that_sends(*messages)) as stream:
            await stream.returned()


# --- the body


async def test_chunks_and_events_are_two_views_of_one_body() -> None:
    app = app_that_sends(
        start((b"content-type", b"application/x-ndjson")),
        body(b"1\n2\n"),
        body(b"3"),
        body(b"\n4\n"),
        body(b"5", False),
    )
    async with open_stream(app) as stream:
        assert await stream.next_event() == 1
        assert await stream.next_chunk() == b"3"  # and 2 came before it: passed over
        assert await stream.next_event() == 3
        assert await stream.read() == b"5"
        assert stream.events == [1, 2, 3, 4, 5]
        with pytest.raises(EOFError):
            await stream.next_event()
        with pytest.raises(EOFError):
            await stream.next_chunk()


async def test_reading_chunks_passes_over_their_events() -> None:
    app = app_that_sends(
        start((b"content-type", b"text/event-stream")),
        body(b": hi\ndata: 1\n\ndata: 2\n\n"),
        body(b"data: 3\n\n", False),
    )
    async with open_stream(app) as stream:
        await stream.next_chunk()
        assert (await stream.next_event()).data == "3"
        assert stream.comments == ["hi"]


async def test_a_body_of_no_known_kind_gives_its_chunks() -> None:
    app = app_that_sends(start(), body(b"\xff"), body(b""), body(b"\xfe", False))
    async with open_stream(app) as stream:
        assert [event async for event in stream] == [b"\xff", b"\xfe"]


async def test_a_character_cut_in_two_is_whole_again() -> None:
    plain = (b"content-type", b"text/plain")
    app = app_that_sends(start(plain), body(b"a\xc3"), body(b"\xa9"), body(b"", False))
    async with open_stream(app) as stream:
        assert [event async for event in stream] == ["a", "é"]


async def test_a_decoder_of_ones_own() -> None:
    class Words:
        def feed(self, chunk: bytes) -> list[str]:
            return chunk.decode().split()

        def close(self) -> list[str]:
            return ["end"]

    app = app_that_sends(start(), body(b"a b"), body(b"c", False))
    async with open_stream(app, decoder=Words()) as stream:
        assert [event async for event in stream] == ["a", "b", "c", "end"]


async def test_a_body_that_is_not_what_it_says_is_an_error() -> None:
    app = app_that_sends(start((b"content-type", b"application/x-ndjson")), body(b"{\n", False))
    async with open_stream(app) as stream:
        with pytest.raises(PeerError):
            await stream.next_event()


async def test_a_packed_body_is_left_packed() -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-encoding", b"gzip")]
    async with open_stream(app_that_sends(start(*headers), body(b"\x1f\x8b", False))) as stream:
        assert await stream.next_event() == b"\x1f\x8b"


# chunks can be read of any body
async def test_reading_chunks_decodes_nothing() -> None:
    app = app_that_sends(start((b"content-type", b"application/x-ndjson")), body(b"{\n", False))
    async with open_stream(app) as stream:
        assert await stream.read() == b"{\n"


# E1, E2: assert on errors
@pytest.mark.parametrize(
    ("format", "status"), [("sse", 200), ("ndjson", 200), ("sse", 404), ("text", 404)]
)
async def test_the_errors_seen(format: str, status: int) -> None:
    @endpoint(format=format)
    async def failing(ctx):
        if status == 200:
            yield "first"
        raise HttpError(404, detail="no such thing")

    async with open_stream(failing) as stream:
        await stream.read()
        assert stream.status == status
        assert stream.error == {
            "errors": [{"status": 404, "title": "Not Found", "detail": "no such thing"}]
        }


async def test_no_error_where_there_is_none() -> None:
    app = endpoint(lambda ctx: Response({"errors": "none"}))
    async with open_stream(app) as stream:
        assert json.loads(await stream.read()) == {"errors": "none"}
        assert stream.error is None


# E2
async def test_a_cut_shows() -> None:
    @endpoint(format="text")
    async def cut(ctx):
        yield "half"
        raise ValueError

    async with open_stream(cut) as stream:
        assert [event async for event in stream] == ["half"]
        assert stream.ended == "cut"


# --- around the app


async def test_context_variables_are_seen_by_the_app() -> None:
    variable.set("mine")
    async with open_stream(endpoint(lambda ctx: variable.get())) as stream:
        assert await stream.read() == b"mine"


async def test_what_the_app_raises_later_is_raised_at_the_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        async with open_stream(app):
            pass
    async with open_stream(app) as stream:
        await stream.returned()
        assert str(stream.app_error) == "late"  # looked at: not raised again
        assert "late" in repr(stream)


async def test_the_tests_own_failure_is_not_hidden_by_the_apps() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        raise ValueError("late")

    with pytest.raises(AssertionError, match="mine") as caught:
        async with open_stream(app) as stream:
            await stream.returned()
            raise AssertionError("mine")
    assert "late" in str(caught.value.__notes__)


async def test_a_wait_in_vain_tells_what_had_arrived() -> None:
    @endpoint
    async def twice(ctx):
        yield Event("one", event="tick")
        await stuck_here()

    async with open_stream(twice) as stream:
        await stream.next_event()
        with pytest.raises(TimeoutError) as caught:
            await stream.next_event(timeout=0.01)
    message = str(caught.value)
    for part in ("an event", "200 text/event-stream", "1 events", "one", "Reading.produce"):
        assert part in message


async def stuck_here() -> None:
    await asyncio.Event().wait()


async def test_an_app_that_does_not_return_is_an_error_that_names_where_it_stands() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await stuck_here()

    with pytest.raises(TimeoutError, match="stuck_here"):
        async with open_stream(app, timeout=0.05):
            pass


def test_the_stream_is_no_test_case_to_pytest() -> None:
    assert not OpenStream.__name__.startswith("Test")
