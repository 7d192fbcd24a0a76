"""System 1, ported: a handler that writes its own events, and one that pipes an iterable."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from penstock import Context, Emit, Event, Response, endpoint
from penstock.chunk import Chunk, Done, Text
from tests.seeds.sources import complete

__all__ = ("answer", "greet", "greet_wsgi", "pipe", "raw", "work", "work_wsgi")


async def work_in_steps(ctx: Context) -> AsyncGenerator[Event]:
    """Start, count, done: each with its name."""
    yield Event({}, event="start")
    yield Event({"count": 1}, event="data")
    yield Event({}, event="done")


# done=None: the handler says it in its own words
work = endpoint(format="sse", name="streamWorker", done=None)(work_in_steps)
work_wsgi = work.wsgi


@endpoint
def greet(ctx: Context) -> Response:
    """One message on a route."""

    async def write(emit: Emit) -> None:
        await emit({"text": "Hello"}, "message")

    return ctx.sse(write)


greet_wsgi = greet.wsgi


@endpoint(format="text", content_type="text/event-stream")
async def raw(ctx: Context) -> AsyncGenerator[str]:
    """The same as text that is sent as it stands, for who has written events by hand so far."""
    yield 'event: message\ndata: {"text": "Hello"}\n\n'


async def answer(prompt: str) -> AsyncGenerator[Chunk]:
    """A model's answer in chunks."""
    async for token in complete(prompt):
        yield Text(token)
    yield Done()


@endpoint
def pipe(ctx: Context) -> Response:
    """A model's chunks, in the format that is asked for."""
    return ctx.stream(answer(ctx.query.get("prompt", "")), ctx.query.get("format", "sse"))
