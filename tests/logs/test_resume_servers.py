"""An answer over four server processes: readers are cut and go elsewhere, a server is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import request
from tests.support.process import wait_until
from tests.support.redis import RedisServer
from tests.support.servers import Server, serve

LEASE = 8.0  # seconds; a machine that stands still for five renews in time


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    """Four uvicorn processes over one log."""
    if request.param == "sqlite":
        spec = str(Path(tmp_path_factory.mktemp("answers"), "events.db"))
    else:
        redis: RedisServer = request.getfixturevalue("redis_server")
        spec = redis.url
    env = {"PENSTOCK_TEST_LOG": spec, "PENSTOCK_TEST_LEASE": str(LEASE)}
    with ExitStack() as stack:
        started = []
        for _ in range(4):
            server = serve("uvicorn", "answers:app", env=env)
            stack.callback(server.kill)
            started.append(server)
        yield started


def call(server: Server, target: str) -> Any:
    with request(server.port, "POST", target, timeout=30.0) as response:
        assert response.status == 200, response.read()
        return json.loads(response.read())


def test_a_reader_that_is_cut_twenty_times_has_the_exact_text(servers: list[Server]) -> None:
    # S7, done-when 3
    a, *others = servers
    assert call(a, "/start?key=cut&n=500&gap=0.006")["is_owner"]
    assert not call(others[0], "/start?key=cut")["is_owner"]
    dice = random.Random(7)
    cuts = sorted(dice.sample(range(1, 499), 20))
    text, cursor, connections = "", None, 0
    received = 0
    done = False
    while not done:
        headers: Any = [("Last-Event-ID", cursor)] if cursor else []
        server = others[connections % 3]
        connections += 1
        stop_at = cuts.pop(0) if cuts else None
        with request(server.port, "GET", "/?key=cut", headers=headers) as response:
            assert response.status == 200
            for _, event in response.events(timeout=20.0):
                if event.event == "done":
                    done = True
                    break
                assert event.event == "message"
                text, cursor, received = text + event.data, event.id, received + 1
                if stop_at is not None and received >= stop_at:
                    response.reset()
                    break
    assert connections == 21
    # Each word's line end is the end of a data line.
    assert text == "".join(f"word {number}\n" for number in range(500))


def test_a_stop_elsewhere_ends_the_producer(servers: list[Server]) -> None:  # S7, done-when 3
    a, b, c, _ = servers
    call(a, "/start?key=stop&n=100000&gap=0.01")
    with request(b.port, "GET", "/?key=stop") as response:
        events = response.events(timeout=20.0)
        assert next(events).event.data == "word 0\n"
        began = time.time()
        assert call(c, "/stop?key=stop")["stopped"]
        wait_until(lambda: call(a, "/log"), 20.0)
        took = call(a, "/log")[-1][1] - began
        print(f"the producer ended {took:.3f} s after the stop was asked for")
        assert took < 10.0  # 0.05 s on a machine with nothing else to do
        rest = [event for _, event in events]
        assert (rest[-1].event, rest[-1].id) == ("stopped", "~end")
        assert response.ended == "complete"

    def nothing_runs() -> bool:
        with request(b.port, "GET", "/?key=stop") as response:
            return response.status == 204

    wait_until(nothing_runs)  # the producer tells the end first, then it lets go


def test_readers_of_a_server_that_goes_away_are_told(servers: list[Server]) -> None:  # S7, F8
    _, b, _, d = servers
    call(d, "/start?key=term&n=100000&gap=0.01")
    with request(b.port, "GET", "/?key=term") as response:
        events = response.events(timeout=20.0)
        next(events)
        assert not d.stop().killed  # SIGTERM: it tells, and then it goes
        rest = [event for _, event in events]
    assert (rest[-1].event, rest[-1].id) == ("error", "~end")
    assert rest[-1].json()["errors"][0]["status"] == 503
    assert call(b, "/start?key=term&n=1")["is_owner"]


def test_readers_of_a_killed_server_get_an_error_within_the_lease(
    servers: list[Server],
) -> None:  # S7, done-when 3. The last, since its server is gone.
    a, b, c, _ = servers
    call(a, "/start?key=kill&n=100000&gap=0.01")
    with request(b.port, "GET", "/?key=kill") as one, request(c.port, "GET", "/?key=kill") as two:
        readers = [one.events(timeout=30.0), two.events(timeout=30.0)]
        for reader in readers:
            next(reader)
        os.killpg(a.pid, signal.SIGKILL)
        killed = time.monotonic()
        for reader, response in zip(readers, (one, two), strict=True):
            rest = [event for _, event in reader]
            assert (rest[-1].event, rest[-1].id) == ("error", "~end")
            assert [event.event for event in rest[:-1]] == ["message"] * (len(rest) - 1)
            assert response.ended == "complete"
        print(f"told {time.monotonic() - killed:.2f} s after the kill, of a lease of {LEASE} s")
        assert time.monotonic() - killed < LEASE + 15
