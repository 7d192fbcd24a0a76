"""Starlette."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from penstock.starlette import StreamResponse
from tests.seeds.apps.greetings import answer, greet

__all__ = ("app",)


async def sse(request: Request) -> StreamResponse:
    return StreamResponse(greet)


async def chat(request: Request) -> StreamResponse:
    asked = await request.json()
    return StreamResponse(answer(asked["prompt"]))


app = Starlette(routes=[Route("/sse", sse), Route("/chat", chat, methods=["POST"])])
