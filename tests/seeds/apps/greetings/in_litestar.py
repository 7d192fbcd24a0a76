"""Litestar."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, get, post

from penstock.litestar import StreamResponse
from tests.seeds.apps.greetings import answer, greet

__all__ = ("app",)


@get("/sse")
async def sse() -> StreamResponse:
    return StreamResponse(greet)


@post("/chat", status_code=200)
async def chat(request: Request[Any, Any, Any]) -> StreamResponse:
    asked = await request.json()
    return StreamResponse(answer(asked["prompt"]))


app = Litestar([sse, chat])
