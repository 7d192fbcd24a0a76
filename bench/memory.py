"""What an idle stream costs: memory by stream, and the time that an import takes.

A stream is idle when its head and first event are out and nothing more comes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from statistics import median

from bench.load import Load, readers
from bench.process import rss_bytes
from bench.servers import Server

__all__ = ("IMPORTS", "import_seconds", "per_idle_stream")

# By name: the statement. Ours is lazy, so what an endpoint really loads is a line of its own.
IMPORTS = {
    "asyncio": "import asyncio",
    "penstock": "import penstock",
    "penstock's endpoint, Event": "from penstock import Event, endpoint",
}
_WARM = 100  # streams open before the count begins: the server's first-time costs are theirs


async def per_idle_stream(server: Server, streams: int, path: str = "/idle") -> float:
    """Return the bytes of resident memory that each of ``streams`` idle streams adds."""
    idle = Load("idle", "", path, 1, 1).target()
    async with asyncio.timeout(120):
        async with readers(server, idle, _WARM, 1) as warm:
            await asyncio.gather(*(reader.ended for reader in warm))
            before = rss_bytes(server.pid)
            async with readers(server, idle, streams, 1) as counted:
                await asyncio.gather(*(reader.ended for reader in counted))
                return (rss_bytes(server.pid) - before) / streams


def import_seconds(rounds: int) -> dict[str, float]:
    """Return what importing each of ``IMPORTS`` takes in a fresh interpreter, the median."""
    with tempfile.TemporaryDirectory() as cache:
        # Bytecode is what users have; the environment may say that none is to be written.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        taken: dict[str, list[float]] = {name: [] for name in IMPORTS}
        for turn in range(rounds + 1):
            for name, statement in IMPORTS.items():
                seconds = _import(statement, environment)
                if turn:  # the first one compiles
                    taken[name].append(seconds)
    return {name: median(all_of_it) for name, all_of_it in taken.items()}


def _import(statement: str, environment: dict[str, str]) -> float:
    program = (
        f"import time; began = time.perf_counter()\n{statement}\nprint(time.perf_counter() - began)"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(ran.stdout)
