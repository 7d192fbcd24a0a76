"""ASGI by hand: what every ratio of the bench is relative to.

It has nothing: no keep-alive, no watch for the reader leaving, no checks, no errors.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bench.apps.shared import Query, feed_of

__all__ = ("app",)

HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    query = Query.of(dict(parse_qsl(scope["query_string"].decode())))
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await PATHS[scope["path"]](query, send)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def body(number: int) -> dict[str, Any]:
    """Return the message that carries one event."""
    event = b"event: tick\ndata: " + orjson.dumps({"i": number}) + b"\n\n"
    return {"type": "http.response.body", "body": event, "more_body": True}


async def burst(query: Query, send: Any) -> None:
    """Send without ever waiting for anything but ``send``."""
    for number in range(query.n):
        await send(body(number))


TOKEN = {"type": "http.response.body", "body": b"data: {token \n\n", "more_body": True}


async def tokens(query: Query, send: Any) -> None:
    """Send one text again and again, which costs nothing to make."""
    for _ in range(query.n):
        await send(TOKEN)


async def paced(query: Query, send: Any) -> None:
    """Send at a steady rate."""
    for number in range(query.n):
        await asyncio.sleep(query.interval)
        await send(body(number))


async def idle(query: Query, send: Any) -> None:
    """Send one event and then wait for one that never comes."""
    await send(body(0))
    await asyncio.Event().wait()
    await send(body(1))


async def fan_out(query: Query, send: Any) -> None:
    """Send what a feed publishes."""
    number, feed = 0, feed_of(query)
    while number < query.n:
        await feed.beyond(number)
        while number < feed.published:
            await send(body(number))
            number += 1


async def pushed(query: Query, send: Any) -> None:
    """Send what a feed hands over, by way of a queue with the bound that penstock has."""
    queue: asyncio.Queue[int] = asyncio.Queue(1024)
    feed_of(query, queue.put_nowait)
    for _ in range(query.n):
        await send(body(await queue.get()))


PATHS = {
    "/burst": burst,
    "/tokens": tokens,
    "/paced": paced,
    "/idle": idle,
    "/fanout": fan_out,
    "/pushed": pushed,
}
