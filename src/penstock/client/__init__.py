"""Reading streams: SSE and NDJSON, over as many connections as it takes.

    from penstock.client import connect

    with connect("https://example.org/events", last_event_id="41") as events:
        for event in events:
            print(event.event, event.json())

Lives here: ``connect`` and ``aconnect``. ``conversation`` decides what is done; ``sync`` and
``aio`` do it, with httpx2 or httpx.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack, overload

from penstock.client.aio import AsyncEventStream
from penstock.client.options import NdjsonName, ReadKeywords, make_options
from penstock.client.steps import Reconnect
from penstock.client.sync import EventStream
from penstock.errors import ConnectionLost, InvalidEvent, ResponseError, StreamCut
from penstock.event import ServerSentEvent

__all__ = (
    "AsyncEventStream",
    "ConnectionLost",
    "EventStream",
    "InvalidEvent",
    "Reconnect",
    "ResponseError",
    "ServerSentEvent",
    "StreamCut",
    "aconnect",
    "connect",
)


@overload
def connect(
    url: str, *, format: Literal["sse"] | None = None, **options: Unpack[ReadKeywords]
) -> EventStream[ServerSentEvent]: ...
@overload
def connect(
    url: str, *, format: NdjsonName, **options: Unpack[ReadKeywords]
) -> EventStream[Any]: ...
def connect(
    url: str, *, format: str | None = None, **options: Unpack[ReadKeywords]
) -> EventStream[Any]:
    """Return the stream at ``url``, to be opened with ``with`` and read with ``for``.

    Args:
        url: Where it is.
        format: "sse" or "ndjson"; None: as the response's content type says.
        options: As ``penstock.client.options.Options`` describes them.

    Raises:
        InvalidOption: An option cannot be what was given.
        ResponseError: On opening: an error status, or another content type; it holds what the
            server said.
        ConnectionLost: On opening: there is no server. Later: it is gone for good.

    Source: WHATWG HTML, section 9.2, "Server-sent events".
    """
    return EventStream(url, make_options({"format": format, **options}))


@overload
def aconnect(
    url: str, *, format: Literal["sse"] | None = None, **options: Unpack[ReadKeywords]
) -> AsyncEventStream[ServerSentEvent]: ...
@overload
def aconnect(
    url: str, *, format: NdjsonName, **options: Unpack[ReadKeywords]
) -> AsyncEventStream[Any]: ...
def aconnect(
    url: str, *, format: str | None = None, **options: Unpack[ReadKeywords]
) -> AsyncEventStream[Any]:
    """Return the stream at ``url``, to be opened with ``async with`` and read with ``async for``.

    As ``connect``, on asyncio; callbacks may be coroutine functions.
    """
    return AsyncEventStream(url, make_options({"format": format, **options}))
