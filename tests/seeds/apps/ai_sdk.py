"""System 3, ported: a model's text, as plain text, piped to whoever asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.middleware.cors import CORSMiddleware

from penstock import Context, Response, Stream, endpoint
from penstock.types import Receive, Scope, Send
from tests.seeds.sources import complete

__all__ = ("PROMPT", "app", "holiday", "holiday_wsgi", "hello", "wsgi")

PROMPT = "Invent a new holiday and describe its traditions."

# Any origin may read it, as a Function URL would be configured to allow.
holiday = (
    endpoint(format="text")
    .wrap(CORSMiddleware, allow_origins=["*"])
    .get(lambda ctx: complete(ctx.query.get("prompt", PROMPT)))
)
holiday_wsgi = holiday.wsgi


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """A server without a framework, ASGI's way."""
    await Stream(complete(PROMPT), format="text").to_asgi(scope, receive, send)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The same, WSGI's way."""
    return Stream(complete(PROMPT), format="text").to_wsgi(environ, start_response)


@endpoint
def hello(ctx: Context) -> Response:
    """Status and headers of its own, the type by option."""

    async def write() -> AsyncGenerator[str]:
        yield "Hello, "
        yield "world!"

    return ctx.stream(
        write, content_type="text/plain", status=200, headers={"CustomHeader": "outerspace"}
    )
