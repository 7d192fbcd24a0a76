"""Endpoints: what is answered, and how each kind of reply leaves. On ASGI and on WSGI."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from penstock import Context, Endpoint, Event, Response, Stream, endpoint
from penstock.testing import open_stream

from .calls import fetch, fetch_wsgi, hosts

on_each_host = pytest.mark.parametrize("fetch", hosts.values(), ids=hosts)


@endpoint(format="sse")
async def ticks(ctx: Context):
    for i in range(int(ctx.query.get("n", "3"))):
        yield Event({"i": i}, event="tick")


# The endpoint of the README. F7, F12
@on_each_host
async def test_the_first_example(fetch: Any) -> None:
    reply = await fetch(ticks, params={"n": "2"})
    assert reply.status == 200
    assert reply.is_complete
    assert reply.events == [
        ("tick", '{"i":0}', ""),
        ("tick", '{"i":1}', ""),
        ("done", "", "~end"),
    ]


async def test_an_endpoint_is_an_asgi_app_with_a_name() -> None:
    assert isinstance(ticks, Endpoint)
    assert ticks.name == "ticks"
    assert "GET, POST, HEAD, OPTIONS" in repr(ticks)
    assert ticks.wsgi is ticks.wsgi


# --- methods. H8

METHODS: dict[str, tuple[Endpoint, dict[str, int], str]] = {
    "default": (
        ticks,
        {"GET": 200, "HEAD": 200, "POST": 200, "OPTIONS": 204, "PUT": 405, "DELETE": 405},
        "GET, POST, HEAD, OPTIONS",
    ),
    "post only": (
        endpoint(methods=["post"])(lambda ctx: ["x"]),
        {"GET": 405, "HEAD": 405, "POST": 200, "OPTIONS": 204},
        "POST, OPTIONS",
    ),
    "a verb": (
        endpoint().delete(lambda ctx: None),
        {"DELETE": 204, "GET": 405},
        "DELETE, OPTIONS",
    ),
    "verbs in a chain": (
        endpoint().get(lambda ctx: "got").put(lambda ctx: "put"),
        {"GET": 200, "HEAD": 200, "PUT": 200, "POST": 405},
        "GET, PUT, HEAD, OPTIONS",
    ),
    "its own OPTIONS": (
        endpoint().route(["OPTIONS"], lambda ctx: "mine"),
        {"OPTIONS": 200, "GET": 405},
        "OPTIONS",
    ),
}


# H8
@on_each_host
@pytest.mark.parametrize(("app", "statuses", "allow"), METHODS.values(), ids=METHODS)
async def test_methods(fetch: Any, app: Endpoint, statuses: dict[str, int], allow: str) -> None:
    for method, status in statuses.items():
        reply = await fetch(app, method=method)
        assert (method, reply.status) == (method, status)
        if status == 405 and method != "HEAD":
            assert reply.problem["title"] == "Method Not Allowed"
        if status == 405 or (method == "OPTIONS" and status == 204):
            assert reply.headers["allow"] == allow


# H8: each verb its own handler
async def test_verbs_do_not_share_a_handler() -> None:
    app = endpoint().get(lambda ctx: "got").post(lambda ctx: "posted").patch(lambda ctx: "patched")
    for method, body in (("GET", b"got"), ("POST", b"posted"), ("PATCH", b"patched")):
        assert (await fetch(app, method=method)).body == body


async def test_a_websocket_is_refused() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await ticks({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_lifespan_is_answered() -> None:
    async with open_stream(ticks, lifespan=True) as stream:
        assert stream.status == 200


# --- what a handler may be and return


async def async_rows(ctx: Context):
    yield "a"
    yield "b"


def rows(ctx: Context):
    yield "a"
    yield "b"


async def coroutine(ctx: Context) -> list[str]:
    return ["a", "b"]


async def coroutine_of_a_generator(ctx: Context) -> Any:
    return async_rows(ctx)


class Callable:
    async def __call__(self, ctx: Context) -> Any:
        return async_rows(ctx)


HANDLERS = {
    "async generator": async_rows,
    "generator": rows,
    "coroutine": coroutine,
    "coroutine of a generator": coroutine_of_a_generator,
    "function of a list": lambda ctx: ["a", "b"],
    "function of a Stream": lambda ctx: Stream(lambda: async_rows(ctx), format="ndjson"),
    "function of ctx.stream": lambda ctx: ctx.stream(["a", "b"], "ndjson"),
    "callable object": Callable(),
}


@on_each_host
@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
async def test_whatever_makes_items_is_streamed(fetch: Any, handler: Any) -> None:
    reply = await fetch(endpoint(format="ndjson")(handler))
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert (reply.status, reply.body) == (200, b'"a"\n"b"\n')


REPLIES: dict[str, tuple[Any, int, str | None, bytes]] = {
    "None": (None, 204, None, b""),
    "str": ("é", 200, "text/plain; charset=utf-8", "é".encode()),
    "bytes": (b"\xff", 200, "application/octet-stream", b"\xff"),
    "mapping": ({"a": [1, None]}, 200, "application/json", b'{"a":[1,null]}'),
    "Response": (Response({"a": 1}, 201), 201, "application/json", b'{"a":1}'),
    "Response of a list": (Response([1, 2]), 200, "application/json", b"[1,2]"),
    "empty Response": (Response(), 200, None, b""),
    "304": (Response(None, 304, {"etag": '"x"'}), 304, None, b""),
    "205": (Response(None, 205), 205, None, b""),
}


# H7
@on_each_host
@pytest.mark.parametrize(("reply", "status", "kind", "body"), REPLIES.values(), ids=REPLIES)
async def test_plain_replies(
    fetch: Any, reply: Any, status: int, kind: str | None, body: bytes
) -> None:
    got = await fetch(endpoint(lambda ctx: reply))
    assert (got.status, got.headers.get("content-type"), got.body) == (status, kind, body)
    assert got.is_complete
    length = None if status in (204, 304) else str(len(body))
    assert got.headers.get("content-length") == length


# M7 found late: what a handler returned is known only when it has
@on_each_host
@pytest.mark.parametrize("reply", [42, object(), 1.5])
async def test_a_reply_that_is_none_is_500(
    fetch: Any, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    got = await fetch(endpoint(name="odd")(lambda ctx: reply))
    assert (got.status, got.problem["status"]) == (500, 500)
    assert f"odd returned {type(reply).__name__}" in caplog.text


# --- HEAD. H6


async def test_head_starts_no_generator() -> None:
    started: list[str] = []

    @endpoint(format="ndjson", headers={"x-a": "1"})
    async def rows(ctx):
        started.append("generator")
        yield 1

    reply = await fetch(rows, method="HEAD")
    assert (reply.status, reply.body, started) == (200, b"", [])
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert reply.headers["x-a"] == "1"


# H6: the handler runs, its source does not
async def test_head_runs_the_handler_of_a_response() -> None:
    started: list[str] = []

    async def source():
        started.append("source")
        yield "x"

    async def handler(ctx):
        started.append("handler")
        ctx.head.status = 206
        return ctx.stream(source, content_type="text/csv")

    reply = await fetch(endpoint().get(handler), method="HEAD")
    assert started == ["handler"]
    assert (reply.status, reply.headers["content-type"], reply.body) == (206, "text/csv", b"")


async def test_head_of_a_plain_response_keeps_its_length() -> None:
    reply = await fetch(endpoint(lambda ctx: "four"), method="HEAD")
    assert (reply.headers["content-length"], reply.body) == ("4", b"")


# --- the end mark. F12

DONE: dict[str, tuple[dict[str, Any], tuple[str, str, str] | None]] = {
    "default": ({}, ("done", "", "~end")),
    "renamed": ({"done": "finished"}, ("finished", "", "~end")),
    "off": ({"done": None}, None),
}


@pytest.mark.parametrize(("options", "last"), DONE.values(), ids=DONE)
async def test_the_end_mark(options: dict[str, Any], last: Any) -> None:
    ran: list[str] = []

    async def handler(ctx):
        ran.append("handler")
        yield "x"

    app = endpoint(**options).guard(lambda ctx: ran.append("guard")).get(handler)
    reply = await fetch(app)
    assert reply.events == [("message", "x", ""), *([last] if last else [])]
    ran.clear()
    again = await fetch(app, headers={"Last-Event-ID": "~end"})
    if last:  # answered before guards and handler
        assert (again.status, again.body, ran) == (204, b"", [])
    else:
        assert (again.status, ran) == (200, ["guard", "handler"])


# F12: a query does as well, as polyfills send it, and a POST, as fetch-based clients do
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"params": {"lastEventId": "~end"}}, 204),
        ({"params": {"evs_last_event_id": "~end"}}, 204),
        ({"headers": {"Last-Event-ID": "7"}}, 200),
        ({"headers": {"Last-Event-ID": "~end"}, "method": "POST"}, 204),
    ],
)
async def test_who_is_told_that_it_is_over(request_: dict[str, Any], status: int) -> None:
    assert (await fetch(ticks, **request_)).status == status


# F12: imperative writers are left alone
async def test_no_end_mark_for_a_writer() -> None:
    async def write(emit):
        await emit("x")

    assert (await fetch(endpoint().get(lambda ctx: ctx.sse(write)))).events == [
        ("message", "x", "")
    ]


# --- the reader is gone. F5


@pytest.mark.parametrize("kind", ["generator", "stream", "sse"])
async def test_a_request_already_gone_starts_nothing(kind: str) -> None:
    started: list[str] = []

    async def source(ctx=None):
        started.append("source")
        yield "x"

    async def write(emit):
        started.append("writer")

    handlers = {
        "generator": source,
        "stream": lambda ctx: ctx.stream(source),
        "sse": lambda ctx: ctx.sse(write),
    }
    async with open_stream(endpoint(handlers[kind]), gone=True) as stream:
        await stream.returned()
    assert started == []


# F4: while the source is silent, at yield, and before its first item
@pytest.mark.parametrize("items", [0, 1])
async def test_a_reader_that_leaves_stops_the_handler(items: int) -> None:
    log: list[str] = []

    @endpoint(format="ndjson")
    async def silent(ctx):
        try:
            for n in range(items):
                yield n
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    async with open_stream(silent, wait=bool(items)) as stream:
        for n in range(items):
            assert await stream.next_event() == n
        await asyncio.sleep(0.01)  # it waits now
        await stream.disconnect()
        assert log == ["cancelled", "cleaned up"]


# --- sync handlers. F10


async def test_a_sync_generator_lives_in_one_thread() -> None:
    threads: list[threading.Thread] = []
    gate = threading.Event()

    @endpoint(format="ndjson")
    def numbers(ctx):
        try:
            for n in range(3):
                threads.append(threading.current_thread())
                yield n
                gate.wait(5)
        finally:
            threads.append(threading.current_thread())

    async with open_stream(numbers) as stream:
        assert await stream.next_event() == 0  # and the loop is not blocked by the wait
        gate.set()
        assert [event async for event in stream] == [1, 2]
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()


# F10
async def test_a_sync_generator_is_closed_when_the_reader_leaves() -> None:
    closed = threading.Event()

    @endpoint(format="text")
    def letters(ctx):
        try:
            while True:
                yield "x"
        finally:
            closed.set()

    async with open_stream(letters) as stream:
        await stream.next_event()
        await stream.disconnect()
        assert closed.is_set()


# --- the request's body, in a handler


@on_each_host
async def test_a_handler_reads_the_body_before_and_while_it_streams(fetch: Any) -> None:
    @endpoint(format="ndjson")
    async def echo(ctx):
        yield "first"
        yield await ctx.json()

    reply = await fetch(echo, method="POST", body=b'{"a": 1}')
    assert reply.body == b'"first"\n{"a":1}\n'


@on_each_host
async def test_a_body_too_large_is_413(fetch: Any) -> None:
    @endpoint(max_body=4)
    async def echo(ctx):
        return await ctx.body()

    assert (await fetch(echo, method="POST", body=b"1234")).body == b"1234"
    assert (await fetch(echo, method="POST", body=b"12345")).status == 413


# H5: what one request adds to a response made once does not reach the next
@on_each_host
@pytest.mark.parametrize("place", ["handler", "guard", "middleware"])
@pytest.mark.parametrize("status", [200, 204])
async def test_a_response_made_once_serves_every_request(
    fetch: Any, place: str, status: int
) -> None:
    constant = Response("same" if status == 200 else None, status)
    endings: list[str] = []

    async def add(ctx, call_next):
        response = await call_next(ctx)
        response.head.set_cookie("user", ctx.query["user"])
        response.on_finish(lambda ending: endings.append(ctx.query["user"]))
        return response

    async def answer(ctx, call_next):
        return constant

    builder = endpoint().use(add)
    if place == "guard":
        builder = builder.guard(lambda ctx: constant)
    elif place == "middleware":
        builder = builder.use(answer)
    app = builder.get(lambda ctx: constant)
    for user in ("ada", "bob"):
        reply = await fetch(app, params={"user": user})
        assert reply.status == status
        (cookie,) = reply.headers.getlist("set-cookie")
        assert cookie.startswith(f"user={user};")
    assert endings == ["ada", "bob"]


async def test_a_stream_serves_one_request(caplog: pytest.LogCaptureFixture) -> None:
    stream = Stream(lambda: ["x"], format="ndjson")
    app = endpoint(lambda ctx: stream)
    assert (await fetch(app)).status == 200
    assert (await fetch(app)).status == 500
    assert "make one for each request" in caplog.text


async def test_two_requests_at_once_do_not_share() -> None:
    replies = await asyncio.gather(*(fetch(ticks, params={"n": n}) for n in range(5)))
    assert [len(reply.events) for reply in replies] == [1, 2, 3, 4, 5]


async def test_both_hosts_answer_with_the_same_bytes() -> None:
    one, other = await fetch(ticks), await fetch_wsgi(ticks)
    assert (one.status, one.body) == (other.status, other.body)
    assert dict(one.headers) == dict(other.headers)
