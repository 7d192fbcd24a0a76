"""FastAPI: the body is checked by its model before anything streams."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

from penstock.starlette import StreamResponse
from tests.seeds.apps.greetings import answer, greet

__all__ = ("app",)

app = FastAPI()


class Chat(BaseModel):
    """What the page posts."""

    prompt: str


@app.get("/sse")
async def sse() -> StreamResponse:
    return StreamResponse(greet)


@app.post("/chat")
async def chat(body: Chat) -> StreamResponse:
    return StreamResponse(answer(body.prompt))
