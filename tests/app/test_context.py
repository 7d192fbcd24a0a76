"""What a handler is given: the head of its answer, ways to stream, and what a format takes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import (
    Context,
    Event,
    HeadAlreadySent,
    HttpError,
    InvalidField,
    Response,
    StreamClosed,
    chunk,
    endpoint,
)
from penstock.errors import UsageError
from penstock.testing import FakeClock, open_stream

from .calls import fetch, hosts

on_each_host = pytest.mark.parametrize("fetch", hosts.values(), ids=hosts)

# --- the head

SSE_HEAD: dict[str, str | None] = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}
# options of the endpoint, and what they make of the head
HEADS: dict[str, tuple[dict[str, Any], dict[str, str | None]]] = {
    "sse": ({}, SSE_HEAD),
    "ndjson": ({"format": "ndjson"}, {"content-type": "application/x-ndjson"}),
    "text": ({"format": "text"}, {"content-type": "text/plain; charset=utf-8"}),
    "content_type": (
        {"format": "text", "content_type": "text/csv"},
        {"content-type": "text/csv"},
    ),
    "replaced, in any case": (
        {"headers": {"Cache-Control": "private", "X-A": "1"}},
        {**SSE_HEAD, "cache-control": "private", "x-a": "1"},
    ),
    "removed": ({"headers": {"X-Accel-Buffering": None}}, {"x-accel-buffering": None}),
}


# H1, H2
@on_each_host
@pytest.mark.parametrize(("options", "head"), HEADS.values(), ids=HEADS)
async def test_the_head_of_a_stream(
    fetch: Any, options: dict[str, Any], head: dict[str, str | None]
) -> None:
    @endpoint(**options)
    async def one(ctx: Context) -> Any:
        yield "x"

    reply = await fetch(one)
    assert {name: reply.headers.get(name) for name in head} == head


# H2, H5: several values, several cookies
@on_each_host
async def test_several_values(fetch: Any) -> None:
    @endpoint(headers={"Link": ["<a>", "<b>"]})
    async def one(ctx: Context) -> Any:
        ctx.head.set_cookie("a", "1")
        ctx.head.set_cookie("b", "2", httponly=True)
        ctx.head.headers.add("X-A", "1")
        ctx.head.headers.add("X-A", "2")
        yield "x"

    reply = await fetch(one)
    assert reply.headers.getlist("link") == ["<a>", "<b>"]
    assert reply.headers.getlist("x-a") == ["1", "2"]
    cookies = reply.headers.getlist("set-cookie")
    assert [cookie.partition(";")[0] for cookie in cookies] == ["a=1", "b=2"]


@pytest.mark.parametrize("how", ["a generator", "a stream", "a session"])
async def test_headers_set_by_hand(how: str) -> None:
    # H2: as in headers=, whether the format's defaults are there by then or not.
    def set_head(ctx: Context) -> None:
        ctx.head.headers["X-Accel-Buffering"] = None
        ctx.head.headers["x-two"] = ["a", "b"]

    async def items(ctx: Context) -> Any:
        set_head(ctx)
        yield "x"

    def stream(ctx: Context) -> Any:
        set_head(ctx)
        return ctx.sse(["x"])

    def session(ctx: Context) -> Any:
        set_head(ctx)
        return ctx.session(lambda session: None)

    ways = {"a generator": items, "a stream": stream, "a session": session}
    async with open_stream(endpoint()(ways[how])) as opened:
        assert "x-accel-buffering" not in opened.headers
        assert opened.headers.getlist("x-two") == ["a", "b"]
        assert opened.content_type == "text/event-stream"


# H3: the host owns them
@on_each_host
async def test_hop_by_hop_headers_are_not_sent(fetch: Any) -> None:
    @endpoint(headers={"Connection": "close", "Transfer-Encoding": "chunked", "Keep-Alive": "1"})
    async def one(ctx: Context) -> Any:
        yield "x"

    reply = await fetch(one)
    assert not {"connection", "transfer-encoding", "keep-alive"} & set(reply.headers)


# H4: until the first byte is committed
@on_each_host
async def test_the_head_may_change_until_the_first_item(fetch: Any) -> None:
    caught: list[Any] = []

    @endpoint(format="ndjson")
    async def one(ctx: Context) -> Any:
        await asyncio.sleep(0)
        ctx.head.status = 207
        ctx.head.headers["x-a"] = "1"
        yield 1
        for change in (
            lambda: setattr(ctx.head, "status", 200),
            lambda: ctx.head.headers.apply({"x-a": "2"}),
            lambda: ctx.head.set_cookie("a"),
        ):
            try:
                change()
            except HeadAlreadySent as error:
                caught.append(error)
        yield 2

    reply = await fetch(one)
    assert (reply.status, reply.headers["x-a"], reply.body) == (207, "1", b"1\n2\n")
    assert len(caught) == 3


# H4: an early error's status is its own, whatever was set
async def test_a_forged_header_is_an_error_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caught: list[InvalidField] = []

    @endpoint
    async def one(ctx: Context) -> Any:
        try:
            ctx.head.headers["x-a"] = "1\r\nset-cookie: a=1"
        except InvalidField as error:
            caught.append(error)
        yield "x"

    reply = await fetch(one)
    assert caught
    assert "set-cookie" not in reply.headers


# H4, H5: what the handler set joins the response it returns
@on_each_host
async def test_the_head_of_a_returned_response(fetch: Any) -> None:
    async def handler(ctx: Context) -> Response:
        ctx.head.status = 201
        ctx.head.set_cookie("a", "1")
        response = Response({"a": 1}, headers={"x-b": "2"})
        response.head.set_cookie("c", "3")
        return response

    reply = await fetch(endpoint(handler))
    assert (reply.status, reply.headers["x-b"], reply.json) == (201, "2", {"a": 1})
    cookies = {cookie.partition(";")[0] for cookie in reply.headers.getlist("set-cookie")}
    assert cookies == {"a=1", "c=3"}


# H7: a status that allows no body, on a stream
@on_each_host
@pytest.mark.parametrize("status", [204, 205, 304])
async def test_a_bodiless_stream_delivers_its_head(fetch: Any, status: int) -> None:
    async def empty() -> Any:
        if status == 0:
            yield

    def handler(ctx: Context) -> Any:
        ctx.head.headers["x-a"] = "1"
        return ctx.stream(empty, status=status)

    reply = await fetch(endpoint(handler))
    assert (reply.status, reply.headers["x-a"], reply.body) == (status, "1", b"")


# --- ways to stream


# F13, W1: each signature of emit
async def test_emit() -> None:
    async def write(emit: Any) -> None:
        await emit("text")
        await emit({"type": "token", "text": "hi"})
        await emit({"delta": "hi"}, "chat")
        await emit("x", "chat", 7)
        await emit(event="ping")
        await emit(comment="note")
        emit("not awaited")

    reply = await fetch(endpoint(lambda ctx: ctx.sse(write)))
    assert reply.events == [
        ("message", "text", ""),
        ("token", '{"type":"token","text":"hi"}', ""),
        ("chat", '{"delta":"hi"}', ""),
        ("chat", "x", "7"),
        ("ping", "null", "7"),
        ("message", "not awaited", "7"),
    ]
    assert b": note\n" in reply.body


# F13: un-awaited calls past the bound
async def test_emit_past_the_bound() -> None:
    count = 0

    def write(emit: Any) -> None:
        nonlocal count
        for _ in range(100_000):
            emit("x")
            count += 1

    reply = await fetch(endpoint(lambda ctx: ctx.sse(write)))
    assert 0 < count < 100_000
    assert len(reply.events) == count + 1  # and the error
    assert reply.events[-1][0] == "error"


# F13, F1: awaited ones wait for the reader
async def test_awaited_emits_are_held_back_by_a_slow_reader() -> None:
    count = 0

    async def write(emit: Any) -> None:
        nonlocal count
        for _ in range(20_000):
            await emit("x")
            count += 1

    async with open_stream(endpoint(lambda ctx: ctx.sse(write)), buffer=1) as stream:
        stream.stall()
        seen = -1
        while seen != count:
            seen = count
            for _ in range(100):
                await asyncio.sleep(0)
        assert count <= 2 * 1024 + 1  # what is held: 1,024 events, and a write on its way
        stream.resume()
        await stream.read()
        assert count == 20_000


# F6: writing after the end
async def test_emit_after_the_end() -> None:
    kept: list[Any] = []

    async def write(emit: Any) -> None:
        kept.append(emit)

    await fetch(endpoint(lambda ctx: ctx.sse(write)))
    with pytest.raises(StreamClosed):
        kept[0]("late")


async def test_sse_of_a_source() -> None:
    reply = await fetch(endpoint(lambda ctx: ctx.sse(["a"])))
    assert reply.events == [("message", "a", ""), ("done", "", "~end")]


async def test_a_stream_inherits_the_endpoints_options() -> None:
    clock = FakeClock()

    async def silent() -> Any:
        await asyncio.Event().wait()
        yield "x"

    app = endpoint(keep_alive=5, status=202, headers={"X-A": "1", "X-B": "1"})(
        lambda ctx: ctx.sse(silent, headers={"x-b": "2"})
    )
    async with open_stream(app, clock=clock, wait=False) as stream:
        await clock.advance(5)
        assert stream.comments
        assert (stream.status, stream.headers["x-a"], stream.headers["x-b"]) == (202, "1", "2")


async def test_a_stream_in_another_format_inherits_what_still_holds() -> None:
    app = endpoint(retry=100, headers={"x-a": "1"}).get(lambda ctx: ctx.stream(["x"], "ndjson"))
    reply = await fetch(app)
    assert (reply.headers["x-a"], reply.body) == ("1", b'"x"\n')


async def test_commit_without_a_stream() -> None:
    def handler(ctx: Context) -> str:
        with pytest.raises(UsageError, match="commit="):
            ctx.commit()
        return "x"

    assert (await fetch(endpoint(handler))).body == b"x"


@on_each_host
async def test_what_a_request_tells(fetch: Any) -> None:
    seen: dict[str, Any] = {}

    def handler(ctx: Context) -> str:
        seen.update(
            method=ctx.method,
            path=ctx.path,
            query=ctx.query.getlist("a"),
            cookies=dict(ctx.cookies),
            last=ctx.last_event_id,
            id=ctx.id,
        )
        ctx.state["mine"] = 1
        assert ctx.scope["state"]["mine"] == 1
        return "x"

    headers = {"Cookie": "a=1; b=2", "X-Request-ID": "r-1"}
    headers["Last-Event-ID"] = "é7".encode().decode("latin-1")  # sent as UTF-8, handed on so
    await fetch(endpoint(handler), "/p", params={"a": "1"}, headers=headers)
    assert seen == {
        "method": "GET",
        "path": "/p",
        "query": ["1"],
        "cookies": {"a": "1", "b": "2"},
        "last": "é7",
        "id": "r-1",
    }


# --- what a format does with an item. W16

ITEMS: dict[str, tuple[Any, dict[str, bytes | None]]] = {
    "str": ("a\nb", {"sse": b"data: a\ndata: b\n\n", "ndjson": b'"a\\nb"\n', "text": b"a\nb"}),
    "mapping": ({"a": 1}, {"sse": b'data: {"a":1}\n\n', "ndjson": b'{"a":1}\n', "text": None}),
    "mapping with a type": (
        {"type": "t"},
        {"sse": b'event: t\ndata: {"type":"t"}\n\n', "ndjson": b'{"type":"t"}\n', "text": None},
    ),
    "number": (1, {"sse": b"data: 1\n\n", "ndjson": b"1\n", "text": None}),
    "None": (None, {"sse": b"data: null\n\n", "ndjson": b"null\n", "text": None}),
    "Event of text": (
        Event("x", event="t"),
        {"sse": b"event: t\ndata: x\n\n", "ndjson": b'"x"\n', "text": b"x"},
    ),
    "Event of a mapping": (
        Event({"a": 1}),
        {"sse": b'data: {"a":1}\n\n', "ndjson": b'{"a":1}\n', "text": None},
    ),
    "bytes": (b"\xff", {"sse": None, "ndjson": None, "text": b"\xff"}),
}


# W16: as an item of an endpoint; refused is a TypeError naming item and format, before a byte
@on_each_host
@pytest.mark.parametrize("format", ["sse", "ndjson", "text"])
@pytest.mark.parametrize(("item", "wires"), ITEMS.values(), ids=ITEMS)
async def test_what_a_format_does_with_an_item(
    fetch: Any,
    format: str,
    item: Any,
    wires: dict[str, bytes | None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    options: dict[str, Any] = {"done": None} if format == "sse" else {}

    @endpoint(format=format, **options)
    async def one(ctx: Context) -> Any:
        yield item

    reply = await fetch(one)
    wire = wires[format]
    if wire is not None:
        assert (reply.status, reply.body) == (200, wire)
    else:
        assert (reply.status, reply.problem["status"]) == (500, 500)
        assert f"the {format} format does not write" in caplog.text
        assert type(item).__name__ in caplog.text


# W16, E2, F12: a model's chunks; its error goes through the format's error form
async def test_chunks_of_a_model() -> None:
    @endpoint
    async def answer(ctx: Context) -> Any:
        yield chunk.Text("hi")
        yield chunk.Done()

    events = (await fetch(answer)).events
    assert [(name, id) for name, _, id in events] == [("text", ""), ("done", "~end")]

    @endpoint
    async def failing(ctx: Context) -> Any:
        yield chunk.Text("hi")
        yield chunk.Error(429, "Too Many Requests")

    async with open_stream(failing) as stream:
        await stream.read()
        assert [event.event for event in stream.events] == ["text", "error"]
        assert stream.error is not None


# E1: an HttpError's headers go with its status only
async def test_an_errors_headers() -> None:
    def handler(ctx: Context) -> Any:
        raise HttpError(401, headers={"WWW-Authenticate": "Bearer"})

    assert (await fetch(endpoint(handler))).headers["www-authenticate"] == "Bearer"
