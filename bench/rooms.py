"""``python -m bench.rooms``: a room over Redis in two processes, and 10,000 idle sessions in one.

Beside ``python -m bench``, since it needs a redis-server and more of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from bench.load import Reader, allow_sockets, readers
from bench.process import cpu_seconds, rss_bytes
from bench.servers import Contender, Server, free_port, serving

__all__ = ("main",)

_RAW = Contender("raw", "plain pub/sub by hand", "bench.apps.over_redis:raw", "redis")
_OURS = Contender("penstock", "penstock", "bench.apps.over_redis:ours", "redis")
_IDLE = Contender("penstock", "penstock", "bench.apps.ours:app", "penstock")
_TIMEOUT = 120.0


def main() -> int:
    """Run both, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: no figure counts")
    parser.add_argument("--rounds", type=int, default=5, help="of the line about Redis")
    given = parser.parse_args()
    quick = given.quick
    if shutil.which("redis-server") is None:
        print("no redis-server: the line about Redis is left out", file=sys.stderr)
    else:
        asyncio.run(_over_redis(*(10, 20, 1) if quick else (150, 300, given.rounds)))
    asyncio.run(_idle(200 if quick else 10_000))
    return 0


async def _over_redis(count: int, n: int, rounds: int) -> None:
    """Print CPU per delivery in two processes of ``count`` readers each, and the ratio."""
    with _redis() as url:
        os.environ["BENCH_REDIS"] = url
        figures: dict[str, list[float]] = {_RAW.name: [], _OURS.name: []}
        for _ in range(rounds):
            for contender in (_RAW, _OURS):
                with ExitStack() as stack:
                    pair = [stack.enter_context(serving(contender)) for _ in range(2)]
                    figures[contender.name].append(await _deliver(pair, count, n))
    pairs = zip(figures[_OURS.name], figures[_RAW.name], strict=True)
    ratio = median(ours / raw for ours, raw in pairs)
    for contender in (_RAW, _OURS):
        cpu = 1e6 * median(figures[contender.name])
        print(f"Redis fan-out, 2 processes: {contender.label:24} {cpu:6.2f} us CPU per delivery")
    print(f"Redis fan-out, x plain pub/sub: {ratio:.2f} (wanted: <= 1.20)")


async def _deliver(pair: list[Server], count: int, n: int) -> float:
    """Return the processor seconds of both servers for each delivery."""
    async with asyncio.timeout(_TIMEOUT), AsyncExitStack() as stack:
        opened: list[Reader] = []
        for server in pair:
            opened += await stack.enter_async_context(readers(server, "/listen", count, n + 1))
        await asyncio.gather(*(reader.began for reader in opened))
        began = sum(cpu_seconds(server.pid) for server in pair)
        async with readers(pair[0], f"/tell?n={n}", 1, 1):
            await asyncio.gather(*(reader.ended for reader in opened))
        ended = sum(cpu_seconds(server.pid) for server in pair)
    return (ended - began) / (2 * count * n)


@dataclass(frozen=True, slots=True)
class _Moment:
    cpu: float
    at: float
    memory: int

    @classmethod
    def of(cls, server: Server) -> _Moment:
        return cls(cpu_seconds(server.pid), time.perf_counter(), rss_bytes(server.pid))


async def _idle(count: int) -> None:
    """Print what ``count`` idle sessions of one channel hold, and what one broadcast costs."""
    if not allow_sockets(count):  # before the server starts: it is its limit, too
        print(f"no {count:,} sockets here (ulimit -n): that line is left out", file=sys.stderr)
        return
    with serving(_IDLE) as server:
        empty = _Moment.of(server)
        # The last to come is told of; each has an event before, and gets one broadcast.
        target = f"/channel?n=1&readers={count}&key=idle&interval=1.0"
        async with asyncio.timeout(_TIMEOUT), readers(server, target, count, 1) as opened:
            full = empty
            while not any(reader.seen for reader in opened):
                full = _Moment.of(server)
                await asyncio.sleep(0.02)
            await asyncio.gather(*(reader.ended for reader in opened))
            after = _Moment.of(server)
    held = (full.memory - empty.memory) / 2**20
    print(f"{count:,} idle sessions: {held:.0f} MiB, {1024 * held / count:.1f} KiB each")
    cpu, took = after.cpu - full.cpu, after.at - full.at
    print(
        f"one broadcast to them: {1e3 * cpu:.0f} ms CPU, the last had it after {1e3 * took:.0f} ms"
    )


@contextmanager
def _redis() -> Iterator[str]:
    port = free_port()
    folder = tempfile.mkdtemp(prefix="penstock-bench-")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
