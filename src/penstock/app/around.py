"""What stands around an endpoint's handler, one call at a time.

Lives here: one middleware's call, an app as what ASGI middleware expects, and what is no HTTP.
Stays out: their order (``endpoint.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.app.context import Context
from penstock.app.plan import CallNext, Middleware, Route
from penstock.asgi import run_lifespan
from penstock.core.response import Response
from penstock.types import ASGIApp, Receive, Scope, Send

__all__ = ("allowed_methods", "as_function", "call_middleware", "serve_other")


def as_function(app: ASGIApp) -> ASGIApp:
    """Return ``app`` as what a middleware that looks closer takes for an ASGI 3 app.

    Sentry's takes a bound method for ASGI 2: it looks at ``__call__`` of all but functions.
    """

    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return function


async def serve_other(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})  # before accept: 403
    else:
        raise ValueError(f"an endpoint answers HTTP, got a scope of type {scope['type']!r}")


async def call_middleware(middleware: Middleware, call_next: CallNext, ctx: Context) -> Response:
    inner: Response | None = None

    async def call_and_keep(ctx: Context) -> Response:
        nonlocal inner
        inner = await call_next(ctx)
        return inner

    response: Any = None
    try:
        response = await middleware(ctx, call_and_keep)
        if not isinstance(response, Response):
            raise TypeError(
                f"middleware {getattr(middleware, '__qualname__', middleware)} returned "
                f"{type(response).__name__}; it must return the Response of call_next, or its own"
            )
    finally:
        if inner is not None and inner is not response:
            await inner.drop()  # nobody will send it, and its tear-down is owed
    return response if response is inner else response.fresh()


def allowed_methods(routes: Mapping[str, Route]) -> str:
    names = dict.fromkeys(routes)
    if "GET" in names:
        names["HEAD"] = None
    names["OPTIONS"] = None
    return ", ".join(names)
