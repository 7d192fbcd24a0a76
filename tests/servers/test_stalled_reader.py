"""A reader that stalls: the source waits, and the process does not grow."""

from __future__ import annotations

import os
import time

import pytest

from tests.servers.reading import debug, read_until, start, wait_for
from tests.support.http import Response, request
from tests.support.process import rss, wait_until
from tests.support.servers import Server

# Seconds of standing still that are looked at; PENSTOCK_LONG=1 looks longer.
WATCHED = 10.0 if os.environ.get("PENSTOCK_LONG") else 1.5
ITEM = 16 * 1024


@pytest.mark.parametrize(
    "name", ["uvicorn", "granian", "hypercorn", "gunicorn-asgi", "gunicorn-gthread"]
)
def test_the_producer_waits_and_memory_stands_still(name: str) -> None:
    # F1
    args = ["--threads=4"] if name == "gunicorn-gthread" else []
    with start(name, args=args) as server:
        with request(server.port, target="/flood", rcvbuf=4096) as stream:
            read_until(stream, b"x")
            made, pid = _stands_still(server)
            before = rss(pid)
            grown = _peak(pid) - before
            print(f"{name}: {made} items made, grown by {grown} bytes in {WATCHED} s")
            assert grown < 512 * 1024
            assert debug(server)["made"]["flood"] == made
            # It goes on where it stood, as soon as there is room.
            _read(stream, 2 * made * ITEM)
            wait_until(lambda: debug(server)["made"]["flood"] > made)
        wait_for(server, lambda seen: seen["cleaned"].get("flood") == 1)


def _peak(pid: int) -> int:
    """Return the most memory that ``pid`` had while it was watched, undisturbed by requests."""
    until, peak = time.monotonic() + WATCHED, 0
    while time.monotonic() < until:
        peak = max(peak, rss(pid))
        time.sleep(0.05)
    return peak


def _stands_still(server: Server) -> tuple[int, int]:
    """Return how many items were made and the process's id, once no more are made."""
    seen: list[int] = []

    def same() -> bool:
        told = debug(server)
        seen.append(told["made"]["flood"])
        time.sleep(0.1)  # a rate needs two moments
        return len(seen) > 3 and seen[-1] == seen[-4]

    wait_until(same, 20.0)
    return seen[-1], debug(server)["pid"]


def _read(stream: Response, size: int) -> None:
    while size > 0:
        piece = stream.read_some()
        assert piece is not None
        size -= len(piece.data)
