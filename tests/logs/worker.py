"""A process that writes to a log, or produces an answer, until it is killed.

python -m tests.logs.worker append LOG KEY     one event after the other; each id is printed
python -m tests.logs.worker stamp LOG KEY N    N events, 20 ms apart: the time of each
python -m tests.logs.worker produce LOG KEY    an endless answer, under a lease of 1.5 s
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator

from penstock import Resumable
from penstock.core.log import EventLog, Keep
from penstock.logs import RedisLog, SqliteLog


def make_log(spec: str) -> EventLog:
    return RedisLog(spec) if spec.startswith("redis://") else SqliteLog(spec)


async def append(log: EventLog, key: str) -> None:
    number, keep = 0, Keep(max_events=1_000_000)
    while True:
        number += 1
        data = b"%d:%d" % (time.time_ns(), number)
        sequence = (f"w{time.time_ns()}", 1) if number % 7 == 0 else None
        id = await log.append(key, data, sequence=sequence, keep=keep)
        print(id, data.decode(), flush=True)


async def stamp(log: EventLog, key: str, count: int) -> None:
    await log.append(key, b"begun")
    for _ in range(count):
        await asyncio.sleep(0.02)
        await log.append(key, str(time.time()).encode())


async def produce(log: EventLog, key: str, lease: float) -> None:
    async def endless() -> AsyncGenerator[str]:
        number = 0
        while True:
            yield f"word {number}"
            number += 1
            await asyncio.sleep(0.05)

    run = await Resumable(log, lease=lease).start(key, endless)
    print("started", run.id, flush=True)
    print("ended", await run.wait(), flush=True)


async def main(what: str, spec: str, key: str, *rest: str) -> None:
    log = make_log(spec)
    try:
        if what == "append":
            await append(log, key)
        elif what == "stamp":
            await stamp(log, key, int(rest[0]))
        else:
            await produce(log, key, float(rest[0]))
    finally:
        await log.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
