"""Each shape of handler, as a runtime calls it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from penstock import Event, HeadAlreadySent, HttpError, Stream, StreamClosed
from penstock.aws import (
    HttpResponseStream,
    create_lambda_stream,
    stream_handler,
    streamify_response,
)
from penstock.errors import InvalidOption
from tests.aws.support.local import call, function_url
from tests.aws.support.runtime_api import RuntimeApi

DONE = b"event: done\nid: ~end\ndata: \n\n"


async def agen(event: Any, context: Any) -> AsyncIterator[Any]:
    yield {"i": 0}
    yield Event({"i": 1}, event="tick")


def gen(event: Any, context: Any) -> Iterator[Any]:
    yield {"i": 0}
    yield Event({"i": 1}, event="tick")


async def later() -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0)
    yield "b"


async def writes(event: Any, context: Any) -> None:
    stream = context.response_stream
    await stream.write("event: start\ndata: {}\n\n")
    stream.write({"n": 1})
    await stream.write(Event("x", id="7"))


async def writes_by_three(event: Any, stream: Any, context: Any) -> None:
    await stream.write("data: 3\n\n")


def writes_plainly(event: Any, context: Any) -> None:
    context.response_stream.write("data: 1\n\n")
    context.response_stream.end("data: 2\n\n")


async def pipes(event: Any, context: Any) -> None:
    await create_lambda_stream(later(), context.response_stream)
    await create_lambda_stream([1], context.response_stream, format="ndjson")
    await Stream(["c"], format="text").to_lambda(context.response_stream)


class Yields:
    """An object with a handler's signature."""

    async def __call__(self, event: Any, context: Any) -> AsyncIterator[Any]:
        yield {"i": 0}


SHAPES: dict[str, tuple[Any, bytes]] = {
    "async generator": (agen, b'data: {"i":0}\n\nevent: tick\ndata: {"i":1}\n\n' + DONE),
    "an object that yields": (Yields(), b'data: {"i":0}\n\n' + DONE),
    "generator": (gen, b'data: {"i":0}\n\nevent: tick\ndata: {"i":1}\n\n' + DONE),
    "writes": (writes, b'event: start\ndata: {}\n\ndata: {"n":1}\n\nid: 7\ndata: x\n\n'),
    "three parameters": (writes_by_three, b"data: 3\n\n"),
    "a plain function writes": (writes_plainly, b"data: 1\n\ndata: 2\n\n"),
    "pipes": (pipes, b"data: a\n\ndata: b\n\n1\nc"),
    "str": (lambda event, context: "plain", b"plain"),
    "bytes": (lambda event, context: b"\x00\xff", b"\x00\xff"),
    "file": (lambda event, context: io.BytesIO(b"z" * 70_000), b"z" * 70_000),
    "async iterable": (lambda event, context: later(), b"ab"),
    "list of items": (lambda event, context: ["a", {"n": 1}], b'adata: {"n":1}\n\n'),
    "Stream": (lambda event, context: Stream([{"n": 1}], format="ndjson"), b'{"n":1}\n'),
    "None": (lambda event, context: None, b""),
    "mapping": (lambda event, context: {"a": 1}, b'{"a":1}'),
    "proxy result": (lambda event, context: {"statusCode": 200, "body": "hi"}, b"hi"),
    "base64": (
        lambda event, context: {"statusCode": 200, "body": "aGk=", "isBase64Encoded": True},
        b"hi",
    ),
    "proxy result with an iterable": (
        lambda event, context: {"statusCode": 200, "body": later()},
        b"ab",
    ),
    "proxy result with a file": (
        lambda event, context: {"statusCode": 200, "body": io.StringIO("text")},
        b"text",
    ),
}


@pytest.mark.parametrize(("function", "body"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("event", [{"direct": 1}, function_url()], ids=["direct", "http"])
def test_every_shape(api: RuntimeApi, function: Any, body: bytes, event: Any) -> None:
    # L1, L3, L6, L8, L14
    made = call(api, stream_handler(format="sse")(function), event)
    assert made.error is None
    assert made.answered
    if "direct" in event:
        assert made.body == body
        assert "nd.awslambda" not in made.header["content-type"]
    else:
        assert made.prelude["statusCode"] == 200
        assert made.http_body == body
        assert made.header["content-type"] == "application/vnd.awslambda.http-integration-response"


UNUSABLE: dict[str, Any] = {
    "a number": 3,
    "an object": object(),
    "a body of a mapping": {"statusCode": 200, "body": {"a": 1}},
    "a body of a number": {"statusCode": 200, "body": 3},
    "no base64": {"statusCode": 200, "body": "%%%", "isBase64Encoded": True},
    "a status that is none": {"statusCode": 99, "body": ""},
    "a header that is none": {"statusCode": 200, "headers": {"x": "a\nb"}},
    "cookies that are none": {"statusCode": 200, "cookies": "a=b"},
}


@pytest.mark.parametrize("value", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_return_value_is_refused_before_the_head(
    api: RuntimeApi, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # L6, L7a, L7b
    handler = stream_handler(lambda event, context: value)
    made = call(api, handler, function_url())
    assert made.prelude["statusCode"] == 500
    assert json.loads(made.http_body)["errors"][0]["status"] == 500
    assert len(caplog.records) == 1
    direct = call(api, handler, {})
    assert not direct.answered
    assert direct.error is not None


def test_a_proxy_result_keeps_status_headers_and_cookies(api: RuntimeApi) -> None:
    # L2, H5, H7
    @stream_handler
    async def handler(event: Any, context: Any) -> Any:
        return {
            "statusCode": 201,
            "headers": {"X-A": "b", "content-length": "3", "connection": "close"},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": later(),
        }

    made = call(api, handler, function_url())
    assert made.prelude == {
        "statusCode": 201,
        "headers": {"content-type": "text/event-stream", "x-a": "b"},
        "cookies": ["a=1; Path=/", "b=2"],
    }


def test_the_first_chunk_leaves_before_the_second_is_made(api: RuntimeApi) -> None:
    # L1: at the Runtime API's socket
    seen: list[int] = []

    @stream_handler
    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        running = next(iter(api._running.values()))
        yield {"i": 0}
        await asyncio.to_thread(running.wait_for_chunks, 2)
        seen.append(len(running.chunks))
        yield {"i": 1}

    made = call(api, handler, function_url())
    assert made.error is None
    assert seen == [2]  # the prelude by itself, and the first event
    assert made.chunks[0].endswith(b"\0" * 8)


def test_the_node_contract(api: RuntimeApi) -> None:
    # L6, L8, L14, system 3
    @streamify_response
    async def handler(event: Any, response_stream: Any, context: Any) -> str:
        response_stream = HttpResponseStream.from_(
            response_stream, {"statusCode": 200, "headers": {"CustomHeader": "outerspace"}}
        )
        response_stream.set_content_type("text/plain")
        await response_stream.write("Hello, ")
        await response_stream.write({"json": 1})
        await response_stream.end()
        return "ignored"

    for event in (function_url(), {"direct": 1}):  # from_ asks for a prelude in any case
        made = call(api, handler, event)
        assert made.prelude == {
            "statusCode": 200,
            "headers": {"content-type": "text/plain", "customheader": "outerspace"},
        }
        assert made.http_body == b'Hello, {"json":1}'


def test_the_prelude_leaves_though_nothing_is_written(api: RuntimeApi) -> None:
    # L8
    @streamify_response
    async def handler(event: Any, stream: Any, context: Any) -> None:
        HttpResponseStream.from_(stream, {"statusCode": 204, "cookies": ["a=1"]})

    made = call(api, handler, function_url())
    assert (made.prelude["statusCode"], made.prelude["cookies"]) == (204, ["a=1"])
    assert made.http_body == b""


def test_what_cannot_be_done_to_a_stream_any_more(api: RuntimeApi) -> None:
    # L8, L14, F6
    errors: list[str] = []

    @streamify_response
    async def handler(event: Any, stream: Any, context: Any) -> None:
        await stream.write("a")
        for attempt in (
            lambda: stream.set_content_type("text/plain"),
            lambda: HttpResponseStream.from_(stream, {"statusCode": 201}),
        ):
            with pytest.raises(HeadAlreadySent):
                attempt()
        await stream.end()
        stream.end()
        try:
            await stream.write("b")
        except StreamClosed as exc:
            errors.append(str(exc))

    assert call(api, handler, {}).body == b"a"
    assert errors
    assert call(api, handler, {}).body == b"a"


def test_a_handler_may_go_on_after_the_end(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    after: list[str] = []

    @streamify_response
    async def handler(event: Any, stream: Any, context: Any) -> None:
        stream.end("done")
        await asyncio.sleep(0.05)
        after.append("cleaned up")
        raise ValueError("too late to tell")

    made = call(api, handler, {})
    assert (made.body, made.error, after) == (b"done", None, ["cleaned up"])
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize("throw", [False, True])
def test_errors_before_the_head(
    api: RuntimeApi, throw: bool, caplog: pytest.LogCaptureFixture
) -> None:
    # L7a, L7b, E1
    @stream_handler(throw=throw)
    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        raise HttpError(404, detail="no such export")
        yield

    made = call(api, handler, function_url())
    if throw:
        assert isinstance(made.error, HttpError)
        assert not made.answered
    else:
        assert made.prelude["statusCode"] == 404
        problem = {"status": 404, "title": "Not Found", "detail": "no such export"}
        assert json.loads(made.http_body) == {"errors": [problem]}
    direct = call(api, handler, {})
    assert isinstance(direct.error, HttpError)
    assert not direct.answered
    assert not caplog.records


@pytest.mark.parametrize("event", [{}, function_url()], ids=["direct", "http"])
def test_an_error_after_the_head_in_a_format_of_ours(
    api: RuntimeApi, event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # L7c, E2, E3
    @stream_handler(format="ndjson")
    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        yield 1
        raise ValueError("secret")

    made = call(api, handler, event)
    assert made.error is None
    assert made.trailers == {}
    line = json.loads(made.body.splitlines()[-1])
    assert line["error"]["errors"][0]["status"] == 500
    assert b"secret" not in made.body
    assert [record.request_id for record in caplog.records] == [made.call.id]  # type: ignore[attr-defined]  # extra=


@pytest.mark.parametrize("event", [{}, function_url()], ids=["direct", "http"])
@pytest.mark.parametrize("kind", ["throw", "text", "raw", "body"])
def test_an_error_after_the_head_in_trailers(
    api: RuntimeApi, event: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    # L7d, E5
    async def items(*_: Any) -> AsyncIterator[Any]:
        yield "a\n"
        raise RangeError("midway " + "x" * 5000)

    async def raw(event: Any, stream: Any, context: Any) -> None:
        await stream.write("a\n")
        raise RangeError("midway " + "x" * 5000)

    handlers: dict[str, Any] = {
        "throw": stream_handler(throw=True)(items),
        "text": stream_handler(format="text")(items),
        "raw": streamify_response(raw),
        "body": stream_handler(lambda event, context: {"statusCode": 200, "body": items()}),
    }
    made = call(api, handlers[kind], event)
    assert isinstance(made.error, RangeError)  # awslambdaric logs it; its post is held back
    assert made.answered
    assert made.body.endswith(b"data: a\ndata: \n\n" if kind == "throw" else b"a\n")
    assert made.trailers["lambda-runtime-function-error-type"] == "RangeError"
    assert made.error_body["errorMessage"].startswith("midway xxx")
    assert made.raw.endswith(b"\r\n\r\n")
    assert len(made.raw[made.raw.rindex(b"\r\n0\r\n") + 5 :]) < 4090
    assert not caplog.records


def test_an_error_off_an_events_boundary_breaks_off(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    # L14
    @stream_handler
    async def handler(event: Any, context: Any) -> None:
        await context.response_stream.write(event["text"])
        raise RangeError("midway")

    assert call(api, handler, {"text": "data: half"}).trailers
    at_boundary = call(api, handler, {"text": "data: whole\n\n"})
    assert not at_boundary.trailers
    assert at_boundary.body.startswith(b"data: whole\n\nevent: error\n")


def test_head_and_the_statuses_without_a_body(api: RuntimeApi) -> None:
    # H6, H7
    ran: list[str] = []

    @stream_handler
    async def stream(event: Any, context: Any) -> AsyncIterator[Any]:
        ran.append("stream")
        yield 1

    @stream_handler
    async def returns(event: Any, context: Any) -> Any:
        ran.append("returns")
        return {"statusCode": event.get("status", 404), "body": later()}

    head = call(api, stream, function_url(method="HEAD"))
    assert head.prelude["headers"]["content-type"] == "text/event-stream"
    assert (head.http_body, ran) == (b"", [])
    head = call(api, returns, function_url(method="HEAD"))
    assert (head.prelude["statusCode"], head.http_body, ran) == (404, b"", ["returns"])
    for status in (204, 205, 304):
        made = call(api, returns, {**function_url(), "status": status})
        assert (made.prelude["statusCode"], made.http_body) == (status, b"")


def test_middleware_sees_direct_events_too(api: RuntimeApi) -> None:
    # L15, M1, M4
    seen: list[Any] = []

    async def note(ctx: Any, call_next: Any) -> Any:
        response = await call_next(ctx)
        response.on_finish(lambda ending: seen.append((ctx.event, str(ending), ctx.id)))
        return response

    @stream_handler(middleware=note, guards=lambda ctx: "user" in ctx.event)
    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        yield 1

    made = call(api, handler, {"user": "ada"})
    assert seen == [({"user": "ada"}, "completed", made.call.id)]
    assert call(api, handler, function_url()).prelude["statusCode"] == 403
    assert isinstance(call(api, handler, {}).error, HttpError)


def test_mistakes_are_found_at_definition() -> None:
    # M7
    stream: Any = stream_handler
    raw: Any = streamify_response
    for wrong in (
        lambda: stream(lambda event: None),
        lambda: stream(lambda: None),
        lambda: raw(lambda event, context: None),
        lambda: stream(3),
        lambda: stream(format="nope"),
        lambda: stream(keepalive=3),
        lambda: stream(secrets="API_KEY"),
        lambda: stream(invoke_mode="sometimes")(agen),
        lambda: stream(deadline_margin=0)(agen),
    ):
        with pytest.raises(InvalidOption):
            wrong()


def test_a_generator_is_told_to_yield(api: RuntimeApi) -> None:
    @stream_handler
    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        context.response_stream.write("x")
        yield 1

    assert "yield" in str(call(api, handler, {}).error)


def test_writes_that_nobody_awaits_have_a_bound(api: RuntimeApi) -> None:
    # F13
    @streamify_response
    async def handler(event: Any, stream: Any, context: Any) -> None:
        for _ in range(100_000):
            stream.write("x" * 1000)

    made = call(api, handler, {})
    assert type(made.error).__name__ == "Overflow"
    assert made.size < 1_000_000


def test_the_handler_keeps_its_name_and_is_logged_under_its_own(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    @stream_handler(name="worker")
    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        """Says what it does."""
        yield 1
        raise ValueError

    assert handler.__wrapped__.__name__ == "handler"
    assert handler.__doc__ == "Says what it does."
    made = call(api, handler, {})
    assert caplog.records[0].levelno == logging.ERROR
    assert f"[worker {made.call.id}]" in caplog.records[0].getMessage()


class RangeError(Exception):
    pass
