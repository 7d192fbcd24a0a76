"""Streams for the tests on real servers: idle, flooding, failing, slow to clean up.

``/debug`` tells what of them runs in this process: a test may wait for it to become what it was.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from penstock import Context, Endpoint, Event, Response, endpoint
from penstock.asgi import run_lifespan
from penstock.types import Receive, Scope, Send
from penstock.wsgi import WsgiApp

__all__ = ("app", "chained", "ignoring", "wsgi")

started: Counter[str] = Counter()  # producers begun, by path
cleaned: Counter[str] = Counter()  # of these, whose cleanup has run to its end
asked: Counter[str] = Counter()  # requests, by path
made: Counter[str] = Counter()  # items produced

calls = 0  # requests being answered, /debug aside

ITEM = "x" * (16 * 1024 - 1) + "\n"


@contextmanager
def counted(name: str) -> Iterator[None]:
    """Count a producer in and out."""
    started[name] += 1
    try:
        yield
    finally:
        cleaned[name] += 1


@endpoint
async def idle(ctx: Context) -> AsyncIterator[str]:
    with counted("idle"):
        yield "here"
        await asyncio.Event().wait()


@endpoint(keep_alive=0.2)
async def murmur(ctx: Context) -> AsyncIterator[str]:
    with counted("murmur"):
        yield "here"
        await asyncio.Event().wait()


@endpoint(keep_alive=0.2)
async def silent(ctx: Context) -> AsyncIterator[str]:
    """Never has an item."""
    with counted("silent"):
        await asyncio.Event().wait()
        yield "never"


@endpoint(on_shutdown="drain")
async def drain(ctx: Context) -> AsyncIterator[int]:
    with counted("drain"):
        for i in range(int(ctx.query.get("n", "8"))):
            yield i
            await asyncio.sleep(0.1)


@endpoint(format="text")
async def flood(ctx: Context) -> AsyncIterator[str]:
    with counted("flood"):
        while True:
            made["flood"] += 1
            yield ITEM


@endpoint(keep_alive=0.2)
async def tidy(ctx: Context) -> AsyncIterator[str]:
    """Its cleanup takes a while."""
    with counted("tidy"):
        try:
            yield "here"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.3)


@endpoint(keep_alive=0.2, cleanup_timeout=0.3)
async def stuck(ctx: Context) -> AsyncIterator[str]:
    """Its cleanup does not end by itself; being cancelled again ends it."""
    with counted("stuck"):
        try:
            yield "here"
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()


async def breaking(ctx: Context) -> AsyncIterator[Any]:
    yield Event("first")
    await asyncio.sleep(0.02)
    raise ZeroDivisionError("in the middle")


@endpoint(retry=100)
async def ticks(ctx: Context) -> AsyncIterator[Event]:
    """Paced events, each with its time."""
    gap = float(ctx.query.get("gap", "0.05"))
    with counted("ticks"):
        for i in range(int(ctx.query.get("n", "100000"))):
            yield Event({"i": i}, event="tick")
            made["ticks"] += 1
            await asyncio.sleep(gap)


@endpoint(format="ndjson")
async def lines(ctx: Context) -> AsyncIterator[dict[str, int]]:
    for i in range(3):
        yield {"i": i}
        await asyncio.sleep(0.1)


@endpoint(throw=True, retry=300)
async def resume(ctx: Context) -> AsyncIterator[Event]:
    """Breaks off after its first event, and goes on for who comes back."""
    if not ctx.last_event_id:
        yield Event("first", id="1")
        raise ConnectionResetError("broken on purpose")
    yield Event(f"after {ctx.last_event_id}", id="2")


@endpoint
async def debug(ctx: Context) -> Response:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return Response(
        {
            "pid": os.getpid(),
            "tasks": [home for task in others if "penstock" in (home := _home(task))],
            "calls": calls,
            "asked": dict(asked),
            "fds": len(os.listdir("/proc/self/fd")),
            "started": dict(started),
            "cleaned": dict(cleaned),
            "made": dict(made),
            "hook": type(signal.getsignal(signal.SIGTERM)).__name__,
        }
    )


def _home(task: asyncio.Task[Any]) -> str:
    """Where the code is that ``task`` began with: servers keep tasks of their own."""
    code = getattr(task.get_coro(), "cr_code", None)
    return f"{code.co_filename}:{code.co_name}" if code is not None else ""


ROUTES: dict[str, Endpoint] = {
    f"/{route.name}": route
    for route in (idle, murmur, silent, drain, flood, tidy, stuck, ticks, lines, resume, debug)
}
for name in ("text", "sse", "ndjson"):
    ROUTES[f"/break/{name}"] = endpoint(format=name)(breaking)
ROUTES["/break/named"] = endpoint(error_event="problem", retry=100)(breaking)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Every route above."""
    global calls
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
    else:
        mine = scope["path"] != "/debug"
        calls += mine
        asked[scope["path"]] += 1
        try:
            await ROUTES[scope["path"]](scope, receive, send)
        finally:
            calls -= mine
            if scope["path"] == "/flood":  # tells when our part was over: the server's goes on
                print("over: /flood", flush=True)


wsgi = WsgiApp(app)


# --- what the process did with signals before the first stream


async def chained(scope: Scope, receive: Receive, send: Send) -> None:
    """``app``, in a process whose owner set a handler of SIGTERM after the server had."""
    if scope["type"] == "http" and not started:
        previous = signal.getsignal(signal.SIGTERM)

        def handler(number: int, frame: FrameType | None) -> None:
            print(json.dumps({"user handler": number}), flush=True)
            if callable(previous):
                previous(number, frame)

        signal.signal(signal.SIGTERM, handler)
    await app(scope, receive, send)


async def ignoring(scope: Scope, receive: Receive, send: Send) -> None:
    """``app``, in a process that ignores SIGTERM."""
    if scope["type"] == "http" and not started:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await app(scope, receive, send)
