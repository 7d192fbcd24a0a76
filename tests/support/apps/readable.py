"""Rooms and answers over the log that ``READABLE_LOG`` names, for readers that come back.

"memory", a path for SQLite, or a Redis URL. ``/small`` and ``/old`` hold five events, ``/big`` ten
thousand; ``/both`` is in the first and the last. ``/hang-up`` cuts the readers' connections, as a
lost network does. An answer that is started with ``hold=N`` waits for ``/go-on`` at every
N-th word, and at its end.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from typing import Any

from penstock import Channel, Context, HttpError, Response, Resumable, endpoint
from penstock.core.log import EventLog
from penstock.logs import MemoryLog, RedisLog, SqliteLog

__all__ = ("app",)


def make_log(where: str) -> EventLog:
    """Return the log that ``where`` names."""
    if where == "memory":
        return MemoryLog()
    return RedisLog(where) if where.startswith("redis:") else SqliteLog(where)


LOG = make_log(os.environ["READABLE_LOG"])
ROOMS: dict[str, Channel[Any]] = {
    "small": Channel("small", history=5, log=LOG),
    "old": Channel("old", history=5, log=LOG),
    "big": Channel("big", history=10_000, log=LOG),
}
answers = Resumable(LOG)
readers: set[asyncio.Task[Any]] = set()
goes_on: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))


@endpoint(retry=20)
def rooms(ctx: Context) -> Any:
    session = ctx.session()
    for name in ("small", "big") if ctx.path == "/both" else (ctx.path[1:],):
        ROOMS[name].register(session)
    return session


@endpoint
async def say(ctx: Context) -> dict[str, Any]:
    """Broadcast the numbers from ``first`` to ``last`` in ``room``; tell their ids."""
    room, first, last = ROOMS[ctx.query["room"]], int(ctx.query["first"]), int(ctx.query["last"])
    ids = [await room.broadcast({"i": i}, ctx.query["room"]) for i in range(first, last + 1)]
    return {"ids": ids}


@endpoint
def hang_up(ctx: Context) -> dict[str, Any]:
    for task in readers:
        task.cancel()
    return {"cut": len(readers)}


@endpoint
def facts(ctx: Context) -> dict[str, Any]:
    return {name: room.session_count for name, room in ROOMS.items()}


async def words(key: str, count: int, hold: int, fails: bool) -> Any:
    for number in range(count + 1):
        await asyncio.sleep(0.005)
        if hold and number and number % hold == 0:
            await goes_on[key].acquire()
        if number < count:
            yield {"i": number}
    if fails:
        raise HttpError(429, detail="no more words")


@endpoint(retry=20)
async def answer(ctx: Context) -> Any:
    key = ctx.query["key"]
    if ctx.path == "/start":
        count, hold = int(ctx.query["n"]), int(ctx.query.get("hold", "0"))
        run = await answers.start(key, lambda: words(key, count, hold, "fails" in ctx.query))
        return Response({"id": run.id})
    if ctx.path == "/go-on":
        goes_on[key].release()
        return Response({})
    if ctx.path == "/stop":
        return Response({"stopped": await answers.stop(key)})
    return ctx.sse(answers.follow(key, after=ctx.last_event_id))


ROUTES: dict[str, Any] = {
    "/small": rooms, "/old": rooms, "/big": rooms, "/both": rooms, "/say": say, "/hang-up": hang_up,
    "/facts": facts, "/answer": answer, "/start": answer, "/stop": answer,
    "/go-on": answer,
}  # fmt: skip


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Every route above; a request that streams can be cut off."""
    if scope["type"] != "http":
        return
    task: asyncio.Task[Any] = asyncio.ensure_future(ROUTES[scope["path"]](scope, receive, send))
    if scope["path"] in ("/small", "/old", "/big", "/both", "/answer"):
        readers.add(task)
        task.add_done_callback(readers.discard)
    await asyncio.wait([task])
