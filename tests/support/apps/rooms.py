"""A room over a log that several processes share: ``ROOM_LOG`` is a path or a Redis URL."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from penstock import Channel, Context, Response, endpoint
from penstock.core.log import EventLog
from penstock.logs import RedisLog, SqliteLog

__all__ = ("app",)


def make_log() -> EventLog:
    """Return the log that the environment names."""
    where = os.environ["ROOM_LOG"]
    return RedisLog(where) if where.startswith("redis:") else SqliteLog(where)


room: Channel[dict[str, str]] = Channel("room", history=10_000, log=make_log())
PAGE = "<!doctype html><title>room</title>"


@endpoint(retry=200, methods=["GET"])
def events(ctx: Context) -> Any:
    session = ctx.session(state=dict(ctx.query))
    room.register(session, replay="replay" in ctx.query)
    return session


@endpoint
async def say(ctx: Context) -> dict[str, Any]:
    """Broadcast ``n`` events of this ``process``, to a user or to all; tell which were kept."""
    process, first, n = ctx.query["process"], int(ctx.query.get("first", "0")), int(ctx.query["n"])
    to = ctx.query.get("to")
    match = None if to is None else {"user": to}
    kept = []
    for number in range(first, first + n):
        text = f"{process}-{number}"
        await room.broadcast({"text": text}, "line", match=match)
        kept.append(text)
        await asyncio.sleep(float(ctx.query.get("pause", "0")))
    return {"kept": kept}


@endpoint
def facts(ctx: Context) -> dict[str, Any]:
    return {"sessions": room.session_count, "tasks": len(asyncio.all_tasks())}


ROUTES: dict[str, Any] = {"/events": events, "/say": say, "/facts": facts}


@endpoint
def page(ctx: Context) -> Response:
    return Response(PAGE, content_type="text/html")


async def app(scope: Any, receive: Any, send: Any) -> None:
    await ROUTES.get(scope.get("path", ""), page)(scope, receive, send)
