"""Channels with a log: coming back, resets, matching at replay."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from penstock import Channel, Context, InvalidOption, LogUnavailable, Session, endpoint
from penstock.logs import MemoryLog
from penstock.testing import open_stream
from tests.app.rooms import join, texts


def make(history: int = 100, **options: Any) -> Channel[Any]:
    return Channel("room", history=history, **options)


def last_id(reader: Any) -> str:
    """Return the cursor that a reader would come back with."""
    found: list[bytes] = re.findall(rb"^id: (.*)$", reader.stream.body, re.MULTILINE)
    return found[-1].decode()


async def test_a_reader_that_comes_back_gets_what_it_missed_and_nothing_twice() -> None:
    # S5, F9
    room = make()
    async with join(room) as reader:
        await room.broadcast("1")
        assert await reader.data() == ["1"]
        cursor = last_id(reader)
    for text in ("2", "3"):
        await room.broadcast(text)
    async with join(room, after=cursor) as reader:
        await room.broadcast("4")
        assert await reader.data(3) == ["2", "3", "4"]


async def test_one_cut_before_its_first_event_misses_nothing() -> None:
    # S5: the reader is told where it is though nothing came
    room = make()
    async with join(room) as reader:
        await reader.stream.wait_for(lambda: b"id: " in reader.stream.body)
        cursor = last_id(reader)
        assert texts(reader) == []
    await room.broadcast("while away")
    async with join(room, after=cursor) as reader:
        assert await reader.data() == ["while away"]


async def test_a_broadcast_right_after_register_is_not_missed() -> None:
    # S3, S5
    room = make()

    @endpoint
    def app(ctx: Context) -> Any:
        session = ctx.session()
        room.register(session)
        room.broadcast("at once")
        return session

    async with open_stream(app) as stream:
        assert (await stream.next_event()).data == "at once"


async def test_events_while_a_reader_catches_up_come_once_and_in_order() -> None:
    # S5
    room = make(history=2000)
    async with join(room) as reader:
        cursor = last_id(reader)
    for number in range(600):
        room.broadcast(str(number))
    await room.broadcast("600")

    async def more() -> None:
        for number in range(601, 1201):
            await room.broadcast(str(number))
            await asyncio.sleep(0)

    sending = asyncio.ensure_future(more())
    async with join(room, after=cursor) as reader:
        assert await reader.data(1201) == [str(number) for number in range(1201)]
    await sending


# S5: the cursor a reader comes with, and the reason it is told
GONE = {"never an id": ("junk", "unknown"), "another epoch": (f"{1:020x}-{5:012d}", "unknown")}


@pytest.mark.parametrize(("cursor", "reason"), GONE.values(), ids=GONE)
async def test_an_unknown_cursor_resets(cursor: str, reason: str) -> None:
    # S5
    room = make()
    for text in ("1", "2"):
        await room.broadcast(text)
    async with join(room, after=cursor) as reader:
        await room.broadcast("3")
        first = await reader.stream.next_event()
        assert (first.event, first.json()) == ("reset", {"reason": reason})
        assert await reader.data(3) == ["1", "2", "3"]


async def test_a_cursor_too_old_resets_to_what_is_held() -> None:
    # S5
    room = make(history=3)
    async with join(room) as reader:
        cursor = last_id(reader)
    for number in range(10):
        await room.broadcast(str(number))
    async with join(room, after=cursor) as reader:
        assert await reader.data(4) == ['{"reason":"too old"}', "7", "8", "9"]


@pytest.mark.parametrize("where", ["channel", "register"])
async def test_a_snapshot_in_place_of_what_is_held(where: str) -> None:
    # S5
    async def snapshot(session: Session[Any]) -> None:
        await session.push("all of it", "snapshot")

    in_channel: dict[str, Any] = {"snapshot": snapshot} if where == "channel" else {}
    room = make(**in_channel)
    await room.broadcast("old")
    register = {} if where == "channel" else {"snapshot": snapshot}
    async with join(room, after="junk", register=register) as reader:
        await room.broadcast("new")
        assert await reader.data(3) == ['{"reason":"unknown"}', "all of it", "new"]
        cursor = last_id(reader)
    await room.broadcast("later")
    async with join(room, after=cursor, register=register) as reader:
        assert await reader.data() == ["later"]


@pytest.mark.parametrize(
    ("replay", "expected"),
    [(False, []), (2, ["2", "3"]), (9, ["1", "2", "3"]), (True, ["1", "2", "3"])],
)
async def test_what_a_newcomer_gets_first(replay: Any, expected: list[str]) -> None:
    # S5
    room = make()
    for text in ("1", "2", "3"):
        await room.broadcast(text)
    async with join(room, register={"replay": replay}) as reader:
        await room.broadcast("live")
        assert await reader.data(len(expected) + 1) == [*expected, "live"]


async def test_match_holds_at_replay_too() -> None:
    # S4
    room = make()
    async with join(room) as reader:
        cursor = last_id(reader)
    await room.broadcast("for ada", match={"user": "ada"})
    await room.broadcast("for bob", match={"user": "bob"})
    await room.broadcast("for all")
    for user in ("ada", "bob"):
        async with join(room, after=cursor, state={"user": user}) as reader:
            assert await reader.data(2) == [f"for {user}", "for all"]


def test_what_a_log_cannot_promise_is_refused() -> None:
    # S4, S5
    room = make()
    with pytest.raises(ValueError, match="match="):
        room.broadcast("x", filter=lambda session: True)
    with pytest.raises(InvalidOption, match="id="):
        room.broadcast("x", id="7")
    with pytest.raises(ValueError, match="match="):
        Channel("room", log=MemoryLog()).broadcast("x", filter=lambda session: True)


async def test_an_awaited_broadcast_gives_its_id() -> None:
    # S5, W9
    room = make()
    async with join(room) as reader:
        id = await room.broadcast({"a": 1}, "tick")
        event = await reader.stream.next_event()
        assert (event.event, event.id, event.data) == ("tick", id, '{"a":1}')


async def test_a_restarted_process_takes_no_old_cursor_for_another_event() -> None:
    # S5: ids carry an epoch
    room = make()
    async with join(room) as reader:
        await room.broadcast("before")
        await reader.data()
        cursor = last_id(reader)
    again = make()
    await again.broadcast("after")
    async with join(again, after=cursor) as reader:
        assert await reader.data(2) == ['{"reason":"unknown"}', "after"]


async def test_two_processes_on_one_log() -> None:
    # S4, S6: two channels of one name, as two processes have
    log = MemoryLog()
    here, there = (Channel[Any]("room", log=log) for _ in range(2))
    async with join(here, state="a") as one, join(there, state="b") as two:
        for number in range(20):
            await (here if number % 2 else there).broadcast(str(number))
        assert await one.data(20) == await two.data(20) == [str(number) for number in range(20)]
        ids = [[event.id for event in reader.stream.events] for reader in (one, two)]
        assert ids[0] == ids[1] == sorted(ids[0])


async def test_one_that_catches_up_slowly_holds_up_nobody() -> None:
    # S3, F9: a stalled reader amid its replay, and a snapshot that itself broadcasts
    room = make()
    ids = [await room.broadcast("x" * 4000) for _ in range(60)]
    sessions: list[Session[Any]] = []

    async def snapshot(session: Session[Any]) -> None:
        await room.broadcast("from a snapshot")
        await session.push("all of it", "snapshot")

    @endpoint
    def app(ctx: Context) -> Any:
        sessions.append(ctx.session())
        room.register(sessions[-1], snapshot=snapshot)
        return sessions[-1]

    async with join(room) as reader:
        async with open_stream(app, headers={"last-event-id": ids[0]}, buffer=1):
            async with asyncio.timeout(10):
                await room.broadcast("live")
                assert await reader.data() == ["live"]
        async with open_stream(app, headers={"last-event-id": "unknown"}) as stream:
            assert (await stream.next_event()).event == "reset"
            assert (await stream.next_event()).data == "all of it"
            assert (await stream.next_event()).data == "from a snapshot"
        assert await reader.data() == ["from a snapshot"]


async def test_drop_oldest_says_so() -> None:
    # S5, F9
    room = make(overflow="drop_oldest", max_queue=5)
    async with join(room) as slow:
        slow.stream.stall()
        for number in range(40):
            await room.broadcast(str(number))
            await asyncio.sleep(0)
        slow.stream.resume()
        seen: list[str] = []
        while not seen or seen[-1] != "39":
            seen += await slow.data()
        reset = seen.index('{"reason":"dropped"}')
        assert seen.count('{"reason":"dropped"}') == 1
        assert seen[:reset] == [str(number) for number in range(reset)]
        assert seen[reset + 1 :] == [str(n) for n in range(40 - len(seen[reset + 1 :]), 40)]


async def test_a_closed_reader_resumes_from_the_log() -> None:
    # F9, S5
    room = make(max_queue=5)
    async with join(room) as slow:
        slow.stream.stall()
        for number in range(40):
            await room.broadcast(str(number))
            await asyncio.sleep(0)
        slow.stream.resume()
        await slow.stream.read()
        seen = texts(slow)
        assert len(seen) < 40
        cursor = last_id(slow)
    async with join(room, after=cursor) as again:
        assert seen + await again.data(40 - len(seen)) == [str(number) for number in range(40)]


async def test_values_come_out_of_a_log_as_they_went_in() -> None:
    # W3, W11, S3
    room = make()
    async with join(room) as reader:
        for value in ("text", {"a": [1, None]}, 7, None, "a\nb"):
            await room.broadcast(value)
        assert await reader.data(5) == ["text", '{"a":[1,null]}', "7", "null", "a\nb"]


async def test_subscribe_reads_on_by_id() -> None:
    # S3, S5, F9: a slow subscriber with a log loses nothing
    room = make()
    ids = [await room.broadcast(number) for number in range(5)]
    events = aiter(room.subscribe(after=ids[1]))
    for number in range(5, 9):
        await room.broadcast(number)
    got = [await anext(events) for _ in range(7)]
    assert [event.data for event in got] == [2, 3, 4, 5, 6, 7, 8]
    assert got[0].id == ids[2]
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    room.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


class Away(MemoryLog):
    """A log that does not answer for a while."""

    is_away = False

    async def append_many(self, *args: Any, **keywords: Any) -> list[str]:
        self._check_answers()
        return await super().append_many(*args, **keywords)

    async def read(self, *args: Any, **keywords: Any) -> Any:
        self._check_answers()
        return await super().read(*args, **keywords)

    def _check_answers(self) -> None:
        if self.is_away:
            raise LogUnavailable("away")


async def test_a_log_that_goes_away_and_comes_back() -> None:
    # S6
    log = Away()
    room: Channel[Any] = Channel("room", log=log)
    async with join(room) as reader:
        await room.broadcast("before")
        log.is_away = True
        sending = asyncio.ensure_future(_all(room.broadcast("during")))
        await asyncio.sleep(0.05)
        assert not sending.done()
        log.is_away = False
        await sending
        assert await reader.data(2) == ["before", "during"]
        assert reader.session.is_open


async def _all(awaitable: Any) -> Any:
    return await awaitable


async def test_a_broadcast_that_nobody_awaits_and_is_lost_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # F13
    class Full(MemoryLog):
        async def append_many(self, *args: Any, **keywords: Any) -> list[str]:
            raise ZeroDivisionError

    room: Channel[Any] = Channel("room", log=Full())
    room.broadcast("x")
    with pytest.raises(ZeroDivisionError):
        await room.broadcast("y")
    await asyncio.sleep(0)
    assert [record.message for record in caplog.records] == ["a broadcast was lost"]


async def test_from_a_thread_with_a_log() -> None:
    # S3
    room = make()
    async with join(room) as reader:
        id = await asyncio.to_thread(lambda: room.broadcast_threadsafe("x").result(10))
        event = await reader.stream.next_event()
        assert (event.data, event.id) == ("x", id)
