"""Resumable answers over a log that several processes share: ``PENSTOCK_TEST_LOG`` says which."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from typing import Any

from penstock import Context, Response, Resumable, endpoint
from penstock.core.log import EventLog
from penstock.logs import RedisLog, SqliteLog

LOG: list[Any] = []  # how producers of this process ended, and when


def make_log(spec: str) -> EventLog:
    """Return the log that ``spec`` names: a ``redis://`` URL, or an SQLite file."""
    return RedisLog(spec) if spec.startswith("redis://") else SqliteLog(spec)


answers = Resumable(
    make_log(os.environ["PENSTOCK_TEST_LOG"]),
    lease=float(os.environ.get("PENSTOCK_TEST_LEASE", "10")),
)


async def words(count: int, gap: float) -> AsyncGenerator[Any]:
    try:
        for number in range(count):
            await asyncio.sleep(gap)
            yield f"word {number}\n"
    except asyncio.CancelledError:
        LOG.append(["cancelled", time.time()])
        raise
    LOG.append(["completed", time.time()])


@endpoint(name="answers")
async def app(ctx: Context) -> Any:
    key = ctx.query.get("key", "chat")
    if ctx.path == "/start":
        count, gap = int(ctx.query.get("n", "500")), float(ctx.query.get("gap", "0.002"))
        run = await answers.start(key, lambda: words(count, gap))
        return Response({"id": run.id, "number": run.number, "is_owner": run.is_owner})
    if ctx.path == "/stop":
        return Response({"stopped": await answers.stop(key)})
    if ctx.path == "/log":
        return Response(LOG)
    return ctx.sse(answers.follow(key, after=ctx.last_event_id), keep_alive=0.5)
