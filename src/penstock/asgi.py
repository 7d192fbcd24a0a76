"""ASGI: carries a response to ``send``.

Lives here: the messages of the specification, and lifespan for an app that has none of its own.
Stays out: what is in the response, keep-alive policy, any framework's classes.

Source: ASGI specification, "HTTP & WebSocket ASGI Message Format", "Lifespan Protocol".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from penstock.core.ending import Ending
from penstock.core.head import Head
from penstock.core.inbox import Inbox
from penstock.core.request import Request
from penstock.core.response import Response
from penstock.errors import ClientDisconnected
from penstock.types import Receive, Scope, Send

__all__ = ("AsgiSink", "respond", "run_lifespan")

# Never reaches anybody but access logs, which know it by this number since nginx.
_CLIENT_CLOSED_REQUEST = 499


class AsgiSink:
    """The ``Sink`` of one ASGI request.

    Args:
        inbox: Owner of the request's ``receive``, which tells when the reader leaves.
        send: ASGI's ``send``.
    """

    __slots__ = ("_inbox", "_send", "is_open")

    def __init__(self, inbox: Inbox, send: Send) -> None:
        self._inbox, self._send = inbox, send
        self.is_open = False  # whether the head was sent

    async def open(self, head: Head) -> None:
        message = {"type": "http.response.start", "status": head.status, "headers": head.raw()}
        self.is_open = True
        try:
            await self._send(message)
        except OSError as exc:  # ASGI 2.4: the connection is closed
            raise ClientDisconnected("the reader left before the head was sent") from exc

    async def write(self, data: bytes, more: bool) -> None:
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except OSError as exc:
            raise ClientDisconnected("the reader left") from exc

    def watch(self, left: Callable[[], object]) -> None:
        self._inbox.watch(left)

    def unwatch(self) -> None:
        self._inbox.unwatch()

    async def conclude(self, ending: Ending) -> None:
        """Answer a reader that left before the head: nobody gets it.

        Middleware in between expects an answer all the same, and would raise without one.
        """
        if ending is Ending.DISCONNECTED and not self.is_open:
            with suppress(ClientDisconnected):  # which is what we know
                await self.open(Head(_CLIENT_CLOSED_REQUEST))
                await self.write(b"", False)


async def respond(
    response: Response, scope: Scope, receive: Receive, send: Send, *, inbox: Inbox | None = None
) -> Ending:
    """Send ``response`` as the answer to one ASGI HTTP request; return how it ended.

    When this returns or raises, the producer's cleanup has run, or had its time.

    Raises:
        Exception: What the producer raised before the head was committed.
    """
    inbox = inbox if inbox is not None else Inbox(receive)
    if response.request is None:
        response.request = Request(scope, inbox)
    sink = AsgiSink(inbox, send)
    ending = await response.send(sink, head_only=scope["method"].upper() == "HEAD")
    await sink.conclude(ending)
    return ending


async def run_lifespan(receive: Receive, send: Send) -> None:
    """Answer the lifespan protocol for an app that needs no start-up."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
