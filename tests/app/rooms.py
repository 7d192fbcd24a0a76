"""Readers of a channel in process, for tests of sessions and channels."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from penstock import Channel, Context, Session, endpoint
from penstock.testing import OpenStream, open_stream

__all__ = ("Reader", "join", "texts")


class Reader:
    """One registered session and its reader's end."""

    def __init__(self, stream: OpenStream, session: Session[Any]) -> None:
        self.stream, self.session = stream, session

    async def data(self, count: int = 1) -> list[str]:
        """Return the data of the next events."""
        return [(await self.stream.next_event()).data for _ in range(count)]


@asynccontextmanager
async def join(
    *channels: Channel[Any],
    state: Any = None,
    after: str = "",
    register: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **request: Any,
) -> AsyncGenerator[Reader]:
    """Open a stream whose session is registered in ``channels``; enter when it has caught up."""
    made: list[Session[Any]] = []
    registrations: list[Any] = []

    @endpoint
    def app(ctx: Context) -> Any:
        session = ctx.session(state=state, **(options or {}))
        made.append(session)
        registrations.extend(channel.register(session, **(register or {})) for channel in channels)
        return session

    headers = {"last-event-id": after} if after else {}
    async with AsyncExitStack() as stack:
        stream = await stack.enter_async_context(open_stream(app, headers=headers, **request))
        for registration in registrations:
            await registration
        yield Reader(stream, made[0])


def texts(reader: Reader) -> list[str]:
    """Return the data of every event so far."""
    return [event.data for event in reader.stream.events]
