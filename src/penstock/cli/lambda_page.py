"""The local Lambda's page: its log as it comes, and a form to invoke the function.

Lives here: the ASGI app, which opens the local Lambda when it starts and closes it when it stops.
Stays out: how the page looks (``web/lambda.html``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Any

from penstock import Context, Endpoint, Event, HttpError, Response, endpoint
from penstock.aws.emulator import LocalLambda, Throttled
from penstock.cli.web import load_page, page_endpoint
from penstock.types import ASGIApp, Receive, Scope, Send

__all__ = ("create_page", "run_lifespan")


def create_page(fn: LocalLambda) -> ASGIApp:
    """Return the page's app; its lifespan is the local Lambda's."""
    routes: dict[str, Endpoint] = {
        "/": page_endpoint(load_page("web/lambda.html")),
        "/log": _log(fn),
        "/about": _about(fn),
        "/invoke": _invoke(fn),
    }

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(fn, receive, send)
        elif scope["type"] == "http":
            await routes.get(scope["path"], _nothing)(scope, receive, send)

    return page


async def run_lifespan(fn: LocalLambda, receive: Receive, send: Send) -> None:
    """Open ``fn`` when the server starts, close it when it stops."""
    await receive()
    await fn.start()
    await send({"type": "lifespan.startup.complete"})
    try:
        await receive()
    finally:
        await fn.aclose()
    await send({"type": "lifespan.shutdown.complete"})


def _log(fn: LocalLambda) -> Endpoint:
    async def log(ctx: Context) -> AsyncGenerator[Event, None]:
        last = ctx.last_event_id
        async for line in fn.journal.follow(int(last) if last.isdecimal() else 0):
            yield Event(asdict(line), event="line", id=str(line.number))

    return endpoint(format="sse", commit="start", methods=["GET"])(log)


def _about(fn: LocalLambda) -> Endpoint:
    async def about(ctx: Context) -> dict[str, Any]:
        return {"name": fn.name, "url": fn.url, "sdk": fn.endpoint_url}

    return endpoint().get(about)


def _invoke(fn: LocalLambda) -> Endpoint:
    async def invoke(ctx: Context) -> Response:
        event = await ctx.json()

        async def answer() -> AsyncGenerator[bytes, None]:
            try:
                async for piece in fn.stream(event):
                    yield piece
            except Throttled as exc:
                raise HttpError(429, detail=str(exc)) from exc

        return ctx.stream(answer, content_type="application/octet-stream")

    return endpoint().post(invoke)


@endpoint
async def _nothing(ctx: Context) -> None:
    raise HttpError(404, detail="there is a page at /")
