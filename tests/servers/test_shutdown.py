"""SIGTERM with streams open, on real servers: last words, a clean end, and the process exits."""

from __future__ import annotations

import signal
import time

import pytest

from penstock.core.shutdown import GRACE
from tests.servers.reading import (
    LAST_WORDS,
    complaints,
    debug,
    open_streams,
    read_until,
    start,
    wait_for,
)
from tests.support.http import request
from tests.support.process import in_some_try, wait_until
from tests.support.servers import Server

# Besides our grace: starting to stop, closing down workers, and a machine that may stand still for
# seconds. A server that waits for its own limits takes 30 s, and is killed before.
MARGIN = 12.0

# name: workers, streams, further options of the server, seconds it takes before it tells anybody
SERVERS = {
    "uvicorn": (1, 50, [], 0.0),
    "uvicorn with 2 workers": (2, 50, [], 0.0),
    "granian": (1, 50, [], 0.0),
    "granian with 2 workers": (2, 50, [], 0.0),
    "hypercorn": (1, 50, [], 0.0),
    # It waits for open requests first, then cancels them.
    "hypercorn-supervised": (1, 50, [], 3.0),
    "gunicorn-uvicorn": (1, 50, [], 0.0),
    "gunicorn-asgi": (1, 50, [], 0.0),
    "gunicorn-gthread": (1, 50, ["--threads=51"], 0.0),
    "gunicorn-sync": (1, 1, [], 0.0),
}


@pytest.mark.parametrize("name", SERVERS)
def test_open_streams_get_their_last_words(name: str) -> None:
    # F8
    workers, count, args, before = SERVERS[name]
    with start(name.split()[0], workers=workers, args=args) as server:
        _wait_for_workers(server, workers)
        with open_streams(server, "/idle", count) as streams:
            if name == "gunicorn-gthread":  # its main thread installs the hook when it looks up
                wait_for(server, lambda seen: seen["hook"] == "_Hook")
            stopped = server.stop()
            ends = [(stream.read(), stream.ended) for stream in streams]
    print(f"{name}: exit {stopped.code} after {stopped.seconds:.2f} s")
    assert ends == [(LAST_WORDS, "complete")] * count, server.output()
    assert not stopped.killed
    assert stopped.seconds < before + GRACE + MARGIN
    assert "penstock" not in server.output()
    if name != "hypercorn-supervised":  # asyncio speaks of the connections that it cancelled
        assert not complaints(server)


def _wait_for_workers(server: Server, count: int) -> None:
    """A worker that is still starting may miss a signal: granian's do, whatever the app."""
    pids: set[int] = set()

    def all_seen() -> bool:
        pids.add(debug(server)["pid"])
        return len(pids) == count

    wait_until(all_seen, 15.0)


def test_granians_wsgi_threads_are_told_by_nobody() -> None:
    # F8: its main thread waits in a lock, so no hook can be installed from a request's thread.
    # What there is: its own limit, or penstock.shutdown() called by whoever knows.
    with start("granian-wsgi", args=["--workers-kill-timeout=2", "--blocking-threads=2"]) as server:
        with open_streams(server, "/murmur", 1) as [stream]:
            stopped = server.stop()
            assert LAST_WORDS not in stream.read()
    assert stopped.seconds < 2 + MARGIN


def test_sigint_is_the_same() -> None:
    # F8
    with start("uvicorn") as server, open_streams(server, "/idle", 5) as streams:
        stopped = server.stop(with_signal=signal.SIGINT)
        assert [(stream.read(), stream.ended) for stream in streams] == [
            (LAST_WORDS, "complete")
        ] * 5
    assert stopped.seconds < GRACE + MARGIN


@pytest.mark.parametrize("name", ["uvicorn", "granian"])
def test_a_stream_that_drains_ends_as_if_nothing_were(name: str) -> None:
    # F8
    def drain() -> None:
        with start(name) as server, open_streams(server, "/drain?n=8", 1) as [stream]:
            stopped = server.stop()
            body = stream.read()
        assert stream.ended == "complete"
        assert body.endswith(b"data: 7\n\nevent: done\nid: ~end\ndata: \n\n")
        assert stopped.seconds < GRACE + MARGIN

    in_some_try(drain)


def test_a_stream_that_drains_for_too_long_gets_its_last_words() -> None:
    # F8
    def drain() -> None:
        with start("uvicorn") as server, open_streams(server, "/drain?n=1000", 1) as [stream]:
            stopped = server.stop()
            assert stream.read().endswith(LAST_WORDS)
            assert stream.ended == "complete"
        assert GRACE - 0.5 < stopped.seconds < GRACE * 1.25 + MARGIN

    in_some_try(drain)


@pytest.mark.parametrize("name", ["uvicorn", "granian", "hypercorn", "gunicorn-asgi"])
def test_a_stalled_reader_holds_us_for_the_grace_only(name: str) -> None:
    # F8, F1: the app's call is over then. What the server has in its own buffer is the server's:
    # uvicorn and granian wait for the reader for ever unless --timeout-graceful-shutdown or
    # --workers-kill-timeout says otherwise, gunicorn for its --graceful-timeout (30 s).
    with start(name) as server, request(server.port, target="/flood", rcvbuf=4096) as stream:
        read_until(stream, b"x")
        _wait_until_it_stalls(server)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("over: /flood", GRACE + MARGIN)
        print(f"{name}: our part over after {time.monotonic() - began:.2f} s")
        stream.leave()
        assert not server.stop().killed


def _wait_until_it_stalls(server: Server) -> None:
    seen = [-1]
    while seen[-1] != (made := debug(server)["made"].get("flood", 0)):
        seen.append(made)
        time.sleep(0.1)  # a rate needs two moments


def test_a_handler_that_was_there_is_called_too() -> None:
    # F8
    with start("uvicorn", "chained") as server:
        with open_streams(server, "/idle", 3) as streams:
            stopped = server.stop()
            ends = [(stream.read(), stream.ended) for stream in streams]
    assert ends == [(LAST_WORDS, "complete")] * 3
    assert '{"user handler": 15}' in server.output()
    assert stopped.seconds < GRACE + MARGIN


def test_an_ignored_signal_stays_ignored() -> None:
    # F8
    with start("uvicorn", "ignoring") as server, open_streams(server, "/ticks", 1) as [stream]:
        server.process.send_signal(signal.SIGTERM)
        for _ in range(10):
            assert b"shutdown" not in read_until(stream, b"\n\n")
        stopped = server.stop(with_signal=signal.SIGINT)
        assert stream.read().endswith(b": shutdown\nretry: 100\n")
    assert stopped.seconds < GRACE + MARGIN
