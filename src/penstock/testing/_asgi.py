"""The in-process ASGI host: an app's ``receive`` and ``send``, as strict as the specification.

Source: ASGI specification, "HTTP & WebSocket ASGI Message Format", "Lifespan Protocol".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

from penstock.testing._wire import Wire
from penstock.types import ASGIApp, Message, Scope

__all__ = ("AsgiHost", "lifespan_of")

# Seconds an app's start-up or shut-down may take.
_LIFESPAN_TIMEOUT = 30.0


class AsgiHost:
    """Runs one request of an ASGI app against a ``Wire``.

    Args:
        app: The app.
        scope: The request's scope.
        body: The request's body, a piece per message.
        wire: Where the response goes.
        raises: Once the reader has left, ``send`` raises OSError, as ASGI 2.4 asks; else it does
            nothing, as most servers do.
    """

    def __init__(
        self, app: ASGIApp, scope: Scope, body: Sequence[bytes], wire: Wire, *, raises: bool
    ) -> None:
        self._app, self._scope, self._wire = app, scope, wire
        self._body = list(body) or [b""]
        self._raises = raises
        self._started = self._completed = False

    def start(self, context: Context) -> asyncio.Task[None]:
        """Start the app, in ``context``; the task ends when the app has returned or raised."""
        return asyncio.get_running_loop().create_task(self._run(), context=context)

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            await self._app(self._scope, self._receive, self._send)
        except BaseException as exc:
            error = exc
            if not isinstance(exc, Exception):  # a cancellation: the task must end as cancelled
                raise
        finally:
            self._wire.finish(error)

    async def _receive(self) -> Message:
        wire = self._wire
        if self._body and not wire.has_left:
            piece = self._body.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._body)}
        await wire.until(lambda: wire.has_left or wire.ended is not None)
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        wire = self._wire
        kind = message["type"]
        if self._completed or kind not in ("http.response.start", "http.response.body"):
            raise RuntimeError(f"the app sent {kind!r}, which cannot come here")
        if self._started is (kind == "http.response.start"):
            raise RuntimeError(f"the app sent {kind!r} in the wrong place")
        self._started = True
        if kind == "http.response.start":
            await wire.open(message["status"], _headers(message))
        else:
            more = bool(message.get("more_body", False))
            await wire.put(bytes(message.get("body", b"")), more)
            self._completed = not more
        if wire.has_left and self._raises and not self._completed:
            raise OSError("the reader has left")


def _headers(message: Message) -> list[tuple[str, str]]:
    headers = []
    for name, value in message.get("headers", ()):
        if not isinstance(name, bytes) or not isinstance(value, bytes) or name != name.lower():
            raise RuntimeError(
                f"a header is two bytes, the name in lower case: {name!r}, {value!r}"
            )
        headers.append((name.decode("ascii"), value.decode("latin-1")))
    return headers


@asynccontextmanager
async def lifespan_of(app: ASGIApp, context: Context) -> AsyncGenerator[dict[str, Any]]:
    """Run the app's start-up; yield the state it made; run its shut-down.

    Raises:
        RuntimeError: The app said that it failed, or has no lifespan.
        Exception: What the app raised.
    """
    state: dict[str, Any] = {}
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
    work = _run_lifespan(app, scope, to_app, from_app)
    task = asyncio.get_running_loop().create_task(work, context=context)
    try:
        await _ask("startup", to_app, from_app, task)
        yield state
        await _ask("shutdown", to_app, from_app, task)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _run_lifespan(
    app: ASGIApp, scope: Scope, to_app: asyncio.Queue[Message], from_app: asyncio.Queue[Message]
) -> None:
    await app(scope, to_app.get, from_app.put)


async def _ask(
    phase: str,
    to_app: asyncio.Queue[Message],
    from_app: asyncio.Queue[Message],
    task: asyncio.Task[None],
) -> None:
    to_app.put_nowait({"type": f"lifespan.{phase}"})
    answer = asyncio.ensure_future(from_app.get())
    try:
        async with asyncio.timeout(_LIFESPAN_TIMEOUT):
            await asyncio.wait([answer, task], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            task.result()
            raise RuntimeError(f"the app returned from its lifespan instead of its {phase}")
        message = answer.result()
        if message["type"] != f"lifespan.{phase}.complete":
            raise RuntimeError(f"the app's {phase} failed: {message.get('message') or message}")
    finally:
        answer.cancel()
