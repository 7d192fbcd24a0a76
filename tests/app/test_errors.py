"""What a reader, the log and the host are told of an error, before the commit and after it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from penstock import Event, HttpError, Problem, endpoint, request_id
from penstock.errors import NotSerializable
from penstock.testing import FakeClock, open_stream

from .calls import fetch, hosts

on_each_host = pytest.mark.parametrize("fetch", hosts.values(), ids=hosts)
HIDDEN = "The server could not finish this request."


class UpstreamError(Exception):
    """As SDKs raise it: a status of its own that says nothing about this response."""

    status_code = 401
    status = 429


# error, status, title, detail
ERRORS: dict[str, tuple[Any, int, str, str | None]] = {
    "404 with detail": (lambda: HttpError(404, detail="no x"), 404, "Not Found", "no x"),
    "404 without": (lambda: HttpError(404), 404, "Not Found", "Not Found."),
    "own title": (lambda: HttpError(422, "Bad row", "row 3"), 422, "Bad row", "row 3"),
    # E4: a 5xx detail is generic
    "503": (lambda: HttpError(503, detail="db01"), 503, "Service Unavailable", HIDDEN),
    "no such status": (lambda: HttpError(499, detail="x"), 499, "Error", "x"),
    # E1: only an HttpError carries a status
    "unknown": (lambda: ValueError("secret"), 500, "Internal Server Error", HIDDEN),
    "an upstream's": (lambda: UpstreamError("key"), 500, "Internal Server Error", HIDDEN),
    "its own OSError": (lambda: BrokenPipeError(), 500, "Internal Server Error", HIDDEN),
    "its own timeout": (lambda: TimeoutError(), 500, "Internal Server Error", HIDDEN),
    "its own CancelledError": (asyncio.CancelledError, 500, "Internal Server Error", HIDDEN),
}
each_error = pytest.mark.parametrize(
    ("make", "status", "title", "detail"), ERRORS.values(), ids=ERRORS
)


def entry(status: int, title: str, detail: str | None) -> dict[str, Any]:
    known = {"status": status, "title": title}
    return known if detail is None else {**known, "detail": detail}


# E1, E3, E4, E7: before the commit, in a generator
@on_each_host
@each_error
async def test_before_the_first_item(
    fetch: Any, make: Any, status: int, title: str, detail: str | None
) -> None:
    @endpoint(headers={"x-a": "the stream's"})
    async def failing(ctx):
        raise make()
        yield

    reply = await fetch(failing)
    assert reply.status == status
    assert reply.problem == entry(status, title, detail)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert "x-a" not in reply.headers
    assert reply.is_complete
    assert b"secret" not in reply.body


# E1: in a function that would have returned a stream
@on_each_host
async def test_in_a_handler_that_is_no_generator(fetch: Any) -> None:
    def handler(ctx):
        raise HttpError(409, detail="busy", headers={"Retry-After": "3"})

    reply = await fetch(endpoint(handler))
    assert (reply.status, reply.headers["retry-after"]) == (409, "3")


# E2: after it, one error event, then a clean end
@on_each_host
@each_error
async def test_after_an_item_in_sse(
    fetch: Any, make: Any, status: int, title: str, detail: str | None
) -> None:
    @endpoint
    async def failing(ctx):
        yield "first"
        raise make()

    reply = await fetch(failing)
    assert (reply.status, reply.is_complete) == (200, True)
    first, (name, data, id) = reply.events
    assert first == ("message", "first", "")
    assert (name, id) == ("error", "~end")  # F12: nobody shall ask again for ever
    assert {"errors": [entry(status, title, detail)]} == json.loads(data)


# E2: in each format
@on_each_host
@pytest.mark.parametrize(
    ("format", "body", "is_complete"),
    [
        (
            "ndjson",
            b'"x"\n{"error":{"errors":[{"status":404,"title":"Not Found",'
            b'"detail":"Not Found."}]}}\n',
            True,
        ),
        ("text", b"x", False),  # cut, so that it shows
    ],
)
async def test_after_an_item_elsewhere(
    fetch: Any, format: str, body: bytes, is_complete: bool
) -> None:
    @endpoint(format=format)
    async def failing(ctx):
        yield "x"
        raise HttpError(404)

    reply = await fetch(failing)
    assert (reply.status, reply.body, reply.is_complete) == (200, body, is_complete)


# E2
async def test_the_error_event_may_have_another_name() -> None:
    @endpoint(error_event="failed")
    async def failing(ctx):
        yield "x"
        raise HttpError(404)

    assert (await fetch(failing)).events[1][0] == "failed"


# E3: logged once, with traceback and request id; a 4xx is the caller's own affair
@on_each_host
@pytest.mark.parametrize("items", [0, 1])
@pytest.mark.parametrize(("error", "logged"), [(ValueError("why"), 1), (HttpError(404), 0)])
async def test_what_is_logged(
    fetch: Any, items: int, error: Exception, logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    @endpoint(name="exporter")
    async def failing(ctx):
        for n in range(items):
            yield n
        raise error

    with caplog.at_level(logging.DEBUG, "penstock"):
        await fetch(failing, headers={"X-Request-ID": "r-17"})
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(records) == logged
    for record in records:
        assert record.exc_info is not None
        assert record.exc_info[1] is error
        assert "exporter r-17" in record.getMessage()


# E4
@pytest.mark.parametrize("items", [0, 1])
async def test_scrub_decides_otherwise(items: int) -> None:
    def scrub(error: BaseException, problem: Problem) -> Problem:
        return Problem(problem.status, "Oops", type(error).__name__)

    @endpoint(scrub=scrub)
    async def failing(ctx):
        for n in range(items):
            yield n
        raise KeyError("x")

    async with open_stream(failing) as stream:
        await stream.read()
        assert stream.error == {"errors": [{"status": 500, "title": "Oops", "detail": "KeyError"}]}


# E5
@pytest.mark.parametrize("format", ["sse", "ndjson", "text"])
async def test_throw_tells_the_host(format: str) -> None:
    @endpoint(throw=True, format=format)
    async def failing(ctx):
        yield "x"
        raise KeyError("mine")

    async with open_stream(failing) as stream:
        await stream.returned()
        assert stream.error is None
        assert len(stream.events) == 1
        assert stream.ended == "cut"
        assert isinstance(stream.app_error, KeyError)


# E5: before the first byte, wherever it was raised
@pytest.mark.parametrize("place", ["generator", "handler", "guard", "middleware", "setup"])
async def test_throw_before_the_commit(place: str) -> None:
    async def generator(ctx):
        fail("generator")
        yield "x"

    def fail(here: str) -> None:
        if here == place:
            raise KeyError(here)

    async def middleware(ctx, call_next):
        fail("middleware")
        return await call_next(ctx)

    def handler(ctx):
        fail("handler")
        return generator(ctx)

    app = (
        endpoint(throw=True, setup=lambda: fail("setup"))
        .use(middleware)
        .guard(lambda ctx: fail("guard"))
        .get(handler)
    )
    with pytest.raises(KeyError, match=place):
        async with open_stream(app):
            pass


# E5: the tear-down runs all the same
async def test_throw_still_tears_down() -> None:
    done: list[str] = []
    app = endpoint(throw=True, teardown=lambda: done.append("down")).get(lambda ctx: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        async with open_stream(app):
            pass
    assert done == ["down"]


# W10: what cannot be written raises before any byte of it is, and the log says where
@on_each_host
@pytest.mark.parametrize("items", [0, 1])
async def test_an_item_that_json_cannot_carry(
    fetch: Any, items: int, caplog: pytest.LogCaptureFixture
) -> None:
    @endpoint(format="ndjson")
    async def odd(ctx):
        for n in range(items):
            yield n
        yield {"rows": [1, {"when": object()}]}

    reply = await fetch(odd)
    assert reply.status == (200 if items else 500)
    assert b"object" not in reply.body
    assert b"rows" not in reply.body
    assert b'"status":500' in reply.body
    assert "$.rows[1].when" in caplog.text


# E7, W10: the producer itself may catch it and go on
async def test_a_writer_may_catch_what_cannot_be_written() -> None:
    caught: list[Exception] = []

    async def write(emit):
        try:
            await emit(object())
        except NotSerializable as error:
            caught.append(error)
        await emit("fine")

    reply = await fetch(endpoint(lambda ctx: ctx.sse(write)))
    assert reply.events == [("message", "fine", "")]
    assert len(caught) == 1


# --- when the head leaves. E0

COMMITS: dict[str, tuple[dict[str, Any], float]] = {
    "first item": ({}, 10.0),
    "start": ({"commit": "start"}, 0.0),
    "after a second": ({"commit": 1.0}, 1.0),
    "zero seconds": ({"commit": 0.0}, 0.0),
    "keep-alive": ({"keep_alive": 4.0}, 4.0),
}


# E0
@pytest.mark.parametrize(("options", "when"), COMMITS.values(), ids=COMMITS)
async def test_when_the_head_leaves(options: dict[str, Any], when: float) -> None:
    clock = FakeClock()

    @endpoint(**options)
    async def slow(ctx):
        await clock.sleep(10)
        yield "x"

    async with open_stream(slow, clock=clock, wait=False) as stream:
        while not stream.chunks:
            assert clock.now() < 20
            await clock.advance(0.5)
        assert when <= clock.now() <= when + 0.5
        assert stream.status == 200
        if when < 10:  # a comment, since some servers hold the head until a body byte
            assert stream.comments
            assert stream.events == []


# E0, F7: the end of an empty source commits too
@on_each_host
@pytest.mark.parametrize(
    ("format", "body"),
    [("ndjson", b""), ("text", b""), ("sse", b"event: done\nid: ~end\ndata: \n\n")],
)
async def test_an_empty_source_is_a_whole_answer(fetch: Any, format: str, body: bytes) -> None:
    @endpoint(format=format)
    async def empty(ctx):
        if ctx is None:
            yield

    reply = await fetch(empty)
    assert (reply.status, reply.is_complete) == (200, True)
    assert sorted(reply.body.split(b"\n")) == sorted(body.split(b"\n"))  # the order is W's affair


# E0: ctx.commit()
async def test_commit_by_hand() -> None:
    gate = asyncio.Event()

    @endpoint
    async def slow(ctx):
        ctx.head.status = 202
        ctx.commit()
        await gate.wait()
        yield Event("x")

    async with open_stream(slow) as stream:
        assert stream.status == 202
        assert stream.events == []
        gate.set()
        assert (await stream.next_event()).data == "x"


async def test_commit_may_be_awaited() -> None:
    @endpoint
    async def failing(ctx):
        await ctx.commit()
        raise HttpError(404)
        yield

    async with open_stream(failing) as stream:
        assert stream.status == 200
        assert (await stream.next_event()).json()["errors"][0]["status"] == 404


# E1 no more: once the head left, an error is an event, whatever its status
async def test_after_an_early_commit_an_error_is_an_event() -> None:
    @endpoint(commit="start")
    async def failing(ctx):
        raise HttpError(404)
        yield

    reply = await fetch(failing)
    assert reply.status == 200
    assert reply.events[0][0] == "error"


async def test_a_generator_that_fails_first_keeps_what_middleware_set() -> None:
    # E1, M4
    @endpoint(headers={"content-disposition": "attachment"}).use(request_id())
    async def fails(ctx: Any) -> Any:
        raise HttpError(409, detail="taken", headers={"x-hint": "other"})
        yield ""

    async with open_stream(fails, headers={"x-request-id": "abc"}) as stream:
        assert stream.status == 409
        assert stream.headers["x-request-id"] == "abc"
        assert stream.headers["x-hint"] == "other"
        assert stream.headers["content-type"] == "application/json"
        assert stream.headers["cache-control"] == "no-store"
        assert "content-disposition" not in stream.headers
