"""Our client over rooms and answers that each of the real logs keeps: S5-S8, the reader's half."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from penstock import ServerSentEvent
from penstock.client import AsyncEventStream, Reconnect, aconnect, connect
from tests.conftest import require
from tests.support.redis import RedisServer
from tests.support.servers import Server, serve

LOGS = ("memory", "sqlite", "redis")


@pytest.fixture(scope="module", params=LOGS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if request.param == "redis":
        require(shutil.which("redis-server"), "redis-server")
        with RedisServer() as redis, _serve(redis.url) as running:
            yield running
        return
    path = tmp_path_factory.mktemp("rooms") / "events.db"
    with _serve("memory" if request.param == "memory" else str(path)) as running:
        yield running


def _serve(log: str) -> Server:
    return serve("uvicorn", "readable:app", env={"READABLE_LOG": log})


def call(server: Server, path: str, **query: Any) -> Any:
    return httpx2.post(f"{server.url}{path}", params=query, timeout=30.0).json()


class Reader:
    """A client in a task, what it has read, and how often it lost its connection."""

    def __init__(self, events: AsyncEventStream[ServerSentEvent], lost: list[Reconnect]) -> None:
        self.stream, self.lost = events, lost
        self.events: list[ServerSentEvent] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.stream:
            self.events.append(event)

    async def until(self, ready: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not ready():
                await asyncio.sleep(0.01)

    async def until_it_has(self, count: int) -> None:
        await self.until(lambda: len(self.events) >= count)

    async def until_lost(self, times: int) -> None:
        await self.until(lambda: len(self.lost) >= times)

    def numbers(self, name: str) -> list[int]:
        return [event.json()["i"] for event in self.events if event.event == name]


@asynccontextmanager
async def reading(server: Server, path: str, **options: Any) -> AsyncIterator[Reader]:
    lost: list[Reconnect] = []
    url = f"{server.url}{path}"
    async with aconnect(url, on_reconnect=lost.append, max_delay=0.2, **options) as events:
        reader = Reader(events, lost)
        yield reader
        await events.aclose()
        await reader.task


async def test_a_room_is_resumed_where_it_was_lost(server: Server) -> None:
    # S5: nothing lost or doubled, whichever side of the loss it was broadcast on.
    before = await asyncio.to_thread(call, server, "/facts")
    async with reading(server, "/big") as reader:
        await reader.until(lambda: call(server, "/facts")["big"] > before["big"])
        for first in range(0, 60, 20):
            await asyncio.to_thread(call, server, "/say", room="big", first=first, last=first + 9)
            await reader.until_it_has(first + 10)
            losses = len(reader.lost)
            await asyncio.to_thread(call, server, "/hang-up")
            await asyncio.to_thread(
                call, server, "/say", room="big", first=first + 10, last=first + 19
            )
            await reader.until_lost(losses + 1)
            await reader.until_it_has(first + 20)
    assert reader.numbers("big") == list(range(60))
    assert len({event.id for event in reader.events}) == 60
    assert all(info.has_cursor for info in reader.lost)


@pytest.mark.parametrize("cursor", ["41", "00064b5a0c0d3cabcdef0-000000000007"])
async def test_an_unknown_cursor_is_a_reset(server: Server, cursor: str) -> None:
    # S5: the event says why; then comes all that is held, and live events after it.
    await asyncio.to_thread(call, server, "/say", room="small", first=0, last=9)
    async with reading(server, "/small", last_event_id=cursor) as reader:
        await reader.until_it_has(6)
        await asyncio.to_thread(call, server, "/say", room="small", first=10, last=11)
        await reader.until_it_has(8)
    first = reader.events[0]
    assert (first.event, first.json()) == ("reset", {"reason": "unknown"})
    assert reader.numbers("small") == list(range(5, 12))


async def test_a_cursor_that_is_too_old_is_a_reset(server: Server) -> None:
    # S5. Nobody has read this room before: what a reader was sent is at hand for a while longer.
    ids = (await asyncio.to_thread(call, server, "/say", room="old", first=0, last=20))["ids"]
    async with reading(server, "/old", last_event_id=ids[0]) as reader:
        await reader.until_it_has(6)
    assert reader.events[0].event == "reset"
    assert reader.numbers("old") == list(range(16, 21))
    async with reading(server, "/old", last_event_id=ids[-3]) as reader:
        await reader.until_it_has(2)
    assert (reader.events[0].event, reader.numbers("old")) == ("old", [19, 20])


async def test_one_cursor_for_two_rooms(server: Server) -> None:
    # S5: a composite id, kept and sent back by the client as it is.
    async with reading(server, "/both") as reader:
        await reader.until(lambda: all(call(server, "/facts")[name] for name in ("small", "big")))
        await asyncio.to_thread(call, server, "/say", room="big", first=0, last=2)
        await asyncio.to_thread(call, server, "/say", room="small", first=0, last=2)
        await reader.until_it_has(6)
        assert "_" in reader.events[-1].id
        await asyncio.to_thread(call, server, "/hang-up")
        await asyncio.to_thread(call, server, "/say", room="small", first=3, last=5)
        await asyncio.to_thread(call, server, "/say", room="big", first=3, last=5)
        await reader.until_it_has(12)
    assert reader.numbers("big") == reader.numbers("small") == list(range(6))
    assert reader.lost[0].last_event_id == reader.events[5].id
    assert not any(event.event == "reset" for event in reader.events)


async def test_an_answer_is_followed_over_losses_to_its_end(server: Server) -> None:
    # S7: each event once and in order; the end mark ends the reading.
    key = uuid4().hex
    await asyncio.to_thread(call, server, "/start", key=key, n=200, hold=50)
    async with reading(server, f"/answer?key={key}") as reader:
        for times, count in enumerate((50, 100, 150), start=1):
            await reader.until_it_has(count)
            await asyncio.to_thread(call, server, "/hang-up")
            await reader.until_lost(times)
            await asyncio.to_thread(call, server, "/go-on", key=key)
        await reader.until_it_has(200)
        await asyncio.to_thread(call, server, "/go-on", key=key)
        await asyncio.wait_for(reader.task, 30)
    assert reader.numbers("message") == list(range(200))
    assert [info.attempt for info in reader.lost] == [1, 1, 1]
    assert reader.stream.end is not None
    assert (reader.stream.end.event, reader.stream.end.id) == ("done", "~end")
    # Over is over: there is nothing to ask for again.
    async with reading(server, f"/answer?key={uuid4().hex}") as nothing:
        await asyncio.wait_for(nothing.task, 30)
    assert (nothing.events, nothing.stream.end) == ([], None)


def test_a_stopped_answer_says_so(server: Server) -> None:
    # S7
    key = uuid4().hex
    call(server, "/start", key=key, n=100_000)
    with connect(f"{server.url}/answer?key={key}") as events:
        assert next(events).json() == {"i": 0}
        assert call(server, "/stop", key=key) == {"stopped": True}
        rest = list(events)
    numbers = [event.json()["i"] for event in rest if event.event == "message"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert events.end is not None
    assert (events.end.event, events.end.id) == ("stopped", "~end")


def test_a_failed_answer_is_one_error(server: Server) -> None:
    # S7, E2: told to who was there, and to who comes later with a cursor.
    key = uuid4().hex
    call(server, "/start", key=key, n=5, hold=5, fails="")
    with connect(f"{server.url}/answer?key={key}") as events:
        found = [next(events)]
        call(server, "/go-on", key=key)
        found += events
    assert [event.json() for event in found[:-1]] == [{"i": i} for i in range(5)]
    error = found[-1]
    assert (error.event, error.id) == ("error", "~end")
    assert error.json()["errors"][0]["status"] == 429
    assert events.end == error
    with connect(f"{server.url}/answer?key={key}", last_event_id=found[2].id) as later:
        assert [event.event for event in later] == ["message", "message", "error"]
