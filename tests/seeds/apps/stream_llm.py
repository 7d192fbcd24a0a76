"""System 5, ported: what its longer samples do, as far as one connection can do it.

Its sessions and channels are ``stream_llm_rooms``; a function of ``emit`` has the same ``push``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from penstock import Context, Emit, Event, Response, endpoint
from tests.seeds.sources import anthropic_events, openai_chunks

__all__ = ("complete_code", "configured", "joke", "numbers", "process", "story", "words")


@endpoint().post
async def story(ctx: Context) -> Response:
    """A chat completion, pushed chunk by chunk."""

    async def push_all(push: Emit) -> None:
        async for chunk in await openai_chunks((await ctx.json())["prompt"]):
            content = chunk.choices[0].delta.content if chunk.choices else None
            if content:
                push(content, "llm-chunk")
        push({"done": True}, "llm-done")

    return ctx.sse(push_all)


@endpoint().post
async def joke(ctx: Context) -> Response:
    """The other provider: of its events only those with text."""

    async def push_all(push: Emit) -> None:
        async for event in await anthropic_events((await ctx.json())["prompt"]):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                await push(event.delta.text, "llm-chunk")
        await push({"done": True}, "llm-done")

    return ctx.sse(push_all)


@endpoint
def words(ctx: Context) -> Iterator[Event]:
    """Any stream of pieces, each transformed on its way."""
    for piece in ["Hello", " ", "World", "!"]:
        yield Event({"text": piece}, "data")


@endpoint
async def numbers(ctx: Context) -> Response:
    """Plain iterables, one after the other, in one answer."""

    async def ticks() -> AsyncGenerator[dict[str, int]]:
        for count in range(3):
            await asyncio.sleep(0)
            yield {"count": count}

    async def push_all(push: Emit) -> None:
        for number in [1, 2, 3]:
            await push(number, "number")
        async for tick in ticks():
            await push(tick, "tick")

    return ctx.sse(push_all)


def in_one_line(data: Any) -> str:
    """A serializer that also sanitizes."""
    return f"<{data}>".replace("\n", " ")


@endpoint
async def configured(ctx: Context) -> Response:
    """Every option that a session has there."""
    return ctx.sse(
        [Event("a\nb", id="7")],
        retry=3000,
        keep_alive=5.0,
        status=201,
        headers={"X-Custom-Header": "value"},
        serializer=in_one_line,
        done=None,
    )


@endpoint().post
async def complete_code(ctx: Context) -> AsyncGenerator[Event]:
    """Each chunk with all the text so far."""
    full = ""
    async for chunk in await openai_chunks((await ctx.json())["prompt"]):
        content = (chunk.choices[0].delta.content or "") if chunk.choices else ""
        if content:
            full += content
            yield Event({"chunk": content, "fullText": full}, "completion")
    yield Event({"done": True, "fullText": full}, "done", id="1")


@endpoint().post
async def process(ctx: Context) -> Response:
    """Progress of some work."""
    steps = ["Initializing", "Processing", "Finalizing"]

    async def work(push: Emit) -> None:
        for at, step in enumerate(steps, start=1):
            await push({"step": step, "progress": round(at / len(steps) * 100)}, "progress")
            await asyncio.sleep(0)
        await push({"done": True}, "complete")

    return ctx.sse(work)
