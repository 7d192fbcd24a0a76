"""sse-starlette, on Starlette."""

from __future__ import annotations

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from bench.apps.shared import dumps, events

__all__ = ("app",)


def _tick(number: int) -> ServerSentEvent:
    return ServerSentEvent(dumps(number), event="tick")


async def _stream(request: Request) -> EventSourceResponse:
    return EventSourceResponse(events(_tick, request.url.path, request.query_params))


app = Starlette(routes=[Route("/{path}", _stream)])
