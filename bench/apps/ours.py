"""penstock as its README writes it: keep-alive and the watch for the reader leaving are on."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bench.apps.shared import events
from penstock import Context, Event, endpoint

__all__ = ("app",)


def _tick(number: int) -> Event:
    return Event({"i": number}, event="tick")


@endpoint(format="sse")
def app(ctx: Context) -> AsyncGenerator[Event, None]:
    """Answer one request."""
    return events(_tick, ctx.path, ctx.query)
