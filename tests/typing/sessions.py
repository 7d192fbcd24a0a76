"""What type checkers make of sessions and channels: see ``public_api``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from penstock import Channel, Context, Event, EventBuffer, Session, create_session, endpoint
from penstock.app.session import SessionContext
from penstock.core.hub import Registration
from penstock.logs import RedisLog
from penstock.types import Receive, Scope, Send


@dataclass
class User:
    name: str


room: Channel[User] = Channel("room", history=500)
shared: Channel[User] = Channel("room", log=RedisLog("redis://127.0.0.1"), overflow="drop_oldest")
Channel("room", overflow="wait")  # type: ignore[arg-type]  # no such policy
Channel("room", 500)  # type: ignore[call-arg]  # options have names


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    made = create_session(scope, receive, send, state=User("ada"), retry=3000, keep_alive=15)
    assert_type(made, SessionContext[User])
    async with made as session:
        assert_type(session, Session[User])
        assert_type(session.state.name, str)
        await session.push({"hello": "ada"}, "welcome")
        assert_type(room.register(session), Registration)
        async with session.batch() as buffer:
            assert_type(buffer, EventBuffer)
        await session.wait_closed()


@endpoint
def handler(ctx: Context) -> Session[User]:
    session = ctx.session(state=User("ada"))
    assert_type(session, Session[User])
    room.register(session)
    return session


@endpoint
def without_state(ctx: Context) -> Session[Any]:
    return ctx.session(lambda session: session.push("x"), retry=500, status_code=200)


async def broadcasts() -> None:
    await room.broadcast({"text": "hi"}, "chat", match={"team": "blue"})
    await room.broadcast("x", filter=lambda session: session.state.name == "ada")
    room.broadcast("x", filter=lambda session: session.state.nme)  # type: ignore[attr-defined]  # no such member
    assert_type(room.active_sessions, list[Session[User]])
    async for event in room.subscribe():
        assert_type(event, Event)
