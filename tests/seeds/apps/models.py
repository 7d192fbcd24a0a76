"""Real SDKs in the systems' samples: 1 and 3 on Lambda, 5 in a session.

Where they ask is set by their own environment variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock import Context, Session, endpoint
from penstock.aws import LambdaContext, create_lambda_stream, stream_handler
from penstock.llm import Llm

__all__ = ("answer", "chat_with_anthropic", "chat_with_openai", "text")


# --- system 1: a model's stream, piped


@stream_handler(format="sse", secrets=["ANTHROPIC_API_KEY"])
async def answer(event: Mapping[str, str], context: LambdaContext) -> None:
    """The sample as it stands, in Python's shape."""
    llm = Llm("anthropic")
    await create_lambda_stream(llm.stream(event["prompt"]), context.response_stream)


# --- system 3: a model's text, as plain text


@stream_handler(format="text")
async def text(event: Any, context: LambdaContext) -> None:
    """The type first, then the text as it comes."""
    context.response_stream.set_content_type("text/plain")
    await create_lambda_stream(Llm("openai").stream("Hi"), context.response_stream)


# --- system 5: either SDK's own stream, pushed chunk by chunk


@endpoint
def chat_with_openai(ctx: Context) -> Session[None]:
    """OpenAI's own stream."""

    async def write(session: Session[None]) -> None:
        from openai import AsyncOpenAI

        async with AsyncOpenAI() as openai:
            stream = await openai.chat.completions.create(
                model="gpt-4",
                messages=[{"role": "user", "content": "Write a story"}],
                stream=True,
            )
            async for chunk in stream:
                if chunk.choices and (content := chunk.choices[0].delta.content):
                    await session.push(content, "llm-chunk")
        await session.push({"done": True}, "llm-done")

    return ctx.session(write)


@endpoint
def chat_with_anthropic(ctx: Context) -> Session[None]:
    """Anthropic's own stream."""

    async def write(session: Session[None]) -> None:
        from anthropic import AsyncAnthropic

        async with AsyncAnthropic() as anthropic:
            stream = await anthropic.messages.create(
                model="claude-3-opus-20240229",
                max_tokens=1024,
                messages=[{"role": "user", "content": "Tell me a joke"}],
                stream=True,
            )
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    await session.push(event.delta.text, "llm-chunk")
        await session.push({"done": True}, "llm-done")

    return ctx.session(write)
