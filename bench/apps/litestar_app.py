"""Litestar's ServerSentEvent response."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from bench.apps.shared import dumps, events

__all__ = ("app",)


def _tick(number: int) -> ServerSentEventMessage:
    return ServerSentEventMessage(dumps(number), event="tick")


@get("/{name:str}")
async def stream(request: Request[Any, Any, Any], name: str) -> ServerSentEvent:
    """Answer one request."""
    query = {key: request.query_params[key] for key in request.query_params}
    return ServerSentEvent(events(_tick, request.url.path, query))


app = Litestar(route_handlers=[stream])
