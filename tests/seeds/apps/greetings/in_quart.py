"""Quart."""

from __future__ import annotations

from quart import Quart, request

from penstock.quart import StreamResponse
from tests.seeds.apps.greetings import answer, greet

__all__ = ("app",)

app = Quart(__name__)


@app.get("/sse")
async def sse() -> StreamResponse:
    return StreamResponse(greet)


@app.post("/chat")
async def chat() -> StreamResponse:
    asked = await request.get_json()
    return StreamResponse(answer(asked["prompt"]))
