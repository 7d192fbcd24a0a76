"""System 5's first program, once for each framework: the same greeting, and a chat by POST."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from penstock import Event
from tests.seeds.sources import openai_chunks

__all__ = ("answer", "greet")


async def greet() -> AsyncGenerator[Event]:
    """A text, then a structure under a name of its own."""
    yield Event("Hello, world!", "message")
    yield Event({"text": "Hello!", "timestamp": 1767225600000}, "update")


async def answer(prompt: str) -> AsyncGenerator[Event]:
    """A model's answer token by token, then the word that it is complete."""
    async for chunk in await openai_chunks(prompt):
        content = chunk.choices[0].delta.content if chunk.choices else None
        if content:
            yield Event(content, "llm-chunk")
    yield Event({"done": True}, "llm-done")
