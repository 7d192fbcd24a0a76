"""A Lambda handler in a test's hands, on a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import endpoint
from penstock.aws import asgi_handler, stream_handler
from penstock.errors import InvalidOption
from penstock.testing import FakeClock, LambdaContext, open_lambda
from tests.aws.support.local import function_url


@stream_handler
async def ticks(event: Any, context: Any) -> AsyncIterator[Any]:
    yield {"i": 0}
    await asyncio.sleep(3600)


async def test_a_stream_that_never_ends_is_read_event_by_event() -> None:
    # T1
    async with open_lambda(ticks, function_url()) as stream:
        assert stream.status == 200
        assert stream.content_type == "text/event-stream"
        assert (await stream.next_event()).json() == {"i": 0}


async def test_a_direct_invoke_and_its_error() -> None:
    # T1, L7b
    @stream_handler(format="ndjson")
    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        if event.get("fail"):
            raise ValueError("told")
        yield context.aws_request_id

    context = LambdaContext()
    async with open_lambda(handler, {}, context=context) as stream:
        assert await stream.next_event() == context.aws_request_id
    with pytest.raises(ValueError, match="told"):
        async with open_lambda(handler, {"fail": 1}):
            pass


async def test_keep_alives_and_the_deadline_on_a_fake_clock() -> None:
    # T2, F3, L9
    clock = FakeClock()
    async with open_lambda(ticks, function_url(), clock=clock) as stream:
        await stream.next_event()
        await clock.advance(15)
        await clock.advance(43)  # two seconds before the sixtieth
        error = await stream.next_event()
        assert error.json()["errors"][0]["status"] == 504
        assert stream.comments


async def test_cookies_statuses_and_buffered_replies() -> None:
    # T1
    @endpoint(methods=["GET"])
    async def handler(ctx: Any) -> Any:
        ctx.head.status = 201
        ctx.head.set_cookie("a", "1")
        ctx.head.set_cookie("b", "2")
        return {"n": 1}

    for mode in ("stream", "buffered"):
        made = asgi_handler(handler, invoke_mode=mode)
        async with open_lambda(made, function_url()) as stream:
            assert (stream.status, stream.cookies) == (201, {"a": "1", "b": "2"})
            assert await stream.read() == b'{"n":1}'
            assert stream.ended == "complete"


async def test_what_fails_in_the_middle_is_cut() -> None:
    # T1, L7d
    @stream_handler(throw=True)
    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        yield 1
        raise ValueError("midway")

    async with open_lambda(handler, function_url()) as stream:
        await stream.read()
        assert isinstance(stream.app_error, ValueError)
        assert stream.ended == "cut"


async def test_a_plain_function_is_refused() -> None:
    with pytest.raises(InvalidOption, match="undecorated"):
        async with open_lambda(lambda event, context: None):  # type: ignore[arg-type]  # it is the mistake
            pass
