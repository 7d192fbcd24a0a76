"""A server that dies and comes back on the same port, once for each line on stdin.

    python -m tests.client.reborn PORT STOP_FILE

Its log is the row of natural numbers: after id 41 comes 42. With ``?ids=0`` it sends no ids, and
begins with 1 each time. Once STOP_FILE exists it ends as a finished answer does. ``/room`` is a
channel whose log is an SQLite file beside STOP_FILE: each life goes on counting where the log says
that the one before it had come to.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn

from penstock import Channel, Context, Event, endpoint
from penstock.logs import SqliteLog

PORT, STOP_FILE = int(sys.argv[1]), Path(sys.argv[2])


@endpoint(format="sse", retry=20)
async def numbers(ctx: Context):
    has_ids = ctx.query.get("ids") != "0"
    for i in count(int(ctx.last_event_id or 0) + 1):
        if STOP_FILE.exists():
            return
        yield Event({"i": i}, id=i if has_ids else None)
        await asyncio.sleep(0.001)


class Room:
    """The channel of one life: made after the fork, since an SQLite connection outlives none."""

    def __init__(self) -> None:
        self.log = SqliteLog(STOP_FILE.with_name("room.db"))
        self.channel: Channel[Any] = Channel("room", history=100_000, log=self.log)

    async def count(self) -> None:
        """Broadcast one number after the other, from the last that was kept."""
        key = self.channel.key
        last = int((await self.log.tail(key)).rpartition("-")[2])
        for i in count(last + 1):
            if STOP_FILE.exists():
                await self.channel.broadcast({}, "over")
                return
            await self.channel.broadcast({"i": i})
            await asyncio.sleep(0.001)


@endpoint(retry=20)
def listen(ctx: Context) -> Any:
    session = ctx.session()
    ctx.scope["room"].channel.register(session, replay=True)
    return session


def make_app() -> Any:
    room: Room | None = None
    counting: asyncio.Task[None] | None = None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal room, counting
        if scope["path"] != "/room":
            await numbers(scope, receive, send)
            return
        if room is None:
            room = Room()
            counting = asyncio.create_task(room.count())
        scope["room"] = room
        await listen(scope, receive, send)

    return app


def start() -> int:
    """Return the process of a new server; a fork, since an import takes longer than a life."""
    pid = os.fork()
    if not pid:
        uvicorn.run(make_app(), host="127.0.0.1", port=PORT, log_level="error", lifespan="off")
        os._exit(0)
    return pid


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    running = start()
    for _ in sys.stdin:
        stop(running)
        running = start()
        print("again", flush=True)
    stop(running)
