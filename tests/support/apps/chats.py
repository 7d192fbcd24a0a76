"""A chat with a scripted model, mounted in every framework at ``/api/chat``; and a page for it.

What the model does is said by the question: see ``answer``. ``/log`` tells what has happened.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from penstock import Context, Endpoint, HttpError, Response, endpoint
from penstock.chunk import (
    Data,
    Done,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from penstock.llm.chat import chat_endpoint
from penstock.llm.requests import ChatRequest, parse_chat_request

LOG: list[str] = []
_GO: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

WORDS = [f"word{n} " for n in range(40)]


async def answer(request: ChatRequest) -> AsyncGenerator[Any]:
    """Answer as the last word of the question says."""
    kind = request.text.split()[-1]
    LOG.append(f"{kind} asked")
    try:
        async for item in _KINDS[kind](request):
            yield item
        LOG.append(f"{kind} done")
    except asyncio.CancelledError:
        LOG.append(f"{kind} cancelled")
        raise


async def _hello(request: ChatRequest) -> AsyncGenerator[Any]:
    yield Text("Hello, ")
    yield Text("world")
    yield Done("stop", Usage(3, 2, total=5))


async def _tools(request: ChatRequest) -> AsyncGenerator[Any]:
    yield Reasoning("Where is it?")
    yield ToolCallStart("c1", "weather")
    yield ToolCallDelta("c1", '{"city":"Oslo"}')
    yield ToolCall("c1", "weather", '{"city":"Oslo"}', {"city": "Oslo"})
    yield Done("tool-calls")
    yield ToolResult("c1", "weather", {"celsius": 3})
    yield Source("http://weather.example/", title="Weather")
    yield Data("chart", {"points": [1, 2]})
    yield Text("Three degrees.")
    yield Done("stop")


async def _ask(request: ChatRequest) -> AsyncGenerator[Any]:
    """Call a tool that the front end runs; with its result, say it."""
    if request.messages[-1].role == "assistant":
        (tool,) = request.messages[-1].tools
        yield f"You are in {tool.output}."
        return
    yield ToolCall("c1", "locate", "{}")
    yield Done("tool-calls")


async def _fail(request: ChatRequest) -> AsyncGenerator[Any]:
    yield "Half of "
    raise RuntimeError("the secret")


async def _refuse(request: ChatRequest) -> AsyncGenerator[Any]:
    raise HttpError(429, detail="Slower, please.")
    yield ""


async def _held(request: ChatRequest) -> AsyncGenerator[Any]:
    """Say half of it, and the rest when told to by ``/go``."""
    for word in WORDS[:20]:
        yield word
    await _GO[request.id].wait()
    for word in WORDS[20:]:
        yield word


async def _endless(request: ChatRequest) -> AsyncGenerator[Any]:
    while True:
        yield "on and "
        await asyncio.sleep(0.02)


_KINDS: dict[str, Callable[[ChatRequest], AsyncGenerator[Any]]] = {
    "hello": _hello,
    "tools": _tools,
    "ask": _ask,
    "fail": _fail,
    "refuse": _refuse,
    "held": _held,
    "endless": _endless,
}


def allowed(ctx: Context, id: str) -> bool:
    """Let nobody into chats that are private."""
    return not id.startswith("private")


chat: Endpoint = chat_endpoint(answer, authorize=allowed)


@endpoint(format="ui-message-stream")
async def plain(ctx: Context) -> AsyncGenerator[Any]:
    """The same answers, without a log behind them."""
    async for item in answer(parse_chat_request(await ctx.body())):
        yield item


@endpoint
async def log(ctx: Context) -> Response:
    return Response({"log": LOG})


@endpoint
async def go(ctx: Context) -> Response:
    _GO[ctx.query["id"]].set()
    return Response(None, 204)


@endpoint
async def page(ctx: Context) -> Response:
    return Response("<!doctype html><main id=root></main><script src=/page.js></script>",
                    content_type="text/html; charset=utf-8")  # fmt: skip


@endpoint
async def script(ctx: Context) -> Response:
    import os

    built = Path(os.environ["CHAT_PAGE_JS"])
    return Response(built.read_text(), content_type="text/javascript; charset=utf-8")


def with_starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Route

    return Starlette(
        routes=[
            Route("/api/chat", chat),
            Route("/api/chat/{rest:path}", chat),
            Route("/log", log),
            Route("/go", go),
            Route("/", page),
            Route("/page.js", script),
        ]
    )


def with_fastapi() -> Any:
    from fastapi import FastAPI

    app = FastAPI()
    route: Any = chat  # Starlette's types know functions only
    app.add_route("/api/chat", route)
    app.add_route("/api/chat/{rest:path}", route)
    return app


def with_litestar() -> Any:
    from litestar import Litestar, asgi

    return Litestar([asgi("/api/chat", is_mount=True, copy_scope=True)(chat)])


def with_quart() -> Any:
    from hypercorn.middleware import DispatcherMiddleware
    from quart import Quart

    mounts: dict[str, Any] = {"/api/chat": chat, "": Quart(__name__)}
    return DispatcherMiddleware(mounts)


def with_flask() -> Any:
    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    return DispatcherMiddleware(Flask(__name__), {"/api/chat": chat.wsgi})


def _with_django() -> None:
    import django
    from django.conf import settings
    from django.urls import re_path

    from penstock.django import endpoint_view

    if not settings.configured:
        urls = type("Urls", (), {})
        urls.urlpatterns = [re_path(r"^api/chat(?:/.*)?$", endpoint_view(chat))]  # type: ignore[attr-defined]  # a module, to Django
        settings.configure(
            ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"], SECRET_KEY="x",
            MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        )  # fmt: skip
        django.setup()


def with_django() -> Any:
    from django.core.asgi import get_asgi_application

    _with_django()
    return get_asgi_application()


def with_django_wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application

    _with_django()
    return get_wsgi_application()


_MADE = {
    "starlette": with_starlette,
    "fastapi": with_fastapi,
    "litestar": with_litestar,
    "quart": with_quart,
    "flask": with_flask,
    "django": with_django,
    "django_wsgi": with_django_wsgi,
}


def __getattr__(name: str) -> Any:
    """Make the app that a server asks for, and no other."""
    if name not in _MADE:
        raise AttributeError(name)
    return _MADE[name]()
