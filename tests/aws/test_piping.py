"""What is followed, written to a handler's response stream."""
# L14

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import Channel, Event, Resumable
from penstock.aws import create_lambda_stream, stream_handler, streamify_response
from penstock.logs import MemoryLog
from tests.aws.support.local import call, function_url
from tests.aws.support.runtime_api import RuntimeApi


async def words() -> AsyncIterator[Any]:
    yield "a"
    yield Event({"b": 1}, event="x")


@pytest.mark.parametrize("way", ["piped", "piped as sse", "yielded", "returned"])
def test_an_answer_that_is_followed_keeps_its_ids(api: RuntimeApi, way: str) -> None:
    answers = Resumable(MemoryLog())

    async def piped(event: Any, context: Any) -> None:
        run = await answers.start("k", words)
        format = "sse" if way == "piped as sse" else None
        await create_lambda_stream(run.follow(), context.response_stream, format)
        await context.response_stream.write(": and on\n\n")

    async def yielded(event: Any, context: Any) -> AsyncIterator[Any]:
        async for item in (await answers.start("k", words)).follow():
            yield item

    async def returned(event: Any, context: Any) -> Any:
        return (await answers.start("k", words)).follow()

    function = {"yielded": yielded, "returned": returned}.get(way, piped)
    made = call(api, stream_handler(format="sse")(function), function_url())
    assert made.error is None
    text = made.http_body.decode()
    if way == "yielded":  # a generator of the user's own: the items alone
        assert text.startswith('data: a\n\nevent: x\ndata: {"b":1}\n\n')
        return
    assert text.count("\nid: ") + text.startswith("id: ") == 2, text
    assert re.search(r'event: x\nid: .+\ndata: {"b":1}\n\n', text)
    assert text.endswith(": and on\n\n") is way.startswith("piped")


def test_nothing_to_follow_is_a_204_unless_something_was_written(api: RuntimeApi) -> None:
    answers = Resumable(MemoryLog())

    @stream_handler(format="sse")
    async def handler(event: Any, context: Any) -> None:
        stream = context.response_stream
        if event["rawPath"] == "/written":
            stream.write("data: 1\n\n")
        await create_lambda_stream(answers.follow("none"), stream)

    made = call(api, handler, function_url())
    assert made.prelude["statusCode"] == 204
    assert "content-type" not in made.prelude["headers"]
    assert made.http_body == b""
    made = call(api, handler, function_url("/written"))
    assert made.prelude["statusCode"] == 200
    assert made.http_body == b"data: 1\n\n"


@pytest.mark.parametrize("event", [{}, function_url()], ids=["direct", "http"])
def test_a_subscription_lets_the_head_leave_before_its_first_event(
    api: RuntimeApi, event: Any
) -> None:
    room: Channel[Any] = Channel("room")

    @stream_handler(format="sse")
    async def handler(event: Any, context: Any) -> None:
        stream = context.response_stream

        async def say() -> None:
            await asyncio.wait_for(asyncio.shield(stream.begun), 10)  # by the head alone
            await room.broadcast({"n": 1}, "tick")
            room.close()

        saying = asyncio.ensure_future(say())
        await create_lambda_stream(room.subscribe(), stream)
        await saying

    made = call(api, handler, event)
    assert made.error is None
    body = made.body if not event else made.http_body
    assert b'event: tick\ndata: {"n":1}\n\n' in body
    assert body.startswith(b":")


def test_a_subscription_that_is_too_slow_is_an_error(api: RuntimeApi) -> None:
    room: Channel[Any] = Channel("room", max_queue=2)

    @stream_handler(format="sse")
    async def handler(event: Any, context: Any) -> None:
        subscription = room.subscribe()
        items = aiter(subscription)
        for number in range(5):
            room.broadcast(number)
        await create_lambda_stream(items, context.response_stream)

    made = call(api, handler, function_url())
    assert b"event: error" in made.http_body or made.prelude["statusCode"] == 500


def test_a_stopped_answer_leaves_the_stream_to_the_handler(api: RuntimeApi) -> None:
    answers = Resumable(MemoryLog())

    async def endless() -> AsyncIterator[str]:
        while True:
            yield "w"
            await asyncio.sleep(0.001)

    @streamify_response
    async def handler(event: Any, stream: Any, context: Any) -> None:
        run = await answers.start("k", endless)
        asyncio.get_running_loop().call_later(
            0.05, lambda: asyncio.ensure_future(answers.stop("k"))
        )
        await create_lambda_stream(run.follow(), stream)
        await stream.write("!")

    made = call(api, handler, {})
    assert made.error is None
    assert set(made.body) == set(b"w!")
    assert made.body.endswith(b"!")
