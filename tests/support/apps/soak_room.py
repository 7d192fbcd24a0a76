"""What the soak ill-treats: channels of each policy, with and without history, and errors."""

from __future__ import annotations

import asyncio
import gc
from itertools import cycle
from typing import Any

from penstock import Channel, Context, Session, endpoint

__all__ = ("app",)

rooms: list[Channel[Any]] = [
    Channel("close"),
    Channel("drop", overflow="drop_oldest", max_queue=50),
    Channel("history", history=100),
    Channel("both", history=100, overflow="drop_oldest", max_queue=50),
]
_turn = cycle(rooms)


@endpoint(keep_alive=0.5)
def events(ctx: Context) -> Any:
    """Register in one room, or two; break, where that is asked for."""
    session: Session[Any] = ctx.session()
    next(_turn).register(session)
    if next(_turn).session_count % 2:
        next(_turn).register(session, replay=True)
    if "break" in ctx.query:
        session.spawn(_break())
    return session


async def _break() -> None:
    await asyncio.sleep(0.05)
    raise_quietly()


def raise_quietly() -> None:
    """Fail as a caller's mistake does: told to the reader, and not logged."""
    from penstock import HttpError

    raise HttpError(409, detail="broken on purpose")


@endpoint
async def broadcast(ctx: Context) -> dict[str, bool]:
    """Broadcast in every room."""
    text = "x" * int(ctx.query["size"])
    for _ in range(int(ctx.query["n"])):
        for room in rooms:
            await room.broadcast({"text": text}, "line")
    return {"done": True}


@endpoint
def facts(ctx: Context) -> dict[str, int]:
    """What is held."""
    gc.collect()
    return {
        "sessions": sum(room.session_count for room in rooms),
        "tasks": len(asyncio.all_tasks()),
    }


ROUTES: dict[str, Any] = {"/events": events, "/broadcast": broadcast, "/facts": facts}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer by path."""
    await ROUTES.get(scope.get("path", ""), facts)(scope, receive, send)
