"""FastAPI's own server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fastapi import FastAPI, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from bench.apps.shared import dumps, events

__all__ = ("app",)

app = FastAPI()


def _tick(number: int) -> ServerSentEvent:
    # raw_data, not data: its own JSON is far slower, and the bench is not about JSON.
    return ServerSentEvent(raw_data=dumps(number), event="tick")


@app.get("/{path}", response_class=EventSourceResponse)
async def stream(request: Request) -> AsyncGenerator[ServerSentEvent, None]:
    """Answer one request."""
    # It must be a generator function: a generator that it returns is not streamed.
    async for event in events(_tick, request.url.path, request.query_params):
        yield event
