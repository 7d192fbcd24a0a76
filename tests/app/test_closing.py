"""Closing a channel: what ends, and what stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import Channel, Context, Session, StreamClosed, create_session, endpoint
from penstock.testing import open_stream
from tests.app.rooms import join


async def test_closing_a_channel() -> None:
    # S3
    room: Channel[Any] = Channel()

    @endpoint
    def app(ctx: Context) -> Any:
        return ctx.session(room.register)

    async with open_stream(app) as stream, join(room) as reader, join() as other:
        await stream.wait_for(lambda: room.session_count == 2)
        room.close()
        room.close()
        for each in (stream, reader.stream):
            await each.read()
            assert each.ended == "complete"
        with pytest.raises(StreamClosed):
            room.broadcast("late")
        with pytest.raises(StreamClosed):
            room.register(other.session)


class Kept:
    """A session in a channel, and what keeps it open when that is closed."""

    def __init__(self) -> None:
        self.room: Channel[Any] = Channel()
        self.other: Channel[Any] = Channel()
        self.done = asyncio.Event()
        self.session: Session[Any] | None = None

    def of(self, session: Session[Any]) -> Session[Any]:
        self.session = session
        self.room.register(session)
        return session

    async def work(self, session: Session[Any]) -> None:
        self.of(session)
        await self.done.wait()

    async def block(self, scope: Any, receive: Any, send: Any) -> None:
        async with create_session(scope, receive, send) as session:
            await self.work(session)

    def callback(self, ctx: Context) -> Any:
        return ctx.session(self.work)

    def spawned(self, ctx: Context) -> Any:
        self.of(ctx.session()).spawn(self.done.wait())
        return self.session

    def elsewhere(self, ctx: Context) -> Any:
        self.other.register(self.of(ctx.session()))
        return self.session

    def left(self, ctx: Context) -> Any:
        self.room.deregister(self.of(ctx.session()))
        return self.session


KEEPERS: dict[str, tuple[Any, Any]] = {
    "a block": (lambda kept: kept.block, lambda kept: kept.done.set()),
    "a callback": (lambda kept: endpoint(kept.callback), lambda kept: kept.done.set()),
    "spawned work": (lambda kept: endpoint(kept.spawned), lambda kept: kept.done.set()),
    "another channel": (lambda kept: endpoint(kept.elsewhere), lambda kept: kept.other.close()),
    "it had left": (lambda kept: endpoint(kept.left), lambda kept: kept.session.close()),
}


@pytest.mark.parametrize(("app", "let_go"), KEEPERS.values(), ids=KEEPERS)
async def test_what_keeps_a_session_open_when_its_channel_is_closed(app: Any, let_go: Any) -> None:
    # S3, F7
    kept = Kept()
    async with open_stream(app(kept)) as stream:
        await stream.wait_for(lambda: kept.session is not None and kept.session.is_connected)
        assert kept.session is not None
        kept.room.close()
        await asyncio.sleep(0)
        await kept.session.push("still here")
        assert (await stream.next_event()).data == "still here"
        let_go(kept)
        await stream.read()
        assert stream.ended == "complete"


async def test_a_channel_that_is_closed_before_the_reader_is_connected() -> None:
    # S3, F7: what was pushed arrives; one that is held again by then stays
    rooms: list[Channel[Any]] = [Channel(), Channel()]

    @endpoint
    def app(ctx: Context) -> Any:
        session = ctx.session()
        rooms[0].register(session)
        session.push("early")
        rooms[0].close()
        if ctx.query.get("again"):
            rooms[1].register(session)
        return session

    async with open_stream(app) as stream:
        await stream.read()
        assert (stream.ended, stream.events[0].data) == ("complete", "early")
    rooms[0] = Channel()
    async with open_stream(app, "/?again=1") as stream:
        assert (await stream.next_event()).data == "early"
        await rooms[1].broadcast("late")
        assert (await stream.next_event()).data == "late"
