"""Both kinds of stream under one blocking face, so that a case is written once.

for read in FACES.values(): read(url, **options) -> Read(items, error, reconnects)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from penstock import StreamError
from penstock.client import Reconnect, aconnect, connect

__all__ = ("FACES", "Read")


@dataclass
class Read:
    """What reading a stream to its end came to."""

    items: list[Any] = field(default_factory=list)
    error: StreamError | None = None
    reconnects: list[Reconnect] = field(default_factory=list)
    last_event_id: str = ""

    @property
    def data(self) -> list[str]:
        return [event.data for event in self.items]


def _read(url: str, *, most: int | None = None, **options: Any) -> Read:
    found = Read()
    options.setdefault("retry_delay", 0.0)
    try:
        with connect(url, on_reconnect=found.reconnects.append, **options) as events:
            for item in events:
                found.items.append(item)
                found.last_event_id = events.last_event_id
                if len(found.items) == most:
                    break
            found.last_event_id = events.last_event_id
    except StreamError as exc:
        found.error = exc
    return found


async def _aread(url: str, *, most: int | None = None, **options: Any) -> Read:
    found = Read()
    options.setdefault("retry_delay", 0.0)

    async def note(info: Reconnect) -> None:
        found.reconnects.append(info)

    try:
        async with asyncio.timeout(30), aconnect(url, on_reconnect=note, **options) as events:
            async for item in events:
                found.items.append(item)
                found.last_event_id = events.last_event_id
                if len(found.items) == most:
                    break
            found.last_event_id = events.last_event_id
    except StreamError as exc:
        found.error = exc
    return found


FACES: dict[str, Callable[..., Read]] = {
    "sync": _read,
    "async": lambda url, **options: asyncio.run(_aread(url, **options)),
}
