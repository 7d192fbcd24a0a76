"""C5: the provider's connection is closed soon after the reader has left, whatever SDK holds it.

The table in ``docs/models.md`` was measured with this file: ``PENSTOCK_TABLE=1 pytest -s``.
"""

# ruff: noqa: E501  (tables)

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest

from penstock import Stream
from penstock.chunk import Text
from penstock.llm import chunks
from tests.llm.support import sdks
from tests.llm.support.eventstream import event
from tests.llm.support.provider import Provider, Script, sse

# The goal is 0.5 s; what a busy machine adds is not the library's.
GENEROUS = 5.0
TABLE = os.environ.get("PENSTOCK_TABLE")

CHAT_HEAD = sse({"id": "1", "object": "chat.completion.chunk", "model": "m", "created": 1,
                 "choices": [{"index": 0, "delta": {"role": "assistant"}}]})  # fmt: skip
CHAT = sse({"id": "1", "object": "chat.completion.chunk", "model": "m", "created": 1,
            "choices": [{"index": 0, "delta": {"content": "word "}}]})  # fmt: skip
RESPONSE = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [],
            "status": "in_progress", "parallel_tool_calls": True, "tool_choice": "auto",
            "tools": []}  # fmt: skip
RESPONSES_HEAD = sse({"type": "response.created", "sequence_number": 0, "response": RESPONSE})
RESPONSES = sse({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "i",
                 "output_index": 0, "content_index": 0, "delta": "word ", "logprobs": []})  # fmt: skip
MESSAGE: dict[str, Any] = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
           "stop_reason": None, "stop_sequence": None,
           "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
ANTHROPIC_HEAD = sse(
    {"type": "message_start", "message": MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    named=True,
)
ANTHROPIC = sse({"type": "content_block_delta", "index": 0,
                 "delta": {"type": "text_delta", "text": "word "}}, named=True)  # fmt: skip
GOOGLE_HEAD = sse({"responseId": "r", "modelVersion": "m", "candidates": []})
GOOGLE = sse({"candidates": [{"content": {"role": "model", "parts": [{"text": "word "}]}}]})
BEDROCK_HEAD = event("messageStart", {"role": "assistant"})
BEDROCK = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "word "}})

EVENTS = "application/vnd.amazon.eventstream"
SSE = "text/event-stream"
WAYS: dict[str, tuple[Any, Any, bytes, bytes, str]] = {
    "openai chat, async": (sdks.async_openai, sdks.open_chat, CHAT_HEAD, CHAT, SSE),
    "openai responses, async": (
        sdks.async_openai, sdks.open_responses, RESPONSES_HEAD, RESPONSES, SSE),
    "anthropic create, async": (
        sdks.async_anthropic, sdks.open_messages, ANTHROPIC_HEAD, ANTHROPIC, SSE),
    "anthropic stream(), async": (
        sdks.async_anthropic, sdks.open_helper, ANTHROPIC_HEAD, ANTHROPIC, SSE),
    "google-genai, async": (sdks.async_google, sdks.open_google, GOOGLE_HEAD, GOOGLE, SSE),
    "openai chat, sync": (sdks.sync_openai, sdks.open_chat, CHAT_HEAD, CHAT, SSE),
    "openai responses, sync": (
        sdks.sync_openai, sdks.open_responses, RESPONSES_HEAD, RESPONSES, SSE),
    "anthropic create, sync": (
        sdks.sync_anthropic, sdks.open_messages, ANTHROPIC_HEAD, ANTHROPIC, SSE),
    "anthropic stream(), sync": (
        sdks.sync_anthropic, sdks.open_helper, ANTHROPIC_HEAD, ANTHROPIC, SSE),
    "boto3 converse_stream": (sdks.boto, sdks.open_converse, BEDROCK_HEAD, BEDROCK, EVENTS),
    "google-genai, sync": (sdks.sync_google, sdks.open_google, GOOGLE_HEAD, GOOGLE, SSE),
}  # fmt: skip
ASYNC = [name for name in WAYS if name.endswith(", async")]
# Its generator refuses to be closed while it reads: it stops at its next event.
SILENT = [name for name in WAYS if name != "google-genai, sync"]


def scripted(provider: Provider, way: str, **script: Any) -> tuple[Script, Any]:
    client, open_stream, head, delta, content_type = WAYS[way]
    if script.pop("talks", False):
        script["then"] = delta
    made = provider.script(Script(head, content_type=content_type, **script))
    sdk = client(provider.url)
    return made, lambda: open_stream(sdk)


async def wait_until(event: Any, what: str) -> None:
    assert await asyncio.to_thread(event.wait, 20), what


async def see_it_leave(script: Script, left: float, way: str, state: str) -> None:
    assert await asyncio.to_thread(script.left.wait, GENEROUS), f"{way}, {state}: still connected"
    if TABLE:
        print(f"\n| {way} | {state} | {script.left_at - left:.3f} s |")


async def read_all(stream: Any) -> None:
    async for _ in chunks(stream):
        pass


@pytest.mark.parametrize("way", SILENT)
async def test_before_the_first_token(provider: Provider, way: str) -> None:
    script, stream = scripted(provider, way, hold=True)
    task = asyncio.create_task(read_all(stream))
    await wait_until(script.began, "it was never asked")
    await asyncio.sleep(0.1)
    left = monotonic()
    task.cancel()
    await asyncio.wait((task,), timeout=10)
    assert task.cancelled()
    await see_it_leave(script, left, way, "before the first token")


@pytest.mark.parametrize("way", ASYNC)
async def test_before_the_answer_has_a_head(provider: Provider, way: str) -> None:
    script, stream = scripted(provider, way, answers=False)
    task = asyncio.create_task(read_all(stream))
    await wait_until(script.began, "it was never asked")
    left = monotonic()
    task.cancel()
    await asyncio.wait((task,), timeout=10)
    await see_it_leave(script, left, way, "before the answer's head")


@pytest.mark.parametrize("way", WAYS)
async def test_parked(provider: Provider, way: str) -> None:
    """The reader is busy elsewhere: nothing is being read when it leaves."""
    script, stream = scripted(provider, way, talks=True)
    source = chunks(stream)
    async for chunk in source:
        assert chunk == Text("word ")
        break
    await asyncio.sleep(0.1)
    left = monotonic()
    await source.aclose()
    await see_it_leave(script, left, way, "parked")


@pytest.mark.parametrize("way", WAYS)
async def test_in_the_middle(provider: Provider, way: str) -> None:
    script, stream = scripted(provider, way, talks=True)
    task = asyncio.create_task(read_all(stream))
    await wait_until(script.began, "it was never asked")
    await asyncio.sleep(0.1)
    left = monotonic()
    task.cancel()
    await asyncio.wait((task,), timeout=10)
    await see_it_leave(script, left, way, "in the middle")


@pytest.mark.parametrize("form", ["chunks", "nested", "raw"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_response_whose_reader_takes_nothing(
    provider: Provider, way: str, form: str
) -> None:
    """Held by a stalled reader while it floods, through ASGI; the source in three forms."""
    script, stream = scripted(provider, way, talks=True, pause=0)
    script.then = (script.then or b"") * 2000
    gone, stalled = asyncio.Event(), asyncio.Event()

    async def nested() -> AsyncIterator[Any]:
        async for chunk in chunks(stream):
            yield chunk

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            stalled.set()
            await gone.wait()
            raise OSError("gone")

    source = {"chunks": lambda: chunks(stream), "nested": lambda: nested(), "raw": lambda: stream}
    response = Stream(source[form](), format="sse")
    scope: Any = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    task = asyncio.create_task(response.to_asgi(scope, receive, send))
    await asyncio.wait_for(stalled.wait(), 20)
    await asyncio.sleep(0.1)
    left = monotonic()
    gone.set()
    await asyncio.wait_for(task, 20)
    await see_it_leave(script, left, way, f"stalled reader, {form}")


async def test_a_stream_that_was_opened_and_never_read(provider: Provider) -> None:
    for way in ("openai chat, async", "anthropic create, async", "google-genai, async"):
        script, stream = scripted(provider, way, talks=True)
        source = chunks(await stream())
        left = monotonic()
        await source.aclose()
        if not script.began.is_set():  # google-genai's sends nothing before it is read
            continue
        await see_it_leave(script, left, way, "never read")
