"""Readers that leave: what ran for them is stopped and cleaned up."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from tests.servers.reading import complaints, debug, open_streams, start, wait_for
from tests.support.servers import ASGI_SERVERS, Server

ASGI = [name for name in ASGI_SERVERS if name != "hypercorn-supervised"]
WSGI = ["gunicorn-gthread", "granian-wsgi"]
THREADS = {"gunicorn-gthread": ["--threads=16"], "granian-wsgi": ["--blocking-threads=8"]}


@pytest.fixture(scope="module", params=[*ASGI, *WSGI])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with start(request.param, args=THREADS.get(request.param, [])) as server:
        yield server


@pytest.mark.parametrize("way", ["leave", "reset"])
def test_a_silent_stream_is_stopped_when_its_reader_leaves(server: Server, way: str) -> None:
    # F4, and the host table: ASGI servers tell at once, WSGI's find out with a keep-alive.
    target = "/idle" if server.name in ASGI else "/murmur"
    path = target[1:]
    before = debug(server)["cleaned"].get(path, 0)
    with open_streams(server, target, 3) as streams:
        for stream in streams:
            getattr(stream, way)()
        began = time.monotonic()
        wait_for(server, lambda seen: seen["cleaned"].get(path, 0) == before + 3)
    print(f"{server.name} {way}: stopped after {time.monotonic() - began:.3f} s")


def test_a_cleanup_that_takes_a_while_is_done(server: Server) -> None:
    # F4
    before = debug(server)["cleaned"].get("tidy", 0)
    with open_streams(server, "/tidy", 1) as [stream]:
        stream.leave()
        wait_for(server, lambda seen: seen["cleaned"].get("tidy", 0) == before + 1)


def test_requests_that_are_gone_at_once_leave_nothing_behind(server: Server) -> None:
    # F4, F5
    count = 200 if server.name in ASGI else 20
    for i in range(count):
        _knock_and_run(server.port, "/silent", reset=i % 2 == 1)
    seen = wait_for(server, nothing_runs, 20.0)
    print(f"{server.name}: {seen['started'].get('silent', 0)} of {count} had begun")


def nothing_runs(seen: dict) -> bool:
    """Whether every request is over, every producer cleaned up, and no task of ours is left."""
    return not seen["calls"] and not seen["tasks"] and seen["started"] == seen["cleaned"]


def test_a_cleanup_that_hangs_is_left_and_said(server: Server) -> None:
    # F4
    with open_streams(server, "/stuck", 1) as [stream]:
        stream.leave()
        server.wait_for("the producer's cleanup did not finish within 0.3 s")


def test_nothing_is_left_and_nobody_complained(server: Server) -> None:
    # F4: the last test with this server, so that it sees what all the others left
    wait_for(server, nothing_runs)
    expected = ("did not finish within 0.3 s", "Configuration allows spawning")
    lines = [line for line in complaints(server) if not any(text in line for text in expected)]
    assert not lines, server.output()


def _knock_and_run(port: int, target: str, *, reset: bool) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
