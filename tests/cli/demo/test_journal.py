"""The server's log: kept, followed, resumed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from penstock import Event
from penstock.cli.demo.journal import Journal, Line


async def read(journal: Journal, after: str, count: int) -> list[Event]:
    """Return the next ``count`` events after ``after``."""
    events: list[Event] = []
    async with asyncio.timeout(5), aclosing(journal.follow(after)) as follower:
        while len(events) < count:
            events.append(await anext(follower))
    return events


def texts(events: list[Event]) -> list[str]:
    return [event.data["text"] for event in events]


async def test_a_follower_gets_what_was_said_and_what_comes() -> None:
    journal = Journal()
    journal.run().say("start", "one")
    following = asyncio.create_task(read(journal, "", 3))
    await asyncio.sleep(0)
    journal.run().say("start", "two")
    journal.run().say("end", "three")
    events = await following
    assert texts(events) == ["one", "two", "three"]
    assert [event.data["run"] for event in events] == [1, 2, 3]


async def test_a_follower_resumes_after_its_last_event() -> None:
    journal = Journal()
    for text in ("one", "two", "three"):
        journal.add(1, "end", text)
    (first, *_) = await read(journal, "", 3)
    assert first.id is not None
    assert texts(await read(journal, first.id, 2)) == ["two", "three"]


async def test_an_id_of_an_earlier_server_starts_over() -> None:
    journal = Journal()
    journal.add(1, "end", "one")
    for id in ("gone-7", "nonsense", "-", "gone-x"):
        assert texts(await read(journal, id, 1)) == ["one"]


async def test_it_keeps_the_last_lines_and_echoes_all() -> None:
    echoed: list[Line] = []
    journal = Journal(echo=echoed.append, keep=2)
    for text in ("one", "two", "three"):
        journal.add(1, "end", text)
    assert texts(await read(journal, "", 2)) == ["two", "three"]
    assert [line.text for line in echoed] == ["one", "two", "three"]
