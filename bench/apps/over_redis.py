"""One room in several processes, over a Redis: penstock's, and what people write by hand.

``BENCH_REDIS`` is its URL. ``/listen`` is a reader's stream; ``/tell?n=`` broadcasts.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import orjson
from redis import asyncio as redis

from penstock import Channel, Context, Response, Session, endpoint
from penstock.logs import RedisLog

__all__ = ("ours", "raw")

URL = os.environ.get("BENCH_REDIS", "redis://127.0.0.1")
HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


async def tell(n: int, send: Callable[[int], Awaitable[Any]]) -> None:
    """Broadcast ``n`` events, each when the one before is taken."""
    for number in range(n):
        await send(number)
        await asyncio.sleep(0.002)


# --- ours

room: Channel[None] = Channel("bench", log=RedisLog(URL), history=1000)


@endpoint
async def ours(ctx: Context) -> Response | Session[None]:
    """Answer one request."""
    if ctx.path == "/tell":
        await tell(int(ctx.query["n"]), lambda number: room.broadcast({"i": number}, "tick"))
        return Response("told")
    return ctx.session(_join)


async def _join(session: Session[None]) -> None:
    await room.register(session)
    await session.push({"i": 0}, "tick")  # from here on it misses nothing


# --- by hand: pub/sub, which keeps nothing, and a queue for each reader

queues: set[asyncio.Queue[bytes]] = set()
_listening: list[asyncio.Task[None]] = []
_subscribed = asyncio.Event()


async def raw(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["path"] == "/tell":
        n = int(dict(parse_qsl(scope["query_string"].decode()))["n"])
        client = redis.from_url(URL)
        await tell(n, lambda number: client.publish("bench", orjson.dumps({"i": number})))
        await client.aclose()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"told"})
        return
    if not _listening:
        _listening.append(asyncio.create_task(_listen()))
    queue: asyncio.Queue[bytes] = asyncio.Queue(1024)
    queues.add(queue)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await _subscribed.wait()
    queue.put_nowait(b'event: tick\ndata: {"i":0}\n\n')  # from here on it misses nothing
    with suppress(asyncio.CancelledError):
        while True:
            body = await queue.get()
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def _listen() -> None:
    async with redis.from_url(URL).pubsub() as pubsub:
        await pubsub.subscribe("bench")
        async for message in pubsub.listen():
            if message["type"] == "subscribe":
                _subscribed.set()
            elif message["type"] == "message":
                event = b"event: tick\ndata: " + message["data"] + b"\n\n"
                for queue in queues:
                    queue.put_nowait(event)
