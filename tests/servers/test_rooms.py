"""Rooms on real servers: four processes on one Redis, and a browser across a server's restart.

``PENSTOCK_FULL=1`` (``make soak``) runs the whole size: 200 readers, 2,000 broadcasts.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.browser import open_browser
from tests.conftest import require
from tests.servers.reading import complaints
from tests.support.http import request
from tests.support.process import wait_until
from tests.support.redis import RedisServer
from tests.support.servers import Server, held_port, serve
from tests.support.sse_reader import SseReader, ask

FULL = bool(os.environ.get("PENSTOCK_FULL"))
PROCESSES = 4
READERS, BROADCASTS = (200, 2000) if FULL else (24, 200)
PATIENCE = 180.0 if FULL else 60.0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    require(shutil.which("redis-server"), "redis-server")
    with RedisServer(durable=True) as server:
        yield server


@pytest.fixture
def processes(redis: RedisServer) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        servers = []
        for _ in range(PROCESSES):
            servers.append(serve("uvicorn", "rooms:app", env={"ROOM_LOG": redis.url}))
            stack.callback(finish, servers[-1])
        yield servers


def finish(server: Server) -> None:
    """Stop ``server``, unless the test has killed it."""
    if server.stopped is None:
        server.stop()


async def join(ports: list[int], count: int) -> list[SseReader]:
    """Return readers, spread over ``ports``, that will miss nothing from now on."""
    turns = [ports[at:] + ports[:at] for at in range(len(ports))]
    readers = [SseReader(turns[at % len(turns)], "/events") for at in range(count)]
    for reader in readers:
        await reader.is_there()
    return readers


async def say(port: int, process: int, first: int, n: int, pause: float = 0.0) -> list[str]:
    """Broadcast from one process; return what it says was kept."""
    target = f"/say?process={process}&first={first}&n={n}&pause={pause}"
    body = await asyncio.wait_for(ask(port, target), PATIENCE)
    kept: list[str] = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["kept"]
    return kept


async def until_all_have(readers: list[SseReader], expected: set[str]) -> None:
    """Wait until every reader has all of ``expected``; each once, and in one order."""
    deadline = time.monotonic() + PATIENCE
    while any(not expected <= set(reader.data) for reader in readers):
        lacking = [len(expected - set(reader.data)) for reader in readers]
        assert time.monotonic() < deadline, f"lacking after {PATIENCE:g} s: {lacking}"
        await asyncio.sleep(0.05)
    for reader in readers:
        assert len(reader.data) == len(set(reader.data)), "an event came twice"
        assert reader.data == readers[0].data, "two readers saw two orders"
        assert not reader.resets
    for process in range(PROCESSES):
        of_one = [text for text in readers[0].data if text.startswith(f"{process}-")]
        assert of_one == sorted(of_one, key=lambda text: int(text.split("-")[1]))


async def close(readers: list[SseReader]) -> None:
    for reader in readers:
        await reader.close()


@pytest.mark.timeout(400)
def test_four_processes_on_one_redis(processes: list[Server]) -> None:
    # S3, S5, S6: every reader gets every event once, in one order
    async def scene() -> None:
        ports = [server.port for server in processes]
        readers = await join(ports, READERS)
        each = BROADCASTS // PROCESSES
        kept = await asyncio.gather(*(say(port, at, 0, each) for at, port in enumerate(ports)))
        assert sum(map(len, kept)) == BROADCASTS
        await until_all_have(readers, {text for texts in kept for text in texts})
        assert all(reader.connects == 1 for reader in readers)
        await close(readers)

    asyncio.run(scene())
    for server in processes:
        assert not complaints(server)


@pytest.mark.timeout(400)
def test_redis_is_killed_and_comes_back(redis: RedisServer, processes: list[Server]) -> None:
    # S6: appendfsync always: what was acknowledged is there, and there once
    async def scene() -> None:
        ports = [server.port for server in processes]
        readers = await join(ports, READERS)
        each = BROADCASTS // PROCESSES
        saying = [
            asyncio.ensure_future(say(port, at, 0, each, 0.002)) for at, port in enumerate(ports)
        ]
        while not readers[0].data:
            await asyncio.sleep(0.01)
        redis.kill()
        await asyncio.sleep(3.0 if FULL else 1.0)
        await asyncio.to_thread(redis.start)
        kept = await asyncio.gather(*saying)
        await until_all_have(readers, {text for texts in kept for text in texts})
        assert set(readers[0].data) == {text for texts in kept for text in texts}
        await close(readers)

    asyncio.run(scene())


@pytest.mark.timeout(400)
def test_a_process_is_killed(processes: list[Server]) -> None:
    # S5, S6: its readers go to the others with their Last-Event-ID and miss nothing
    async def scene() -> None:
        ports = [server.port for server in processes]
        readers = await join(ports, READERS)
        each = BROADCASTS // PROCESSES
        saying = [
            asyncio.ensure_future(say(port, at, 0, each, 0.002))
            for at, port in enumerate(ports[:3])
        ]
        while not readers[0].data:
            await asyncio.sleep(0.01)
        processes[3].kill()
        kept = await asyncio.gather(*saying)
        await until_all_have(readers, {text for texts in kept for text in texts})
        assert all(reader.connects >= 2 for reader in readers[3::4])
        await close(readers)

    asyncio.run(scene())


LISTEN = """
(url) => {
    window.seen = [];
    window.resets = 0;
    const source = window.source = new EventSource(url);
    source.addEventListener("line", (event) => seen.push(JSON.parse(event.data).text));
    source.addEventListener("reset", () => { resets += 1; });
}
"""


def test_a_browser_comes_back_after_the_server_was_restarted(tmp_path: Path) -> None:
    # S5, S6, F8: EventSource by itself; the log is a file, so ids survive
    held = held_port()
    port = held.getsockname()[1]
    env = {"ROOM_LOG": str(tmp_path / "room.db")}

    def start() -> Server:
        return serve("uvicorn", "rooms:app", env=env, port=port)

    def tell(first: int, n: int) -> None:
        with request(port, "GET", f"/say?process=0&first={first}&n={n}") as response:
            assert response.status == 200
            response.read()

    with open_browser() as browser:
        page: Any = browser.new_page()
        page.set_default_timeout(30_000)
        with start():
            page.goto(f"http://127.0.0.1:{port}/")
            page.evaluate(LISTEN, "/events?replay")
            tell(0, 5)
            wait_until(lambda: page.evaluate("seen.length") == 5)
        with start():
            tell(5, 5)  # before it is back, or after: the same to it
            wait_until(lambda: page.evaluate("seen.length") >= 10, 30.0)
            tell(10, 5)
            wait_until(lambda: page.evaluate("seen.length") >= 15, 30.0)
            assert page.evaluate("seen") == [f"0-{number}" for number in range(15)]
            assert page.evaluate("resets") == 0
            page.evaluate("source.close()")
    held.close()
