"""Clients side by side: from the socket to the event; and memory on a very long stream."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from bench.decoders import events_wire

__all__ = ("READERS", "Readings", "read_all", "resident_growth")

# How a server wrote it: events that came in a burst, or a token at a time.
SHAPES = {"burst": 4096, "one by one": 0}
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"connection: close\r\n\r\n"
)
_TLS = ssl.create_default_context()  # making one would be most of a short run
_END = b"event: done\ndata:\nid: ~end\n\n"


@dataclass(frozen=True, slots=True)
class Readings:
    """What one client took.

    Attributes:
        burst: Seconds for the events in chunks of 4 KiB.
        single: Seconds for the events, each a chunk of its own.
    """

    burst: float
    single: float


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _body(events: int, size: int) -> bytes:
    """Return a chunked body: chunks of ``size`` bytes, or one for each event when it is 0."""
    wire = events_wire(events)
    if size:
        pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
    else:
        pieces = [event + b"\n\n" for event in wire.split(b"\n\n")[:-1]]
    return b"".join(map(_chunk, [*pieces, _END])) + b"0\r\n\r\n"


@contextmanager
def _served(pieces: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """Serve the pieces to whoever asks, from a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        child = os.fork()
        if not child:
            try:
                _serve(listening, pieces)
            finally:
                os._exit(0)
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


def _serve(listening: socket.socket, pieces: Callable[[], Iterator[bytes]]) -> None:
    while True:
        sock, _ = listening.accept()
        with sock:
            sock.recv(65536)
            try:
                sock.sendall(_HEAD)
                for piece in pieces():
                    sock.sendall(piece)
            except OSError:
                pass  # the reader has seen enough


# Each reads with a client that was made before: what is measured is reading.
def _penstock(url: str) -> Callable[[], int]:
    import httpx2

    from penstock.client import connect

    client = httpx2.Client()

    def read() -> int:
        with connect(url, client=client) as events:
            return sum(1 for _ in events)

    return read


def _penstock_async(url: str) -> Callable[[], int]:
    import httpx2

    from penstock.client import aconnect

    async def read() -> int:
        found = 0
        async with httpx2.AsyncClient(verify=_TLS) as client:
            async with aconnect(url, client=client) as events:
                async for _ in events:
                    found += 1
        return found

    return lambda: asyncio.run(read())


def _httpx_sse(url: str) -> Callable[[], int]:
    import httpx
    import httpx_sse

    client = httpx.Client()

    def read() -> int:
        with httpx_sse.connect_sse(client, "GET", url) as source:
            return sum(event.id != "~end" for event in source.iter_sse())

    return read


def _httpx_sse_async(url: str) -> Callable[[], int]:
    import httpx
    import httpx_sse

    async def read() -> int:
        found = 0
        async with httpx.AsyncClient(verify=_TLS) as client:
            async with httpx_sse.aconnect_sse(client, "GET", url) as source:
                async for event in source.aiter_sse():
                    found += event.id != "~end"
        return found

    return lambda: asyncio.run(read())


def _httpx2(url: str) -> Callable[[], int]:
    import httpx2

    client = httpx2.Client()

    def read() -> int:
        with client.sse(url) as source:
            return sum(event.id != "~end" for event in source)

    return read


# Each imports its library when called: what is not installed is a line of the table, no failure.
_READERS: dict[str, Callable[[str], Callable[[], int]]] = {
    "penstock": _penstock,
    "httpx-sse": _httpx_sse,
    "httpx2's sse()": _httpx2,
    "penstock, async": _penstock_async,
    "httpx-sse, async": _httpx_sse_async,
}
READERS = tuple(_READERS)


def read_all(events: int, rounds: int) -> dict[str, Readings | str]:
    """Return what each client took for ``events``, the median of ``rounds``, or why it did not."""
    missing: dict[str, str] = {}
    by_shape = [_race(_body(events, size), events, rounds, missing) for size in SHAPES.values()]
    return {
        name: missing.get(name) or Readings(*(times[name] for times in by_shape))
        for name in READERS
    }


def _race(body: bytes, events: int, rounds: int, missing: dict[str, str]) -> dict[str, float]:
    """Let them read the same bytes in turn; return seconds by name."""
    times: dict[str, list[float]] = {}
    with _served(lambda: iter([body])) as url:
        readers = {}
        for name, make in _READERS.items():
            try:
                readers[name] = make(url)
            except ImportError as exc:
                missing[name] = f"not installed ({exc.name})"
        for _ in range(rounds):
            for name, read in readers.items():
                times.setdefault(name, []).append(_timed(read, events, name))
    return {name: median(each) for name, each in times.items()}


def _timed(read: Callable[[], int], events: int, name: str) -> float:
    began = time.perf_counter()
    count = read()
    took = time.perf_counter() - began
    if count != events:
        raise RuntimeError(f"{name} found {count} events, not {events}")
    return took


def resident_growth(size: int) -> int:
    """Return by how many bytes our client grew while it read a stream of ``size`` bytes."""
    from penstock.client import connect

    piece = _chunk(events_wire(1000))

    def pieces() -> Iterator[bytes]:
        for _ in range(size // len(piece) + 1):
            yield piece
        yield _chunk(_END)

    with _served(pieces) as url, connect(url) as events:
        for _ in range(100_000):  # what is allocated once has been by then
            next(events)
        before = most = _resident()
        for number, _ in enumerate(events):
            if not number & 0xFFFF:
                most = max(most, _resident())
        return max(most, _resident()) - before


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
