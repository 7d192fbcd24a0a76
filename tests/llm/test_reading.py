"""Streams of the official SDKs that fail, and raw streams through our hosts and formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from penstock import Context, Stream, endpoint
from penstock.chunk import Done, Error, Text, ToolCall
from penstock.llm import chunks
from penstock.testing import open_stream
from tests.llm import test_cancel as events
from tests.llm.support import sdks
from tests.llm.support.eventstream import exception
from tests.llm.support.provider import Provider, Script, sse
from tests.llm.test_provider import ANTHROPIC, BEDROCK, GOOGLE, OPENAI, chat, said, stopped

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "secret"}}
SERVER_ERROR = {"error": {"code": 503, "message": "secret", "status": "UNAVAILABLE"}}
# Way to what the provider says in the middle of a 200 answer.
INSIDE: dict[str, tuple[bytes, int]] = {
    "openai chat, async": (sse({"error": {"code": "server_error", "message": "secret"}}), 502),
    "openai chat, sync": (
        sse({"error": {"code": "rate_limit_exceeded", "message": "secret"}}), 503),
    "openai responses, async": (
        sse({"type": "error", "sequence_number": 2, "code": "rate_limit_exceeded",
             "message": "secret", "param": None}), 503),
    "openai responses, sync": (
        sse({"type": "response.failed", "sequence_number": 2,
             "response": {**events.RESPONSE, "status": "failed",
                          "error": {"code": "server_error", "message": "secret"}}}), 502),
    "anthropic create, async": (sse(OVERLOADED, named=True), 503),
    "anthropic stream(), async": (sse(OVERLOADED, named=True), 503),
    "anthropic create, sync": (sse(OVERLOADED, named=True), 503),
    "google-genai, async": (sse(SERVER_ERROR), 503),
    "google-genai, sync": (sse(SERVER_ERROR), 503),
    "boto3 converse_stream": (exception("throttlingException", {"message": "secret"}), 503),
}  # fmt: skip


async def read(provider: Provider, way: str, script: Script) -> list[Any]:
    client, open_way, *_ = events.WAYS[way]
    provider.script(script)
    sdk = client(provider.url)
    return [chunk async for chunk in chunks(lambda: open_way(sdk))]


def begun(way: str) -> tuple[bytes, str]:
    _, _, head, delta, content_type = events.WAYS[way]
    return head + delta, content_type


@pytest.mark.parametrize("way", INSIDE)
async def test_an_error_inside_a_200(provider: Provider, way: str) -> None:  # C4
    body, content_type = begun(way)
    said, status = INSIDE[way]
    got = await read(provider, way, Script(body + said, content_type=content_type))
    assert got[0] == Text("word ")
    error = got[-1]
    assert isinstance(error, Error)
    assert (error.status, error.retryable) == (status, True)
    assert "secret" not in json.dumps(error.to_dict())


@pytest.mark.parametrize("cut", [False, True], ids=["ends", "cut"])
@pytest.mark.parametrize("way", events.WAYS)
async def test_an_answer_that_ends_early(provider: Provider, way: str, cut: bool) -> None:  # C4
    body, content_type = begun(way)
    got = await read(provider, way, Script(body, content_type=content_type, cut=cut))
    assert got[0] == Text("word ")
    assert isinstance(got[-1], Error)
    assert got[-1].retryable
    assert cut or "ended early" in str(got[-1].detail)
    assert not [chunk for chunk in got if isinstance(chunk, Done)]


@pytest.mark.parametrize("status", [401, 429, 500])
@pytest.mark.parametrize("way", events.WAYS)
async def test_a_refused_request_is_raised(provider: Provider, way: str, status: int) -> None:  # E1
    refused = Script(b'{"error": {"code": 400, "message": "no"}}', status, "application/json")
    with pytest.raises(Exception) as caught:
        await read(provider, way, refused)
    assert not isinstance(caught.value, TypeError)


async def test_an_empty_answer_is_an_error(provider: Provider) -> None:  # C4
    got = await read(provider, "openai chat, async", Script(b""))
    assert [type(chunk) for chunk in got] == [Error]


async def test_ollama(provider: Provider) -> None:  # C1
    lines = [
        {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": "f", "arguments": {"x": 1}}}]}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True,
         "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 2},
    ]  # fmt: skip
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    provider.script(Script(body, content_type="application/x-ndjson", seed=1))
    client = sdks.async_ollama(provider.url)
    got = [chunk async for chunk in chunks(lambda: sdks.open_ollama(client))]
    assert got[0] == Text("Hi")
    assert [chunk.input for chunk in got if isinstance(chunk, ToolCall)] == [{"x": 1}]
    assert isinstance(got[-1], Done)
    assert got[-1].finish_reason == "tool-calls"


BODIES = {
    "openai chat, async": OPENAI,
    "openai chat, sync": OPENAI,
    "anthropic create, async": ANTHROPIC,
    "anthropic stream(), sync": ANTHROPIC,
    "google-genai, async": GOOGLE,
    "boto3 converse_stream": BEDROCK,
}


def raw(provider: Provider, way: str) -> Any:
    client, open_way, _, _, content_type = events.WAYS[way]
    provider.script(Script(BODIES[way], content_type=content_type))
    sdk = client(provider.url)
    return lambda: open_way(sdk)


@pytest.mark.parametrize("way", BODIES)
async def test_a_raw_stream_as_text(provider: Provider, way: str) -> None:
    assert await Stream(raw(provider, way), format="text").to_bytes() == b"Hello"


@pytest.mark.parametrize("way", BODIES)
async def test_a_raw_stream_as_it_is(provider: Provider, way: str) -> None:  # W16
    body = await Stream(raw(provider, way), format="ndjson").to_bytes()
    lines = [json.loads(line) for line in body.splitlines()]
    assert lines
    assert all(isinstance(line, dict) and "error" not in line for line in lines)
    assert b"Hello" in body


async def test_chunks_as_events(provider: Provider) -> None:  # W1, W16, C2
    stream = Stream(chunks(raw(provider, "openai chat, async")), format="sse")
    body = (await stream.to_bytes()).decode()
    assert body.startswith('event: text\ndata: {"type":"text","content":"Hello"}\n\n')
    assert "event: done\n" in body
    assert body.count("id: ~end") == 1


async def test_a_refused_request_through_an_endpoint(provider: Provider) -> None:  # E1
    provider.script(Script(b'{"error": {"message": "bad key"}}', 401, "application/json"))
    sdk = sdks.async_openai(provider.url)

    @endpoint
    async def answer(ctx: Context) -> Any:
        return chunks(lambda: sdks.open_chat(sdk))

    async with open_stream(answer) as stream:
        assert stream.status in (500, 502)
        assert "bad key" not in (await stream.read()).decode()


async def test_a_cut_answer_through_an_endpoint(provider: Provider) -> None:  # C4, E2
    provider.script(Script(chat(said("Hel"))))
    sdk = sdks.async_openai(provider.url)
    body = await Stream(chunks(lambda: sdks.open_chat(sdk)), format="sse").to_bytes()
    assert b"event: error" in body
    assert b"event: done" not in body


async def test_own_chunks_between_the_providers(provider: Provider) -> None:
    provider.script(Script(chat(said("a"), stopped("stop"))))
    sdk = sdks.async_openai(provider.url)

    async def mixed() -> Any:
        yield Text("first ")
        async for event in await sdks.open_chat(sdk):
            yield event

    got = [chunk async for chunk in chunks(mixed())]
    assert got == [Text("first "), Text("a"), Done()]


async def test_a_stream_in_threads_does_not_hold_the_loop(provider: Provider) -> None:  # F10
    import asyncio

    script = provider.script(Script(answers=False))
    sdk = sdks.sync_openai(provider.url)

    async def read_it() -> None:
        async for _ in chunks(lambda: sdks.open_chat(sdk)):
            pass

    task = asyncio.create_task(read_it())
    assert await asyncio.to_thread(script.began.wait, 20)  # the request is pending: the loop is not
    task.cancel()
    await asyncio.wait((task,))


def test_a_plain_generator_is_text() -> None:
    import asyncio

    def words() -> Iterator[str]:
        yield "a"
        yield "b"

    async def all_of() -> list[Any]:
        return [chunk async for chunk in chunks(words)]

    assert asyncio.run(all_of()) == [Text("a"), Text("b"), Done()]
