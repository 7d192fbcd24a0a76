"""Logs that several processes share; processes that are killed, Redis among them."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import pytest

from penstock import Ending, HttpError, Resumable
from penstock.core.log import Keep
from penstock.errors import LogUnavailable
from penstock.logs import RedisLog, SqliteLog
from tests.conftest import require
from tests.logs.worker import make_log
from tests.support.process import wait_until
from tests.support.redis import RedisServer

ROOT = Path(__file__).resolve().parents[2]
# `make fuzz` kills more often than `make test`.
KILLS = 50 if os.environ.get("PENSTOCK_FUZZ") else 8

# Seconds; long enough that a machine that stood still for five has renewed in time.
LEASE = 8.0

Worker: TypeAlias = subprocess.Popen[str]


@pytest.fixture(params=["sqlite", "redis"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return what names a fresh log to any process."""
    if request.param == "sqlite":
        return str(tmp_path / "events.db")
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}-{time.time_ns()}"


@contextmanager
def worker(*arguments: str) -> Iterator[Worker]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.logs.worker", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def line_of(process: Worker) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def test_another_process_sees_an_append_promptly(spec: str, key: str) -> None:  # S6
    log, count = make_log(spec), 40
    late = []
    with worker("stamp", spec, key, str(count)):
        async with asyncio.timeout(40):
            async for entry in log.follow(key):
                if entry.data != b"begun":
                    late.append(time.time() - float(entry.data))
                if len(late) == count:
                    break
    await log.aclose()
    print(f"median {median(late) * 1000:.1f} ms, worst {max(late) * 1000:.1f} ms")
    assert median(late) < 1.0  # about 10 ms on a machine with nothing else to do


@pytest.mark.fuzz
def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path: Path, key: str) -> None:
    # S6: SQLite, process death
    spec, acknowledged = str(tmp_path / "events.db"), []
    for _ in range(KILLS):
        with worker("append", spec, key) as process:
            acknowledged.append(line_of(process))
            time.sleep(random.uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
            assert process.stdout is not None
            printed = process.stdout.read()
            whole = printed[: printed.rfind("\n") + 1]  # the last line may be cut
            acknowledged += whole.splitlines()
    ids = [line.split()[0] for line in acknowledged]
    assert ids == sorted(set(ids))

    async def held() -> dict[str, str]:
        log, found = SqliteLog(spec), {}
        cursor = None
        while page := await log.read(key, after=cursor):
            found.update({entry.id: entry.data.decode() for entry in page})
            cursor = page[-1].id
        await log.append(key, b"and it goes on")
        await log.aclose()
        return found

    found = asyncio.run(held())
    for line in acknowledged:
        id, data = line.split()
        assert found[id] == data


async def test_redis_goes_away_and_comes_back(key: str) -> None:  # S6
    require(shutil.which("redis-server"), "redis-server")
    acknowledged: list[bytes] = []
    keep = Keep(max_events=1_000_000)
    with RedisServer(durable=True) as server:
        writing, reading = RedisLog(server.url, patience=60), RedisLog(server.url, patience=60)
        seen: list[bytes] = []
        over = asyncio.Event()

        async def write(name: int) -> None:
            number = 0
            while not over.is_set():
                data = b"%d:%d" % (name, number)
                await writing.append(key, data, keep=keep)
                acknowledged.append(data)
                number += 1

        async def follow() -> None:
            async for entry in reading.follow(key):
                if entry.ending is not None:
                    return
                seen.append(entry.data)

        following = asyncio.create_task(follow())
        writers = [asyncio.create_task(write(name)) for name in range(4)]
        async with asyncio.timeout(50):
            await until(lambda: len(acknowledged) > 200)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(3.0)
            before = len(acknowledged)
            await asyncio.to_thread(server.start)
            await until(lambda: len(acknowledged) > before + 200)
            over.set()
            await asyncio.gather(*writers)
            await writing.close(key)
            await following
        assert len(seen) == len(set(seen)), "doubled"
        assert set(acknowledged) == set(seen)
        for name in range(4):  # and in the order in which each wrote
            mine = [data for data in seen if data.startswith(b"%d:" % name)]
            assert mine == [b"%d:%d" % (name, number) for number in range(len(mine))]
        await writing.aclose()
        await reading.aclose()


async def test_an_answer_goes_on_over_an_outage_of_redis(key: str) -> None:  # S6, S7
    require(shutil.which("redis-server"), "redis-server")
    count = 400

    async def words() -> AsyncGenerator[str]:
        for number in range(count):
            await asyncio.sleep(0.005)
            yield f"word {number} "

    with RedisServer(durable=True) as server:
        log, elsewhere = RedisLog(server.url, patience=40), RedisLog(server.url, patience=40)
        run = await Resumable(log, lease=60).start(key, words)
        got: list[str] = []

        async def read() -> None:
            async for item in Resumable(elsewhere).follow(key):
                got.append(item)

        async with asyncio.timeout(50):
            reading = asyncio.create_task(read())
            await until(lambda: len(got) > 50)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(1.0)
            await asyncio.to_thread(server.start)
            await reading
            assert await run.wait() is Ending.COMPLETED
        assert got == [f"word {number} " for number in range(count)]
        await log.aclose()
        await elsewhere.aclose()


async def test_without_redis_it_raises_in_bounded_time() -> None:
    log = RedisLog("redis://127.0.0.1:1", patience=0.3)
    for attempt in (log.append("k", b""), log.read("k"), log.claim("k", lease=1), log.delete("k")):
        with pytest.raises(LogUnavailable, match="did not answer"):
            await attempt
    await log.aclose()


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_readers_of_a_killed_producer_are_told_within_the_lease(
    spec: str, key: str
) -> None:  # S7
    log = make_log(spec)
    answers, got = Resumable(log, lease=LEASE), []
    with worker("produce", spec, key, str(LEASE)) as process:
        await asyncio.to_thread(line_of, process)

        async def read() -> float:
            with pytest.raises(HttpError, match="died"):
                async for item in answers.follow(key):
                    got.append(item)
            return time.monotonic()

        readers = [asyncio.create_task(read()) for _ in range(3)]
        await until(lambda: len(got) > 9)
        process.kill()
        killed = time.monotonic()
        async with asyncio.timeout(30):
            told = await asyncio.gather(*readers)
        print(f"told after {max(told) - killed:.2f} s of a lease of {LEASE} s")
        assert max(told) - killed < LEASE + 10  # never for ever; how soon, the figure says
        assert await answers.follow(key) is None
        run = await answers.start(key, lambda: ["alive"])
        assert [item async for item in run.follow()] == ["alive"]
        await run.wait()
    await answers.aclose()
    await log.aclose()


async def test_another_process_stops_it(spec: str, key: str) -> None:  # S7
    log = make_log(spec)
    answers = Resumable(log)
    with worker("produce", spec, key, "30") as process:
        await asyncio.to_thread(line_of, process)
        began = time.monotonic()
        assert await answers.stop(key)
        print(f"stopped within {time.monotonic() - began:.3f} s")
        assert await asyncio.to_thread(line_of, process) == "ended stopped"
        assert time.monotonic() - began < 10  # 0.02 s on a machine with nothing else to do
    assert [item async for item in answers.follow(key)] == []
    await log.aclose()


async def test_two_processes_start_at_once(spec: str, key: str) -> None:  # S7
    with worker("produce", spec, key, "30") as one, worker("produce", spec, key, "30") as two:
        started = [await asyncio.to_thread(line_of, process) for process in (one, two)]
        assert started[0] == started[1]  # the same run: one produces it, the other follows
        log = make_log(spec)
        assert await Resumable(log).stop(key)
        ended = [await asyncio.to_thread(line_of, process) for process in (one, two)]
        assert ended == ["ended stopped"] * 2
        await log.aclose()


def test_a_fork_opens_connections_of_its_own(spec: str, key: str) -> None:
    log, loop = make_log(spec), asyncio.new_event_loop()
    loop.run_until_complete(log.append(key, b"parent"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
        child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            asyncio.run(log.append(key, b"child"))
            os._exit(0)
        finally:
            os._exit(1)
    statuses: list[int] = []

    def ended() -> bool:
        pid, status = os.waitpid(child, os.WNOHANG)
        statuses.append(status)
        return pid == child

    wait_until(ended, 20.0)
    assert statuses[-1] == 0
    entries = loop.run_until_complete(log.read(key))
    loop.run_until_complete(log.aclose())
    loop.close()
    assert [entry.data for entry in entries] == [b"parent", b"child"]


async def test_a_forks_child_leaves_its_parents_connections_alone(
    redis_server: RedisServer, key: str
) -> None:
    # Collected in the child, they would leave the selector that both processes share.
    log = RedisLog(redis_server.url)
    await log.append(key, b"parent")
    [link] = [weakref.ref(each) for each in log._links.values()]
    log._process = -1  # as if this were the child
    await log.append(key, b"child")
    gc.collect()
    kept = link()
    assert kept is not None
    assert kept not in log._links.values()
    await kept.aclose()
    await log.aclose()
