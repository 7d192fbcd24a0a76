"""The chat front ends' formats on an endpoint: errors, keep-alive, head."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from penstock import Channel, Context, HttpError, Stream, endpoint
from penstock.chunk import Error, Text
from penstock.formats import SseDecoder
from penstock.testing import FakeClock, check_ui_message_stream, open_stream

FORMATS = ("ui-message-stream", "openai")
HIDDEN = "The server could not finish this request."


def told(format: str, body: bytes) -> str:
    """Return the text of the error that ends ``body``."""
    if format == "ui-message-stream":
        last = check_ui_message_stream(body)[-1]
        return str(last["errorText"])
    *_, error, done = SseDecoder().feed(body)
    assert done.data == "[DONE]"
    return str(json.loads(error.data)["error"]["message"])


FAILURES: dict[str, tuple[Any, str]] = {
    "unknown": (RuntimeError("secret"), HIDDEN),
    "5xx": (HttpError(503, detail="secret"), HIDDEN),
    "4xx": (HttpError(409, detail="Too late."), "Too late."),
    "chunk": (Error(429, "Slow down", "In a minute."), "In a minute."),
    "chunk of a provider's 5xx": (Error(529, "Overloaded", "secret"), HIDDEN),
    "what cannot be written": ({"a": 1}, HIDDEN),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("failure", "text"), FAILURES.values(), ids=FAILURES)
async def test_an_error_in_mid_stream(format: str, failure: Any, text: str) -> None:
    # E2, E3, E4, C6
    async def fail(ctx: Context) -> AsyncGenerator[Any]:
        yield "half "
        if isinstance(failure, Exception):
            raise failure
        yield failure

    async with open_stream(endpoint(format=format)(fail)) as stream:
        body = await stream.read()
    assert told(format, body) == text
    assert b"secret" not in body
    assert stream.ended == "complete"


@pytest.mark.parametrize("format", FORMATS)
async def test_an_error_before_the_first_chunk_keeps_its_status(format: str) -> None:
    # E1
    async def fail(ctx: Context) -> AsyncGenerator[Any]:
        raise HttpError(429, detail="Slower.")
        yield ""

    async with open_stream(endpoint(format=format)(fail)) as stream:
        assert stream.status == 429
        assert stream.content_type == "application/json"


@pytest.mark.parametrize("format", FORMATS)
async def test_on_error_and_scrub(format: str) -> None:
    # E2, E4, C6
    async def fail(ctx: Context) -> AsyncGenerator[Any]:
        yield "half "
        raise RuntimeError("shown")

    def reword(error: BaseException, problem: Any) -> Any:
        problem.detail = "reworded"
        return problem

    async with open_stream(endpoint(format=format, on_error=str)(fail)) as stream:
        assert told(format, await stream.read()) == "shown"
    async with open_stream(endpoint(format=format, scrub=reword)(fail)) as stream:
        assert told(format, await stream.read()) == "reworded"
    # An on_error that fails must not look like the end of an answer.
    broken = endpoint(format=format, on_error=lambda error: 1 / 0)(fail)  # type: ignore[arg-type,return-value]  # the test
    async with open_stream(broken) as stream:
        await stream.read()
        assert stream.ended == "cut"


@pytest.mark.parametrize("format", FORMATS)
async def test_keep_alives_are_comments_also_before_the_first_chunk(format: str) -> None:
    # F3, C6
    clock, go = FakeClock(), asyncio.Event()

    async def quiet(ctx: Context) -> AsyncGenerator[Any]:
        await go.wait()
        yield Text("now")

    async with open_stream(endpoint(format=format)(quiet), clock=clock, wait=False) as stream:
        await clock.advance(16)
        await stream.head()
        await clock.advance(16)
        go.set()
        body = await stream.read()
    assert body.count(b": keep-alive\n") == 2
    if format == "ui-message-stream":
        assert check_ui_message_stream(body)[-1]["type"] == "finish"


async def test_a_timeout_is_an_error() -> None:
    # F8, C4: never a finish
    clock = FakeClock()

    async def slow(ctx: Context) -> AsyncGenerator[Any]:
        yield "half"
        await clock.sleep(3600)

    app = endpoint(format="ui-message-stream", timeout=5)(slow)
    async with open_stream(app, clock=clock) as stream:
        await stream.wait_for(lambda: b"half" in stream.body)
        await clock.advance(6)
        assert told("ui-message-stream", await stream.read())


async def test_a_stream_by_itself() -> None:
    # W16
    made = await Stream(["a"], format="openai", model="m", message_id="id").to_bytes()
    assert b'"id":"id"' in made
    assert b'"content":"a"' in made


@pytest.mark.parametrize("history", [0, 10])
@pytest.mark.parametrize("format", [*FORMATS, "text"])
async def test_a_channels_subscriber(format: str, history: int) -> None:
    # S3, W16: its head leaves before there is an item, and the items are written as they are
    room: Channel[Any] = Channel("room", history=history) if history else Channel("room")

    @endpoint(format=format)
    def app(ctx: Context) -> Any:
        return room.subscribe()

    async with open_stream(app) as stream:
        await room.broadcast(Text("Hello"))
        await stream.wait_for(lambda: b"Hello" in stream.body)
        room.close()
        body = await stream.read()
    if format == "ui-message-stream":
        check_ui_message_stream(body)
    assert body.count(b"Hello") == 1
