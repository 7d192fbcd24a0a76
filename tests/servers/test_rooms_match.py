"""``match=`` and promptness over two real processes that share a log."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from tests.conftest import require
from tests.support.redis import RedisServer
from tests.support.servers import Server, serve
from tests.support.sse_reader import SseReader, ask


@pytest.fixture(params=["sqlite", "redis"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        where = str(tmp_path / "room.db")
        if request.param == "redis":
            require(shutil.which("redis-server"), "redis-server")
            where = stack.enter_context(RedisServer()).url
        servers = []
        for _ in range(2):
            servers.append(serve("uvicorn", "rooms:app", env={"ROOM_LOG": where}))
            stack.callback(servers[-1].stop)
        yield servers


async def until(reader: SseReader, text: str) -> None:
    """Wait until ``reader`` has ``text``."""
    async with asyncio.timeout(30):
        while text not in reader.data:
            await asyncio.sleep(0.001)


async def say(server: Server, process: str, n: int = 1, to: str = "") -> list[str]:
    target = f"/say?process={process}&n={n}" + (f"&to={to}" if to else "")
    body = await ask(server.port, target)
    kept: list[str] = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["kept"]
    return kept


@pytest.mark.timeout(120)
def test_one_user_is_reached_wherever_they_are(pair: list[Server]) -> None:
    # S4: live, in both processes, and at replay
    async def scene() -> None:
        here, there = pair
        ada = [SseReader([server.port], "/events?user=ada") for server in pair]
        bob = [SseReader([server.port], "/events?user=bob") for server in pair]
        for reader in (*ada, *bob):
            await reader.is_there()
        cursor = bob[0].last_id
        await say(here, "to-ada", 3, "ada")
        await say(there, "to-bob", 2, "bob")
        await say(here, "all")
        for reader in (*ada, *bob):
            await until(reader, "all-0")
        of_ada = ["to-ada-0", "to-ada-1", "to-ada-2", "all-0"]
        of_bob = ["to-bob-0", "to-bob-1", "all-0"]
        assert all(reader.data == of_ada for reader in ada)
        assert all(reader.data == of_bob for reader in bob)
        again = SseReader([there.port], f"/events?user=bob&lastEventId={cursor}")
        newcomer = SseReader([there.port], "/events?user=bob&replay=1")
        for reader in (again, newcomer):
            await until(reader, "all-0")
            assert reader.data == of_bob
        for reader in (*ada, *bob, again, newcomer):
            await reader.close()

    asyncio.run(scene())


@pytest.mark.timeout(120)
def test_the_other_process_has_it_promptly(pair: list[Server]) -> None:
    # S6: within 50 ms on a machine with nothing else to do; said, and bounded loosely
    async def scene() -> None:
        here, there = pair
        reader = SseReader([there.port], "/events?user=ada")
        await reader.is_there()
        took = []
        for number in range(20):
            began = time.perf_counter()
            await asyncio.gather(say(here, f"at{number}"), until(reader, f"at{number}-0"))
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)
        print(f"median {1e3 * median(took):.1f} ms, longest {1e3 * max(took):.1f} ms")
        assert median(took) < 2.0
        await reader.close()

    asyncio.run(scene())
