"""System 1: handlers with named events, an iterable piped to a host, errors in the stream."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from penstock import Context, Event, HttpError, Stream, endpoint, format_ndjson, format_sse
from penstock.chunk import Done, Text
from penstock.testing import open_stream
from tests.seeds.apps.jaypie import answer, greet, greet_wsgi, pipe, raw, work, work_wsgi
from tests.seeds.hosts import Answer, on_asgi, on_server, on_wsgi

APP = "tests.seeds.apps.jaypie"
WORKED = b'event: start\ndata: {}\n\nevent: data\ndata: {"count":1}\n\nevent: done\ndata: {}\n\n'


# --- the handlers


def check_work(answered: Answer) -> None:
    # H1, W9
    assert answered.status == 200
    assert answered.headers["content-type"] == "text/event-stream"
    assert answered.body == WORKED


async def test_work_on_asgi() -> None:
    check_work(await on_asgi(work))


def test_work_on_wsgi() -> None:
    check_work(on_wsgi(work_wsgi))


@pytest.mark.parametrize(("server", "app"), [("uvicorn", "work"), ("gunicorn-sync", "work_wsgi")])
def test_work_on_a_server(server: str, app: str) -> None:
    check_work(on_server(server, f"{APP}:{app}"))


async def test_greeting_on_a_route() -> None:
    # W8: the name "message" is the default, and a reader sees it all the same
    said = [("message", '{"text":"Hello"}')]
    assert (await on_asgi(greet)).said == on_wsgi(greet_wsgi).said == said


async def test_events_written_by_hand_are_sent_as_they_stand() -> None:
    # W14, H2
    answered = await on_asgi(raw)
    assert answered.headers["content-type"] == "text/event-stream"
    assert answered.body == b'event: message\ndata: {"text": "Hello"}\n\n'


# --- the formats

FORMATS = {
    "sse": ("text/event-stream", b'event: text\ndata: {"type":"text","content":"hi "}\n\n'),
    "nljson": ("application/x-ndjson", b'{"type":"text","content":"hi "}\n'),
    "ndjson": ("application/x-ndjson", b'{"type":"text","content":"hi "}\n'),
}


@pytest.mark.parametrize("name", FORMATS)
async def test_an_answer_piped_in_each_format(name: str) -> None:
    # H1, W1, W2
    content_type, first = FORMATS[name]
    answered = await on_asgi(pipe, f"/?prompt=hi&format={name}")
    assert answered.headers["content-type"] == content_type
    assert answered.body.startswith(first)
    assert b'{"type":"done","finish_reason":"stop"}' in answered.body[len(first) :]


async def test_one_wrapper_goes_to_every_host() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Stream(answer("hi"), format="sse").to_asgi(scope, receive, send)

    def wsgi(environ: Any, start_response: Any) -> Any:
        return Stream(answer("hi"), format="sse").to_wsgi(environ, start_response)

    whole = await Stream(answer("hi"), format="sse").to_bytes()
    assert whole.startswith(FORMATS["sse"][1])
    assert (await on_asgi(app)).body == on_wsgi(wsgi).body == whole


CHUNKS = {
    "text": (Text("hi"), "text", {"type": "text", "content": "hi"}),
    "the same by hand": (
        {"type": "text", "content": "hi"},
        "text",
        {"type": "text", "content": "hi"},
    ),
    "done": (Done(), "done", {"type": "done", "finish_reason": "stop"}),
}


@pytest.mark.parametrize(("chunk", "name", "data"), CHUNKS.values(), ids=CHUNKS)
def test_one_chunk_as_text(chunk: Any, name: str, data: Any) -> None:
    # W1, W2
    compact = json.dumps(data, separators=(",", ":")).encode()
    assert format_sse(chunk) == b"event: %b\ndata: %b\n\n" % (name.encode(), compact)
    assert format_ndjson(chunk) == compact + b"\n"


# --- errors


async def broken(ctx: Context) -> AsyncGenerator[Event]:
    """A handler that fails halfway."""
    yield Event({"count": 1}, event="data")
    raise RuntimeError("the table is gone")


ERRORS: dict[str, tuple[str, Any]] = {
    "sse": ("event: error", lambda wire: json.loads(wire.split("data: ")[-1])),
    "nljson": ('{"error":{"errors":', lambda wire: json.loads(wire.splitlines()[-1])["error"]),
}


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_is_written_in_the_streams_format(name: str) -> None:
    # E2, E3
    shows, read = ERRORS[name]
    answered = await on_asgi(endpoint(format=name)(broken))
    wire = answered.body.decode()
    assert answered.status == 200
    assert wire.count(shows) == 1
    (error,) = read(wire)["errors"]
    assert (error["status"], error["title"]) == (500, "Internal Server Error")
    assert "table" not in wire


@pytest.mark.parametrize("name", ERRORS)
async def test_throw_gives_the_error_to_the_host_instead(name: str) -> None:
    # E5
    async with open_stream(endpoint(format=name, throw=True)(broken)) as stream:
        body = await stream.read()
        assert stream.ended == "cut"
        assert isinstance(stream.app_error, RuntimeError)
    assert b"error" not in body


async def test_throw_before_the_first_byte() -> None:
    # E5
    @endpoint(throw=True)
    async def refused(ctx: Context) -> AsyncGenerator[Event]:
        raise HttpError(400)
        yield

    with pytest.raises(HttpError):
        await on_asgi(refused)


# --- the life around a handler, as its options


async def test_the_lifecycle_options() -> None:
    # M3, M2: lists and single functions, in order, and tear-down backwards after the last byte
    steps: list[str] = []

    @endpoint(
        validate=lambda ctx: steps.append("validate"),
        setup=[lambda: steps.append("one"), lambda: steps.append("two")],
        teardown=[lambda: steps.append("-one"), lambda: steps.append("-two")],
        done=None,
    )
    async def handler(ctx: Context) -> AsyncGenerator[Event]:
        steps.append("handler")
        yield Event("x")

    assert (await on_asgi(handler)).body == b"data: x\n\n"
    assert steps == ["validate", "one", "two", "handler", "-two", "-one"]


UNAVAILABLE = {
    "by option": ({"unavailable": True}, {}),
    "by environment": ({}, {"PROJECT_UNAVAILABLE": "true"}),
}


@pytest.mark.parametrize(("options", "env"), UNAVAILABLE.values(), ids=UNAVAILABLE)
async def test_unavailable(
    options: dict[str, Any], env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # M4, M5
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    answered = await on_asgi(endpoint(**options)(broken))
    assert answered.status == 503
    assert json.loads(answered.body)["errors"][0]["title"] == "Service Unavailable"


async def test_a_request_that_is_not_valid() -> None:
    # M5
    answered = await on_asgi(endpoint(validate=lambda ctx: False)(broken))
    assert answered.status == 400
