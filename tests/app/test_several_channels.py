"""A session in several channels with logs: one cursor for all, and one that is nobody's."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from penstock import Channel, Context, Session, endpoint
from penstock.logs import MemoryLog
from penstock.testing import open_stream
from tests.app.rooms import join


def last_id(reader: Any) -> str:
    """Return the cursor that a reader would come back with."""
    found: list[bytes] = re.findall(rb"^id: (.*)$", reader.stream.body, re.MULTILINE)
    return found[-1].decode()


async def test_a_session_in_several_logged_channels_has_one_cursor() -> None:
    # S5
    news, chat = Channel[Any]("news", history=9), Channel[Any]("chat", history=9)
    async with join(news, chat) as reader:
        await news.broadcast("n1")
        await chat.broadcast("c1")
        assert sorted(await reader.data(2)) == ["c1", "n1"]
        cursor = last_id(reader)
        assert len(cursor) < 128
        assert not re.search(r"[^0-9a-f._-]", cursor)
    await news.broadcast("n2")
    await chat.broadcast("c2")
    for order in ((news, chat), (chat, news)):
        async with join(*order, after=cursor) as reader:
            first = await reader.stream.next_event()
            assert "_" in first.id  # cut here, it would still know where it is in both
            assert sorted([first.data, *await reader.data()]) == ["c2", "n2"]


async def test_a_channel_that_is_new_in_the_session_does_not_take_anothers_cursor() -> None:
    # S5: the reader came from a version of the app that had one channel
    news, chat = Channel[Any]("news", history=9), Channel[Any]("chat", history=9)
    cursor = await chat.broadcast("c1")
    await chat.broadcast("c2")
    async with join(news, chat, after=cursor) as reader:
        data = await reader.data(2)
        assert "c2" in data
        assert "c1" not in data
    async with join(chat, news, after=cursor) as reader:
        assert await reader.data() == ["c2"]
        await news.broadcast("n1")
        assert await reader.data() == ["n1"]
        assert not [event for event in reader.stream.events if event.event == "reset"]


@pytest.mark.parametrize("kind", ["no id", "another log's"])
async def test_a_cursor_that_no_channel_knows_is_a_reset_in_each(kind: str) -> None:
    # S5
    news, chat = Channel[Any]("news", history=9), Channel[Any]("chat", history=9)
    cursor = "no-id" if kind == "no id" else await Channel[Any]("other", history=1).broadcast("x")
    await news.broadcast("n1")
    await chat.broadcast("c1")
    async with join(news, chat, after=cursor) as reader:
        data = await reader.data(4)
        assert sorted(data) == ["c1", "n1", *['{"reason":"unknown"}'] * 2]
        assert data[0] == '{"reason":"unknown"}'
        await news.broadcast("n2")
        await chat.broadcast("c2")
        assert sorted(await reader.data(2)) == ["c2", "n2"]
        cursor = last_id(reader)
    await chat.broadcast("c3")
    async with join(news, chat, after=cursor) as reader:
        assert await reader.data() == ["c3"]


async def test_a_cursor_that_was_trimmed_is_no_other_channels() -> None:
    # S5
    news, chat = Channel[Any]("news", history=1), Channel[Any]("chat", history=9)
    cursor = [await news.broadcast(f"n{number}") for number in range(9)][0]
    await chat.broadcast("c1")
    async with join(news, chat, after=cursor) as reader:
        assert await reader.data(2) == ['{"reason":"too old"}', "n8"]
        await chat.broadcast("c2")
        assert await reader.data() == ["c2"]


class Silent(MemoryLog):
    """A log that never tells what it holds."""

    async def read(self, *args: Any, **keywords: Any) -> Any:
        await asyncio.Event().wait()


async def test_a_channel_that_is_left_is_not_waited_for() -> None:
    # S5: nobody else knows the cursor, once that one is gone
    news, chat = Channel[Any]("news", log=Silent()), Channel[Any]("chat", history=9)
    sessions: list[Session[Any]] = []
    await chat.broadcast("c1")

    @endpoint
    def app(ctx: Context) -> Any:
        sessions.append(ctx.session())
        news.register(sessions[0])
        chat.register(sessions[0])
        return sessions[0]

    async with open_stream(app, headers={"last-event-id": "unknown"}) as stream:
        for _ in range(20):
            await asyncio.sleep(0)
        assert not stream.events
        news.deregister(sessions[0])
        assert (await stream.next_event()).event == "reset"
        assert (await stream.next_event()).data == "c1"
