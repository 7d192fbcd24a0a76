"""Where the ported samples get their data: a model, a client of one, a table of users.

A prompt with ``...`` in it makes the model fall silent there and never end: what came before can
only have been read if nothing on the way held it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

__all__ = ("USERS", "User", "complete", "openai_chunks", "anthropic_events", "users")


async def complete(prompt: str) -> AsyncGenerator[str]:
    """Say the words of ``prompt``, a token each; the one after ``boom`` is never reached."""
    for word in prompt.split():
        await asyncio.sleep(0)
        if word == "...":
            await asyncio.Event().wait()
        if word == "boom":
            raise RuntimeError("the model's own words")
        yield f"{word} "


async def openai_chunks(prompt: str) -> Any:
    """What a chat completions client gives: awaited first, then read; usage comes last."""

    async def chunks() -> AsyncGenerator[Any]:
        yield _chunk(SimpleNamespace(role="assistant", content=None))
        async for token in complete(prompt):
            yield _chunk(SimpleNamespace(content=token))
        yield SimpleNamespace(choices=[], usage=SimpleNamespace(total_tokens=7))

    return chunks()


def _chunk(delta: Any) -> Any:
    return SimpleNamespace(choices=[SimpleNamespace(delta=delta)], usage=None)


async def anthropic_events(prompt: str) -> Any:
    """What a messages client gives: events, of which only some carry text."""

    async def events() -> AsyncGenerator[Any]:
        yield SimpleNamespace(type="message_start")
        async for token in complete(prompt):
            delta = SimpleNamespace(type="text_delta", text=token)
            yield SimpleNamespace(type="content_block_delta", delta=delta)
        yield SimpleNamespace(type="message_stop")

    return events()


@dataclass(frozen=True)
class User:
    """A row of the table that is exported."""

    id: int
    email: str
    created_at: str


USERS = [User(n, f"user{n}@example.org", f"2026-01-0{n}T00:00:00Z") for n in (1, 2, 3)]


async def users() -> AsyncGenerator[User]:
    """Read the table row by row."""
    for user in USERS:
        await asyncio.sleep(0)
        yield user
