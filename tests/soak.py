"""A soak: readers that come, stall, leave and break at random, on one channel that never stops.

``python -m tests.soak --seconds 600`` (``make soak``) starts a server, ill-treats it, and fails
where a task, a session, a socket or memory is left behind. ``tests/test_soak.py`` runs some of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.process import rss
from tests.support.servers import Server, serve
from tests.support.sse_reader import ask

__all__ = ("Facts", "main", "soak")

_READERS = 40
# What may stay of memory: the allocator's, per second of the first minutes, not a leak's.
_GROWTH = 24 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server holds at a quiet moment."""

    sessions: int
    tasks: int
    sockets: int
    memory: int


async def soak(server: Server, seconds: float, seed: int) -> tuple[Facts, Facts, dict[str, int]]:
    """Ill-treat ``server``; return what it held before and after, and what was done to it."""
    done = {"read": 0, "left": 0, "stalled": 0, "broken": 0, "cut": 0, "broadcast": 0}
    await _storm(server, min(3.0, seconds / 4), seed, done)  # what is only made once is made
    before = await _facts(server)
    deadline = time.monotonic() + 20.0
    while before.sessions and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        before = await _facts(server)
    await _storm(server, seconds, seed + 1, done)
    after, deadline = await _facts(server), time.monotonic() + 30.0
    while complaints(before, after) and time.monotonic() < deadline:  # the last are on their way
        await asyncio.sleep(0.1)
        after = await _facts(server)
    return before, after, done


async def _storm(server: Server, seconds: float, seed: int, done: dict[str, int]) -> None:
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    readers = [_be_a_reader(server.port, until, chance, done) for _ in range(_READERS)]
    await asyncio.gather(_broadcast(server.port, until, chance, done), *readers)


async def _broadcast(port: int, until: float, chance: random.Random, done: dict[str, int]) -> None:
    while time.monotonic() < until:
        size = chance.choice((10, 10, 1000, 30_000))
        await ask(port, f"/broadcast?size={size}&n={chance.randint(1, 20)}")
        done["broadcast"] += 1
        await asyncio.sleep(chance.random() * 0.05)


async def _be_a_reader(
    port: int, until: float, chance: random.Random, done: dict[str, int]
) -> None:
    while time.monotonic() < until:
        what = chance.choice(("read", "read", "left", "stalled", "broken", "cut"))
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _read(port, what, chance)
            done[what] += 1


async def _read(port: int, what: str, chance: random.Random) -> None:
    target = "/events?break=1" if what == "broken" else "/events"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2048)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        if what == "cut":
            return
        await reader.readuntil(b"\r\n\r\n")
        until = time.monotonic() + chance.random()
        if what == "stalled":  # takes nothing: the server must end it
            await asyncio.sleep(2 * chance.random())
        while what != "left" and time.monotonic() < until:
            async with asyncio.timeout(1.0):
                if not await reader.read(65536):
                    return
    except TimeoutError:
        pass  # a quiet second: it leaves
    finally:
        writer.transport.abort()


async def _facts(server: Server) -> Facts:
    """Return what the server holds now."""
    body = await ask(server.port, "/facts")
    facts: dict[str, Any] = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
    return Facts(facts["sessions"], facts["tasks"], _sockets(server.pid), rss(server.pid))


def _sockets(pid: int) -> int:
    count = 0
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            count += os.readlink(handle).startswith("socket:")
    return count


def complaints(before: Facts, after: Facts) -> list[str]:
    """Return what was left behind."""
    found = []
    if after.sessions:
        found.append(f"{after.sessions} sessions are left")
    if after.tasks > before.tasks + 2:
        found.append(f"tasks: {before.tasks} before, {after.tasks} after")
    if after.sockets > before.sockets + 3:
        found.append(f"sockets: {before.sockets} before, {after.sockets} after")
    if after.memory > before.memory + _GROWTH:
        found.append(f"memory grew by {(after.memory - before.memory) / 2**20:.1f} MiB")
    return found


def main() -> int:
    """Run it, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.seconds:g} s", flush=True)
    with serve("uvicorn", "soak_room:app") as server:
        before, after, done = asyncio.run(soak(server, given.seconds, given.seed))
        print(f"{done}\nbefore {before}\nafter  {after}")
        found = complaints(before, after)
        _, trouble, what = server.output().partition("Traceback")
    print("\n".join(found) or "nothing was left behind")
    print((trouble + what)[:4000])
    return 1 if found or trouble else 0


if __name__ == "__main__":
    sys.exit(main())
