"""A server that dies and comes back on the same port, once for each line on stdin.

    python -m tests.client.reborn PORT STOP_FILE

Its log is the row of natural numbers: after id 41 comes 42. With ``?ids=0`` it sends no ids, and
begins with 1 each time. Once STOP_FILE exists it ends as a finished answer does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count
from pathlib import Path

import uvicorn

from penstock import Context, Event, endpoint

PORT, STOP_FILE = int(sys.argv[1]), Path(sys.argv[2])


@endpoint(format="sse", retry=20)
async def app(ctx: Context):
    has_ids = ctx.query.get("ids") != "0"
    for i in count(int(ctx.last_event_id or 0) + 1):
        if STOP_FILE.exists():
            return
        yield Event({"i": i}, id=i if has_ids else None)
        await asyncio.sleep(0.001)


def start() -> int:
    """Return the process of a new server; a fork, since an import takes longer than a life."""
    pid = os.fork()
    if not pid:
        uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="error")
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
