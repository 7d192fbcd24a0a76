"""The demo's room: everybody who has the page open, on one channel with a history.

Lives here: who is there, what they say, and the stream that each page reads.
Stays out: how the page looks (``room.html``).
"""

from __future__ import annotations

import time
from typing import Any

from penstock import Channel, Context, Endpoint, HttpError, Response, Session, endpoint

__all__ = ("Room",)

_MAX_NAME, _MAX_TEXT = 24, 500
_KEEP_ALIVE = 5.0


class Room:
    """One room.

    Attributes:
        events: What a page reads: "chat", "here", and "reset" when its list is to be emptied.
        say: Takes ``{"name", "text"}`` and tells everybody.
    """

    def __init__(self) -> None:
        self._chat: Channel[dict[str, str]] = Channel("room", history=200)
        # Who is here is a matter of now: on a channel of its own, which keeps nothing.
        self._here: Channel[dict[str, str]] = Channel("here")
        self._here.on("registered", self._tell_who_is_here)
        self._here.on("deregistered", self._tell_who_is_here)
        self.events: Endpoint = endpoint(keep_alive=_KEEP_ALIVE, retry=1000).get(self._events)
        self.say: Endpoint = endpoint().post(self._say)

    def _events(self, ctx: Context) -> Session[dict[str, str]]:
        state = {"name": _checked("name", ctx.query.get("name"), _MAX_NAME)}
        session = ctx.session(state=state)
        self._chat.register(session, replay=True)
        self._here.register(session)
        return session

    async def _say(self, ctx: Context) -> Response:
        said = await ctx.json()
        if not isinstance(said, dict):
            raise HttpError(400, detail='expected {"name": ..., "text": ...}')
        name = _checked("name", said.get("name"), _MAX_NAME)
        text = _checked("text", said.get("text"), _MAX_TEXT)
        await self._chat.broadcast({"name": name, "text": text, "at": time.time()}, "chat")
        return Response(None, 204)

    def _tell_who_is_here(self, session: Session[dict[str, str]]) -> None:
        names = {each.state["name"] for each in self._here.active_sessions}
        self._here.broadcast({"names": sorted(names)}, "here")


def _checked(what: str, value: Any, limit: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise HttpError(400, detail=f"a {what} is needed")
    if len(value) > limit:
        raise HttpError(413, detail=f"a {what} has at most {limit} characters")
    return value.strip()
