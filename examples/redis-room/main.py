"""A chat room over any number of processes: one Redis keeps what was said.

    pip install "penstock[redis,cli]"
    REDIS_URL=redis://127.0.0.1 uvicorn main:app --port 8001 &
    REDIS_URL=redis://127.0.0.1 uvicorn main:app --port 8002

Open both, and talk. Reload, or restart a server: nothing is missing and nothing is doubled.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from penstock import Channel, Context, HttpError, Response, Session, endpoint
from penstock.logs import RedisLog
from penstock.types import Receive, Scope, Send

log = RedisLog(os.environ.get("REDIS_URL", "redis://127.0.0.1"))
room: Channel[None] = Channel("room", log=log, history=1000)


@endpoint().get
def page(ctx: Context) -> Response:
    html = Path(__file__).with_name("page.html").read_text()
    return Response(html, content_type="text/html; charset=utf-8")


@endpoint().get
def events(ctx: Context) -> Session[None]:
    """What is said from now on; all that is held first, for a reader that is new."""
    session = ctx.session()
    room.register(session, replay=True)
    return session


@endpoint().post
async def say(ctx: Context) -> dict[str, Any]:
    text = (await ctx.json()).get("text")
    if not isinstance(text, str) or not 0 < len(text) <= 1000:
        raise HttpError(422, detail="text: up to 1,000 characters")
    return {"id": await room.broadcast({"text": text}, "said")}


ROUTES = {"/": page, "/events": events, "/say": say}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Three paths need no framework."""
    route = ROUTES.get(scope.get("path", "/"), page)
    await route(scope, receive, send)
