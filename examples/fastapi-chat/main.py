"""A chat in FastAPI that survives a reload: the answer goes on while nobody is connected.

    pip install fastapi "penstock[cli]" anthropic
    uvicorn main:app

With ANTHROPIC_API_KEY or OPENAI_API_KEY in the environment a model answers; without, a parrot.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI

from penstock.chunk import Chunk, Done, Text
from penstock.llm import ChatRequest, Llm, chat_endpoint
from penstock.logs import MemoryLog


async def parrot(request: ChatRequest) -> AsyncIterator[Chunk]:
    """Answer with what was said, word by word."""
    for word in f"You said: {request.text}".split(" "):
        yield Text(f"{word} ")
        await asyncio.sleep(0.05)
    yield Done()


def model() -> Any:
    """Return whatever there is a key for."""
    if os.environ.get("ANTHROPIC_API_KEY"):
        return Llm("anthropic")
    if os.environ.get("OPENAI_API_KEY"):
        return Llm("openai")
    return parrot


# Everybody may talk to it, and read every chat whose id they know. A real app says authorize=.
chat = chat_endpoint(model(), log=MemoryLog(), public=True)

app = FastAPI()
app.add_route("/chat", chat)
app.add_route("/chat/{rest:path}", chat)  # .../{id}/stream resumes, .../{id}/stop stops
