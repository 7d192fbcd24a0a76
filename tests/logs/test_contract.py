"""What every log promises (``core/log.py``), over all of them.

A log gets a name in ``LOGS`` and a fixture that opens it (``making.py``); nothing else.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest

from penstock.core.log import Entry, EventLog, Keep, NewEntry
from penstock.errors import (
    CursorGone,
    InvalidOption,
    LogClosed,
    LogFull,
    StaleFence,
    StreamClosed,
)
from tests.logs.making import LOGS, OpenLog

SAFE_ID = re.compile(r"[A-Za-z0-9.:_-]{1,64}")


@pytest.fixture(params=LOGS)
def open_log(request: pytest.FixtureRequest) -> OpenLog:
    """Return a context manager that gives a fresh log; a second one is over the same events."""
    return request.getfixturevalue(f"open_{request.param}")


async def fill(log: EventLog, key: str, count: int, keep: Keep | None = None) -> list[str]:
    return [await log.append(key, b"%d" % number, keep=keep) for number in range(count)]


def datas(entries: list[Entry]) -> list[bytes]:
    return [entry.data for entry in entries]


async def collect(entries: AsyncGenerator[Entry], count: int) -> list[Entry]:
    got = []
    async with asyncio.timeout(20), aclosing(entries):
        async for entry in entries:
            got.append(entry)
            if len(got) == count:
                break
    return got


async def test_what_was_appended_is_read_in_order(open_log: OpenLog) -> None:
    async with open_log() as log:
        ids = await fill(log, "k", 30)
        entries = await log.read("k")
        assert datas(entries) == [b"%d" % number for number in range(30)]
        assert [entry.id for entry in entries] == ids == sorted(set(ids))
        assert all(SAFE_ID.fullmatch(id) for id in ids)
        assert datas(await log.read("k", after=ids[9])) == datas(entries)[10:]
        assert datas(await log.read("k", after=ids[9], limit=3)) == datas(entries)[10:13]
        assert await log.read("k", after=ids[-1]) == []
        assert await log.read("other") == []
        assert await log.oldest("k") == ids[0]
        assert await log.oldest("other") is None


async def test_any_bytes_and_text_come_back(open_log: OpenLog) -> None:
    payload, meta = bytes(range(256)) * 9, {"event": "é\n\0", "match": '{"user":"ada"}', "": ""}
    async with open_log() as log:
        await log.append("kéy\n{}", payload, meta=meta)
        await log.append("kéy\n{}", b"")
        first, second = await log.read("kéy\n{}")
        assert (first.data, dict(first.meta), first.ending) == (payload, meta, None)
        assert (second.data, dict(second.meta)) == (b"", {})


async def test_a_follower_gets_what_is_held_and_what_comes(open_log: OpenLog) -> None:  # S5, S6
    async with open_log() as log:
        ids = await fill(log, "k", 5)
        following = asyncio.create_task(collect(log.follow("k", after=ids[1]), 303))
        for number in range(300):
            await log.append("k", b"live %d" % number)
            if number % 50 == 0:
                await asyncio.sleep(0.005)
        got = datas(await following)
        assert got == [b"2", b"3", b"4", *(b"live %d" % number for number in range(300))]


async def test_many_followers_see_one_order(open_log: OpenLog) -> None:  # S6
    async with open_log() as log:
        followers = [asyncio.create_task(collect(log.follow("k"), 200)) for _ in range(20)]
        await asyncio.sleep(0)

        async def write(name: int) -> None:
            for number in range(50):
                await log.append("k", b"%d:%d" % (name, number))

        await asyncio.gather(*(write(name) for name in range(4)))
        orders = [datas(await follower) for follower in followers]
        assert all(order == orders[0] for order in orders)
        for name in range(4):  # each writer's own order is kept
            mine = [data for data in orders[0] if data.startswith(b"%d:" % name)]
            assert mine == [b"%d:%d" % (name, number) for number in range(50)]


async def test_appends_under_way_at_once_keep_the_order_of_the_calls(open_log: OpenLog) -> None:
    async with open_log() as log:
        calls = [log.append("k", b"%d" % number) for number in range(100)]
        ids = await asyncio.gather(*calls)
        assert list(ids) == sorted(ids)
        assert datas(await log.read("k")) == [b"%d" % number for number in range(100)]


async def test_a_slow_follower_reads_on_by_id(open_log: OpenLog) -> None:
    async with open_log() as log, aclosing(log.follow("k")) as slow:
        await fill(log, "k", 1)
        assert (await anext(slow)).data == b"0"
        for part in range(4):
            await log.append_many("k", [NewEntry(b"%d" % part)] * 200)
        got = [(await anext(slow)).data for _ in range(800)]
        assert got == [b"%d" % part for part in range(4) for _ in range(200)]


async def test_large_events_come_in_smaller_pages(open_log: OpenLog) -> None:  # F1
    async with open_log() as log:
        for number in range(12):
            await log.append("k", b"%x" % number * 300_000)
        following = log.follow("k")
        got = await collect(following, 12)
        assert [entry.data[:1] for entry in got] == [b"%x" % number for number in range(12)]
        assert all(len(entry.data) == 300_000 for entry in got)


async def test_one_that_waits_is_woken_and_one_that_waits_in_vain_returns(
    open_log: OpenLog,
) -> None:
    async with open_log() as log:
        assert await log.read("k", wait=0.02) == []
        waiting = [asyncio.create_task(log.read("k", wait=20)) for _ in range(3)]
        await asyncio.sleep(0.05)
        await log.append("k", b"x")
        assert [datas(page) for page in await asyncio.gather(*waiting)] == [[b"x"]] * 3


async def test_closing_the_log_ends_those_that_wait(open_log: OpenLog) -> None:
    async with open_log() as log:
        waiting = asyncio.create_task(collect(log.follow("k"), 1))
        await asyncio.sleep(0.05)
        await log.aclose()
        with pytest.raises(StreamClosed):
            await waiting
        await log.append("k", b"again")
        assert datas(await log.read("k")) == [b"again"]


# --- cursors


async def test_the_tail_is_a_cursor_of_now(open_log: OpenLog) -> None:
    async with open_log() as log:
        before = await log.tail("k")
        assert await log.read("k", after=before) == []
        ids = await fill(log, "k", 3)
        assert before < ids[0]
        assert [entry.id for entry in await log.read("k", after=before)] == ids
        assert await log.tail("k") == ids[-1]


GONE: dict[str, tuple[Callable[[list[str]], str], str]] = {
    "trimmed": (lambda ids: ids[3], "too old"),
    "no id at all": (lambda ids: "41", "unknown"),
    "the end mark": (lambda ids: "~end", "unknown"),
    "empty": (lambda ids: "", "unknown"),
    "another epoch": (lambda ids: "0" * 20 + ids[0][20:], "unknown"),
    "of the future": (lambda ids: ids[0][:-12] + "9" * 12, "unknown"),
    "too many digits": (lambda ids: ids[9] + "0", "unknown"),
}


@pytest.mark.parametrize(("cursor", "reason"), GONE.values(), ids=GONE)
async def test_a_cursor_that_is_gone_is_told(
    open_log: OpenLog, cursor: Callable[[list[str]], str], reason: str
) -> None:  # S5
    async with open_log() as log:
        ids = await fill(log, "k", 10, Keep(max_events=5))
        with pytest.raises(CursorGone) as gone:
            await log.read("k", after=cursor(ids))
        assert (gone.value.reason, gone.value.oldest) == (reason, ids[5])
        with pytest.raises(CursorGone):
            await anext(log.follow("k", after=cursor(ids)))


async def test_the_last_trimmed_event_is_still_a_cursor(open_log: OpenLog) -> None:
    async with open_log() as log:
        ids = await fill(log, "k", 10, Keep(max_events=5))
        assert [entry.id for entry in await log.read("k", after=ids[4])] == ids[5:]
        assert [entry.id for entry in await log.read("k")] == ids[5:]


async def test_a_follower_that_was_overtaken_is_told(open_log: OpenLog) -> None:
    async with open_log() as log, aclosing(log.follow("k")) as follower:
        await log.append("k", b"first")
        await anext(follower)
        await fill(log, "k", 10, Keep(max_events=2))
        with pytest.raises(CursorGone, match="too old"):
            await anext(follower)


async def test_a_deleted_key_begins_anew(open_log: OpenLog) -> None:
    async with open_log() as log:
        ids = await fill(log, "k", 3)
        await log.close("k")
        await log.delete("k")
        assert await log.read("k") == []
        with pytest.raises(CursorGone, match="unknown"):
            await log.read("k", after=ids[-1])
        again = await fill(log, "k", 3)
        assert again[0] > ids[-1]
        with pytest.raises(CursorGone, match="unknown"):
            await log.read("k", after=ids[0])


# --- bounds


async def test_a_key_that_may_not_be_trimmed_fails_past_its_bound(open_log: OpenLog) -> None:  # S7
    keep = Keep(max_events=3, trim=False)
    async with open_log() as log:
        await fill(log, "k", 2, keep)
        with pytest.raises(LogFull, match="3 events"):
            await log.append_many("k", [NewEntry(b"a"), NewEntry(b"b")], keep=keep)
        await log.append("k", b"2", keep=keep)
        with pytest.raises(LogFull):
            await log.append("k", b"3", keep=keep)
        assert datas(await log.read("k")) == [b"0", b"1", b"2"]
        assert await log.close("k", "error")  # the ending always has room
        assert (await log.read("k"))[-1].ending == "error"


@pytest.mark.parametrize(
    "wrong", [{"max_events": 0}, {"max_events": 1.5}, {"ttl": 0}, {"ttl": -1}, {"ttl": "1"}]
)
def test_bounds_are_checked(wrong: dict) -> None:
    with pytest.raises(InvalidOption):
        Keep(**wrong)


# --- batches and retries


async def test_a_batch_stands_together(open_log: OpenLog) -> None:  # S2
    async with open_log() as log:
        batches = [
            log.append_many("k", [NewEntry(b"%d" % name, {"n": str(n)}) for n in range(5)])
            for name in range(20)
        ]
        given = await asyncio.gather(*batches)
        entries = await log.read("k")
        assert len(entries) == 100
        for start in range(0, 100, 5):
            batch = entries[start : start + 5]
            assert len({entry.data for entry in batch}) == 1
            assert [entry.meta["n"] for entry in batch] == list("01234")
            assert [entry.id for entry in batch] in given
        assert await log.append_many("k", []) == []


async def test_a_retry_is_not_kept_twice(open_log: OpenLog) -> None:  # S6
    async with open_log() as log:
        first = await log.append("k", b"a", sequence=("w", 1))
        assert await log.append("k", b"a", sequence=("w", 1)) == first
        await log.append("k", b"other writer", sequence=("v", 1))
        second = await log.append_many("k", [NewEntry(b"b"), NewEntry(b"c")], sequence=("w", 7))
        again = await log.append_many("k", [NewEntry(b"b"), NewEntry(b"c")], sequence=("w", 7))
        assert again == second
        assert datas(await log.read("k")) == [b"a", b"other writer", b"b", b"c"]


# --- the end of a key


async def test_a_closed_key_ends_its_followers_and_refuses_writers(open_log: OpenLog) -> None:
    async with open_log() as log:
        await fill(log, "k", 2)
        following = asyncio.create_task(collect(log.follow("k"), 99))
        await asyncio.sleep(0.02)
        assert await log.ending("k") is None
        assert await log.close("k", "completed", data=b"bye")
        assert (await log.ending("k"), await log.ending("other")) == ("completed", None)
        got = await following
        assert [(entry.data, entry.ending) for entry in got] == [
            (b"0", None),
            (b"1", None),
            (b"bye", "completed"),
        ]
        assert not await log.close("k", "error")  # the first word wins
        assert [entry.ending for entry in await log.read("k", after=got[1].id)] == ["completed"]
        assert len(await collect(log.follow("k", after=got[0].id), 99)) == 2
        with pytest.raises(LogClosed, match="completed"):
            await log.append("k", b"late")


# --- claims


async def test_one_of_many_wins_a_claim(open_log: OpenLog) -> None:  # S7
    async with open_log() as log, open_log() as other:
        assert await log.claimed("k") is None
        claims = [each.claim("k", lease=30) for _ in range(10) for each in (log, other)]
        won = [fence for fence in await asyncio.gather(*claims) if fence is not None]
        assert len(won) == 1
        claim = await other.claimed("k")
        assert claim is not None
        assert claim.is_held
        assert (claim.run, won[0].run) == (1, 1)
        assert 0 < claim.remaining <= 30
        await log.release(won[0])
        claim = await log.claimed("k")
        assert claim is not None
        assert not claim.is_held
        second = await other.claim("k", lease=30)
        assert second is not None
        assert second.run == 2


async def test_a_stale_fence_raises_whatever_it_is_shown_for(open_log: OpenLog) -> None:  # S7
    async with open_log() as log:
        old = await log.claim("k", lease=30)
        assert old is not None
        await log.append("k#1", b"mine", fence=old)
        await log.renew(old, lease=30)
        new = await log.claim("k", lease=30, takeover=True)
        assert new is not None
        assert new.run == old.run + 1
        for attempt in (
            log.append("k#1", b"stale", fence=old),
            log.append_many("k#1", [NewEntry(b"stale")] * 2, fence=old),
            log.renew(old, lease=30),
            log.close("k#1", fence=old),
        ):
            with pytest.raises(StaleFence):
                await attempt
        await log.release(old)  # harmless
        claim = await log.claimed("k")
        assert claim is not None
        assert claim.is_held
        assert (await log.append("k#2", b"new", fence=new)).startswith(new.token)
        assert claim.token == new.token > old.token
        assert datas(await log.read("k#1")) == [b"mine"]


async def test_a_lease_ends_unless_it_is_renewed(open_log: OpenLog) -> None:  # S7
    async with open_log() as log:
        fence = await log.claim("k", lease=30)
        assert fence is not None
        await log.renew(fence, lease=300)
        claim = await log.claimed("k")
        assert claim is not None
        assert 200 < claim.remaining <= 300
        assert await log.claim("k", lease=1) is None
        await log.renew(fence, lease=0.05)
        async with asyncio.timeout(20):
            while (claim := await log.claimed("k")) is not None and claim.is_held:
                await asyncio.sleep(0.01)
        assert claim is not None
        with pytest.raises(StaleFence):
            await log.append("k", b"late", fence=fence)
        with pytest.raises(StaleFence):
            await log.renew(fence, lease=1)
        assert await log.claim("k", lease=1) is not None


async def test_what_is_not_appended_to_is_forgotten(open_log: OpenLog) -> None:  # S7
    async with open_log() as log:
        ids = await fill(log, "k", 3, Keep(ttl=0.05))
        await fill(log, "stays", 1, Keep(ttl=None))
        await log.close("closed", keep=Keep(ttl=0.05))
        await asyncio.sleep(0.2)
        assert await log.ending("closed") is None
        assert await log.read("k") == []
        assert await log.oldest("k") is None
        with pytest.raises(CursorGone):
            await log.read("k", after=ids[-1])
        assert (await log.append("k", b"anew")) > ids[-1]
        assert len(await log.read("stays")) == 1


# --- several logs over the same events


async def test_another_connection_sees_an_append_and_is_woken(open_log: OpenLog) -> None:  # S6
    async with open_log() as log, open_log() as other:
        following = asyncio.create_task(collect(other.follow("k"), 100))
        await asyncio.sleep(0.05)
        ids = await fill(log, "k", 100)
        got = await following
        assert [entry.id for entry in got] == ids
        assert [entry.id for entry in await other.read("k", after=ids[97])] == ids[98:]
        assert await other.append("k", b"x") > ids[-1]
