"""What an ASGI app answers, as a response: for a framework that mounts no ASGI apps.

Lives here: the app's messages as the writes of a sink. Stays out: the framework.
"""

from __future__ import annotations

import asyncio

from penstock.core.ending import Ending
from penstock.core.head import Head
from penstock.core.response import Response
from penstock.core.sink import Sink
from penstock.errors import ClientDisconnected, TransportError
from penstock.types import ASGIApp, Message, Scope

__all__ = ("Mounted",)


class Mounted(Response):
    """The answer of ``app`` to one request.

    Args:
        app: ASGI app.
        scope: The request.
        content: Its body.
    """

    def __init__(self, app: ASGIApp, scope: Scope, content: bytes) -> None:
        super().__init__()
        self._app, self._scope, self._content = app, scope, content

    async def send(self, sink: Sink, *, head_only: bool = False) -> Ending:
        """Run the app, its messages going to ``sink``; it knows by itself what HEAD means.

        Raises:
            TransportError: The app ended in the middle of its answer.
            Exception: What the app raised.
        """
        exchange = _Exchange(sink, self._content)
        sink.watch(exchange.gone.set)
        try:
            await self._app(self._scope, exchange.receive, exchange.send)
        except ClientDisconnected:
            return Ending.DISCONNECTED
        finally:
            sink.unwatch()
        if not exchange.is_complete:
            raise TransportError("the app ended in the middle of its answer")
        return Ending.COMPLETED


class _Exchange:
    """One request: what the app receives and sends."""

    def __init__(self, sink: Sink, content: bytes) -> None:
        self._sink, self._content = sink, content
        self._is_read = False
        self.gone = asyncio.Event()
        self.is_complete = False

    async def receive(self) -> Message:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": self._content, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            head = Head(message["status"])
            for name, value in message.get("headers", ()):
                head.headers.add(name.decode("latin-1"), value.decode("latin-1"))
            await self._sink.open(head)
        elif message["type"] == "http.response.body":
            more = message.get("more_body", False)
            self.is_complete = not more
            await self._sink.write(message.get("body", b""), more)
