"""The load: readers that count events, and what the server spent while they did.

A reader does as little as it can: it counts one byte of each event. What counts is the server's
processor time, so a busy client does not spoil the figure.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from statistics import median

from bench.process import cpu_seconds
from bench.servers import Server

__all__ = ("LOADS", "Figures", "Load", "Reader", "allow_sockets", "measure", "readers")

_TIMEOUT = 120.0  # a load that takes longer is broken, not slow
_keys = itertools.count()


@dataclass(frozen=True, slots=True)
class Load:
    """Some readers, each of which reads ``n`` events of ``path``.

    Attributes:
        name: What ``bench`` takes on its command line.
        title: What it is, in words.
        path: The server's path.
        readers: Streams open at once.
        n: Events for each reader.
        interval: Seconds between events of a stream, or between a feed's clumps.
        clump: Events that a feed publishes at once.
        peers: Whether the other libraries run it too.
    """

    name: str
    title: str
    path: str
    readers: int
    n: int
    interval: float = 0.0
    clump: int = 1
    peers: bool = True

    def target(self) -> str:
        """Return a new request target for one run of this load."""
        query = f"n={self.n}&interval={self.interval}&clump={self.clump}"
        return f"{self.path}?{query}&readers={self.readers}&key={next(_keys)}"

    def smoke(self) -> Load:
        """Return a load of the same kind that takes no time and proves nothing."""
        return replace(self, readers=min(self.readers, 10), n=min(self.n // 10, 2000))


BURST = Load("burst", "one reader, a source that is always ready", "/burst", 1, 100_000)
TOKENS = Load("tokens", "the same, of short texts made before", "/tokens", 1, 100_000, peers=False)
FAN_OUT = Load("fan-out", "300 readers of one source, an event at a time", "/fanout", 300, 300)
CLUMPS = Load(
    "clumps", "300 readers of one source, 4 events at a time", "/fanout", 300, 400, clump=4
)
PUSHED = Load("pushed", "300 readers, each handed every event", "/pushed", 300, 300, peers=False)
PACED = Load("paced", "200 streams, 50 events/s each", "/paced", 200, 250, interval=0.02)
CHANNEL = Load(
    "channel", "300 sessions of one channel, an event at a time", "/channel", 300, 300, peers=False
)
LOADS = (BURST, TOKENS, FAN_OUT, CLUMPS, PUSHED, PACED, CHANNEL)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run of a load found.

    Attributes:
        cpu: The server's processor seconds for each event.
        rate: Events per second, all readers together.
        first_byte: Seconds from the request to the first event, the median of the readers.
    """

    cpu: float
    rate: float
    first_byte: float


class Reader(asyncio.Protocol):
    """Asks for a stream and counts its events.

    Attributes:
        seen: Events so far.
        waited: Seconds from the request to the first event.
        began: Done at the first event.
        ended: Done at the last one; fails when the stream ends before that.
    """

    def __init__(self, target: str, n: int) -> None:
        loop = asyncio.get_running_loop()
        self._request = f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        self._n = n
        self._asked = 0.0
        self.seen = 0
        self.waited = 0.0
        self.began: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    def ask(self, transport: asyncio.WriteTransport) -> None:
        """Send the request."""
        self._asked = time.perf_counter()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count."""
        # The one brace of its JSON: a single byte is never cut in two, and no head has it.
        self.seen += data.count(b"{")
        if not self.waited and self.seen:
            self.waited = time.perf_counter() - self._asked
            self.began.set_result(None)
        if self.seen >= self._n and not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever still waits."""
        error = exc or ConnectionError(f"the stream ended after {self.seen} of {self._n} events")
        for future in (self.began, self.ended):
            if not future.done():
                future.set_exception(error)
                future.exception()  # looked at: nobody may be waiting any more


@asynccontextmanager
async def readers(server: Server, target: str, count: int, n: int) -> AsyncIterator[list[Reader]]:
    """Open ``count`` streams of ``target``; they are hung up when the block is left."""
    allow_sockets(count)
    loop = asyncio.get_running_loop()
    transports: list[asyncio.Transport] = []
    opened: list[Reader] = []
    try:
        for _ in range(count):
            transport, reader = await loop.create_connection(
                lambda: Reader(target, n), "127.0.0.1", server.port
            )
            transports.append(transport)
            opened.append(reader)
            reader.ask(transport)
        yield opened
    finally:
        for transport in transports:
            transport.abort()


def allow_sockets(wanted: int) -> bool:
    """Let this process, and those that it starts, have ``wanted`` sockets; return whether it may.

    A server that was started before keeps its own limit, and accepts nobody past it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + 100
    if hard != resource.RLIM_INFINITY and hard < needed:
        return False
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return True


async def measure(server: Server, load: Load) -> Figures:
    """Run ``load`` once.

    With many readers the count begins when each has its first event: connecting is not the load.
    """
    async with asyncio.timeout(_TIMEOUT):
        began = _Mark.now(server, [])
        async with readers(server, load.target(), load.readers, load.n) as opened:
            if load.readers > 1:
                await asyncio.gather(*(reader.began for reader in opened))
                all_began = _Mark.now(server, opened)
                if all_began.seen < load.readers * load.n:  # a smoke run may be over by then
                    began = all_began
            await asyncio.gather(*(reader.ended for reader in opened))
            ended = _Mark.now(server, opened)
    seen = ended.seen - began.seen
    waited = median(reader.waited for reader in opened)
    return Figures((ended.cpu - began.cpu) / seen, seen / (ended.at - began.at), waited)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A moment of a run: the server's processor seconds, the time, and the events so far."""

    cpu: float
    at: float
    seen: int

    @classmethod
    def now(cls, server: Server, opened: list[Reader]) -> _Mark:
        seen = sum(reader.seen for reader in opened)
        return cls(cpu_seconds(server.pid), time.perf_counter(), seen)
