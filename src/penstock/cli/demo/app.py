"""The demo as an ASGI app: a page, one generator behind three formats, and the server's log.

Lives here: routes and the chat endpoint. Stays out: what the model says (``script``), how the page
looks (``page.html``), which server runs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from html import escape
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs

from penstock import Context, Ending, Endpoint, Event, HttpError, Response, endpoint
from penstock.chunk import Chunk, Done
from penstock.cli.demo.journal import Journal, Run
from penstock.cli.demo.room import Room
from penstock.cli.demo.script import Answer, answer_to, steps
from penstock.cli.web import load_page, page_endpoint
from penstock.clock import current_clock
from penstock.llm import Llm
from penstock.types import ASGIApp, Receive, Scope, Send

__all__ = ("create_app", "model_of")

# Short, so that a person who watches gets to see some.
_KEEP_ALIVE = 2.0
_MAX_PROMPT = 2_000

# Whose key is looked for, in this order: the provider, and its SDK.
_KEYS = {
    "ANTHROPIC_API_KEY": ("anthropic", "anthropic"),
    "OPENAI_API_KEY": ("openai", "openai"),
}

# What shows the pipe, not the model: no model fails, or falls silent, when it is asked to.
_STAGED = ("quiet", "flood", "refusal", "break", "tools")

# Of the page, as long as it is true.
_SCRIPTED = b"The model is scripted and lives on this machine."


def create_app(journal: Journal | None = None, llm: Llm | None = None) -> ASGIApp:
    """Return the demo.

    Args:
        journal: Where its streams are told of.
        llm: A real model, which answers all that is not staged; None: everything is.
    """
    journal = journal if journal is not None else Journal()
    chats = _chats(journal, llm)
    room = Room()
    page = load_page("demo/page.html")
    if llm is not None:
        page = page.replace(_SCRIPTED, f"The model is {escape(llm.model)}.".encode())
    routes = {
        # Served by the local Lambda, a chat's stream comes from another port of the same machine.
        "/": page_endpoint(page, connects_to="'self' http://*:*"),
        "/log": _log(journal),
        "/room": page_endpoint(load_page("demo/room.html")),
        "/room/events": room.events,
        "/room/say": room.say,
    }
    nothing = _always(HttpError(404, detail="there are pages at / and /room, and /chat?prompt=…"))

    async def demo(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else "/"
        if path == "/chat":
            route = chats.get(_format_name(scope), chats["unknown"])
        else:
            route = routes.get(path, nothing)
        await route(scope, receive, send)

    return demo


def model_of(environment: Mapping[str, str]) -> Llm | None:
    """Return the model that a key in ``environment`` is for, where its SDK is installed."""
    for variable, (provider, sdk) in _KEYS.items():
        if environment.get(variable) and find_spec(sdk) is not None:
            return Llm(provider, environment.get("PENSTOCK_DEMO_MODEL") or None)
    return None


def _chats(journal: Journal, llm: Llm | None) -> dict[str, Endpoint]:
    """Return one generator as three endpoints, which differ by their format alone."""

    async def chat(ctx: Context) -> AsyncGenerator[Chunk, None]:
        answer = answer_to(ctx.query["prompt"])
        if llm is not None and answer.name not in _STAGED:
            async for chunk in _ask(llm, ctx.query["prompt"], ctx.state["run"]):
                yield chunk
            return
        if answer.refuses is not None:
            raise answer.refuses()
        async for chunk in _speak(answer, ctx.state["run"]):
            yield chunk

    async def told(ctx: Context, call_next: Callable[[Context], Awaitable[Response]]) -> Response:
        run = ctx.state["run"] = journal.run()
        run.say("start", f"{_format_name(ctx.scope)} “{_shortened(ctx.query.get('prompt', ''))}”")
        response = await call_next(ctx)
        response.on_finish(lambda ending: run.say(*_conclusion(response, ending)))
        return response

    def as_format(name: str, keep_alive: float | None) -> Endpoint:
        builder = endpoint(format=name, keep_alive=keep_alive, validate=[_has_prompt])
        return builder.use(told)(chat)

    return {
        "sse": as_format("sse", _KEEP_ALIVE),
        "ndjson": as_format("ndjson", _KEEP_ALIVE),
        "text": as_format("text", None),  # it has nothing that a reader would ignore
        "unknown": _always(HttpError(400, detail="format= is one of sse, ndjson, text")),
    }


async def _ask(llm: Llm, prompt: str, run: Run) -> AsyncGenerator[Chunk, None]:
    count = 0
    try:
        async with aclosing(llm.stream(prompt)) as chunks:
            async for chunk in chunks:
                count += 1
                if count == 1:
                    run.say("first", f"first chunk of {llm.model}")
                yield chunk
    except (asyncio.CancelledError, GeneratorExit):
        run.say("stop", f"{llm.model} told to stop after {count} chunks")
        raise
    finally:
        run.say("clean", "the provider's connection is closed")


async def _speak(answer: Answer, run: Run) -> AsyncGenerator[Chunk, None]:
    tokens = 0
    try:
        for step in steps(answer):
            if step.delay:
                await current_clock().sleep(step.delay)
            tokens += 1
            if tokens == 1:
                run.say("first", "first token")
            yield step.chunk
        if answer.breaks is not None:
            run.say("error", f"producer raises after {tokens} tokens")
            raise answer.breaks()
        yield Done()
    except (asyncio.CancelledError, GeneratorExit):
        run.say("stop", f"producer told to stop after {tokens} tokens")
        raise
    finally:
        run.say("clean", "cleanup ran")


def _conclusion(response: Response, ending: Ending) -> tuple[Any, str]:
    stats = response.stats
    if response.status >= 400:
        return "error", f"answered {response.status} before the first byte"
    left = ending is Ending.DISCONNECTED
    facts = [
        "reader left, producer stopped" if left else str(ending),
        f"{stats.events} events",
        f"{stats.bytes:,} bytes",
    ]
    if stats.first_byte is not None:
        facts.append(f"first byte {stats.first_byte:.2f} s")
    if stats.keep_alives:
        facts.append(f"{stats.keep_alives} keep-alives")
    return ("error" if ending is Ending.ERROR else "end"), " · ".join(facts)


def _has_prompt(ctx: Context) -> None:
    prompt = ctx.query.get("prompt", "")
    if not prompt.strip():
        raise HttpError(400, detail="say something: /chat?prompt=hello")
    if len(prompt) > _MAX_PROMPT:
        raise HttpError(413, detail=f"a prompt has at most {_MAX_PROMPT} characters")


def _log(journal: Journal) -> Endpoint:
    async def log(ctx: Context) -> AsyncGenerator[Event, None]:
        async for event in journal.follow(ctx.last_event_id):
            yield event

    return endpoint(format="sse", commit="start", methods=["GET"])(log)


def _always(error: HttpError) -> Endpoint:
    def fail(ctx: Context) -> Mapping[str, Any]:
        raise HttpError(error.status, error.title, error.detail)

    return endpoint()(fail)


def _format_name(scope: Scope) -> str:
    query = parse_qs(bytes(scope["query_string"]).decode("latin-1"))
    return query.get("format", ["sse"])[-1]


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"
