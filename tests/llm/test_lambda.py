"""A model's stream on AWS Lambda: what a handler yields, returns or pipes, in the chat formats."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import Channel, Resumable
from penstock.aws import create_lambda_stream, stream_handler, streamify_response
from penstock.chunk import Done, Text
from penstock.logs import MemoryLog
from penstock.testing import check_ui_message_stream, open_lambda

EVENTS = [
    {"choices": [{"index": 0, "delta": {"content": "Hel"}}]},
    {"choices": [{"index": 0, "delta": {"content": "lo"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]},
]


async def openai() -> Any:
    """As a server that speaks like OpenAI streams it."""
    for event in EVENTS:
        yield event


@stream_handler(format="ui-message-stream")
async def yields(event: Any, context: Any) -> Any:
    async for each in openai():
        yield each


@stream_handler(format="ui-message-stream")
async def returns(event: Any, context: Any) -> Any:
    return openai()


@stream_handler(format="ui-message-stream")
async def pipes(event: Any, context: Any) -> None:
    await create_lambda_stream(openai(), context.response_stream)


@pytest.mark.parametrize("handler", [yields, returns, pipes])
async def test_an_sdks_own_events(handler: Any) -> None:  # C1, C6
    async with open_lambda(handler) as stream:
        chunks = check_ui_message_stream(await stream.read())
    assert [chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta"] == ["Hel", "lo"]
    assert chunks[-1]["finishReason"] == "length"


async def test_another_format_than_the_handlers() -> None:  # C1, W16
    @streamify_response
    async def handler(event: Any, response_stream: Any, context: Any) -> None:
        await create_lambda_stream(lambda: openai(), response_stream, format="text")
        await response_stream.end()

    async with open_lambda(handler) as stream:
        assert await stream.read() == b"Hello"


@pytest.mark.parametrize("way", ["returned", "piped"])
@pytest.mark.parametrize("format", ["sse", "ui-message-stream"])
async def test_a_channels_subscriber(format: str, way: str) -> None:  # S3, E0
    room: Channel[Any] = Channel("room", history=10)

    @stream_handler(format=format)
    async def handler(event: Any, context: Any) -> Any:
        if way == "returned":
            return room.subscribe()
        return await create_lambda_stream(room.subscribe(), context.response_stream)

    async with open_lambda(handler) as stream:  # it has a head, and nothing was broadcast
        await room.broadcast("Hello")
        await stream.wait_for(lambda: b"Hello" in stream.body)
        room.close()
        body = await stream.read()
    if format == "sse":
        assert b"\ndata: Hello\n\n" in body
        assert body.count(b"id: ") >= 2
    else:
        check_ui_message_stream(body)


@pytest.mark.parametrize("way", ["returned", "piped"])
async def test_an_answers_follower(way: str) -> None:  # S7
    answers = Resumable(MemoryLog())

    async def model() -> Any:
        yield Text("Hello")
        yield Done()

    @stream_handler(format="ui-message-stream")
    async def handler(event: Any, context: Any) -> Any:
        await answers.start("c1", model)
        if way == "returned":
            return answers.follow("c1")
        return await create_lambda_stream(answers.follow("c1"), context.response_stream)

    async with open_lambda(handler) as stream:
        chunks = check_ui_message_stream(await stream.read())
    assert [chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta"] == ["Hello"]
