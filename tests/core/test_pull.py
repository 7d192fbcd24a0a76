"""A response as an iterator: what a framework that pulls its bodies sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import Ending, HttpError, Response, Stream, TransportError, shutdown
from penstock.core.handoff import Handoff
from penstock.core.pull import Pull
from penstock.errors import ClientDisconnected
from tests.core.sinks import until


class Source:
    """A source that says what became of it."""

    def __init__(self, items: int = 1_000_000, silent: bool = False) -> None:
        self.items, self.silent = items, silent
        self.made = 0
        self.began = self.stopped = False

    async def __call__(self) -> AsyncIterator[str]:
        self.began = True
        try:
            if self.silent:
                await asyncio.Event().wait()
            for _ in range(self.items):
                self.made += 1
                yield "x" * 1024
        finally:
            await asyncio.sleep(0)  # cleanup that awaits
            self.stopped = True

    def pull(self, **keywords: Any) -> Pull:
        return Pull(Stream(self, "text", **keywords))


async def test_the_head_comes_with_the_commit_and_the_body_is_whole() -> None:
    # E0
    source = Source(items=300)
    pull = source.pull(status=202)
    head = await pull.open()
    assert (head.status, head.is_committed) == (202, True)
    assert len(b"".join([chunk async for chunk in pull])) == 300 * 1024
    assert source.stopped
    await pull.aclose()  # the last chunk does not wait for on_finish; closing does
    assert not pull.is_open


async def test_a_reader_that_does_not_ask_stops_the_producer() -> None:
    # F1: 64 KiB wait in the outbox, and no more are made
    source = Source()
    pull = source.pull()
    await pull.open()
    await anext(pull)
    await until(lambda: source.made > 60)
    made = source.made
    for _ in range(200):
        await asyncio.sleep(0)
    assert source.made == made < 300
    await pull.aclose()
    assert source.stopped


async def test_an_error_before_the_commit_is_raised_by_open() -> None:
    # E1
    async def source() -> AsyncIterator[str]:
        raise HttpError(404)
        yield ""

    with pytest.raises(HttpError, match="404"):
        await Pull(Stream(source)).open()


async def fail_late() -> AsyncIterator[str]:
    yield "x"
    raise LookupError


async def test_a_body_that_breaks_off_does_not_look_finished() -> None:
    # E2: text has no form for an error
    pull = Pull(Stream(fail_late, "text"))
    seen = []
    with pytest.raises(TransportError, match="broken off"):
        async for chunk in pull:
            seen.append(chunk)
    assert seen == [b"x"]


async def test_throw_after_the_commit_is_raised_by_the_iteration() -> None:
    # E5
    pull = Pull(Stream(fail_late, throw=True))
    with pytest.raises(LookupError):
        async for _ in pull:
            assert pull.is_open


@pytest.mark.parametrize("silent", [False, True])
async def test_a_cancelled_reader_finds_the_cleanup_done(silent: bool) -> None:
    # F4: while it waits for the head, or for an item
    source = Source(items=1, silent=True) if silent else Source()
    pull = source.pull()

    async def read() -> None:
        async for _ in pull:
            await asyncio.sleep(0)

    reader = asyncio.create_task(read())
    await until(lambda: source.began if silent else source.made > 100)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    # Cancelled outside of the iteration the reader closes by itself, as the frameworks do.
    await pull.aclose()
    assert source.stopped


async def test_a_reader_that_left_at_once_starts_nothing() -> None:
    # F5
    source = Source()
    pull = source.pull()
    opening = asyncio.create_task(pull.open())
    await asyncio.sleep(0)  # it has made the stream's task, which has not run yet
    assert not source.began
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not source.began
    assert not pull.is_open


async def test_leaving_without_waiting() -> None:
    source = Source()
    pull = source.pull()
    await pull.open()
    pull.leave()
    await until(lambda: not pull.is_open)
    assert source.stopped


async def test_closing_is_idempotent_and_closes_what_never_began() -> None:
    # F6
    pull = Source().pull()
    await pull.aclose()
    await pull.aclose()
    assert not pull.is_open


async def test_a_shutdown_ends_the_body_in_good_order() -> None:
    # F8
    async def source() -> AsyncIterator[dict[str, int]]:
        yield {"n": 1}
        await asyncio.Event().wait()

    stream = Stream(source)
    pull = Pull(stream)
    assert await anext(pull) == b'data: {"n":1}\n\n'
    shutdown()
    last = b"".join([chunk async for chunk in pull])
    assert b"shutdown" in last
    await pull.aclose()
    assert stream.ending is Ending.SHUTDOWN


async def test_the_head_only() -> None:
    # H6
    source = Source()
    pull = source.pull()
    head = await pull.open(head_only=True)
    assert head.status == 200
    assert b"".join([chunk async for chunk in pull]) == b""
    assert not source.began


async def test_a_response_whose_body_is_there() -> None:
    pull = Pull(Response({"a": 1}, 201))
    assert (await pull.open()).status == 201
    assert [chunk async for chunk in pull] == [b'{"a":1}']


async def test_a_handoff_gives_each_value_once_in_order() -> None:
    handoff: Handoff[int] = Handoff()

    async def give() -> None:
        for value in range(3):
            await handoff.put(value)
        handoff.give_last(3)

    giver = asyncio.create_task(give())
    taken = [await handoff.get() for _ in range(5)]
    await giver
    assert taken == [0, 1, 2, 3, None]


async def test_a_handoff_whose_taker_left_says_so() -> None:
    handoff: Handoff[int] = Handoff()
    giver = asyncio.create_task(handoff.put(1))
    await asyncio.sleep(0)
    handoff.leave()
    for putting in (giver, handoff.put(2)):
        with pytest.raises(ClientDisconnected):
            await putting
