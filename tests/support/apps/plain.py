"""Apps that know nothing of penstock: what the tests of the test support run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ("app", "wsgi")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Three events 50 ms apart; ``/cut`` ends after the first without its last message."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for i in range(3):
        await send({"type": "http.response.body", "body": _event(i), "more_body": True})
        if scope["path"] == "/cut":
            return
        await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Any, send: Any) -> None:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Three events 50 ms apart."""
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return _wsgi_body()


def _wsgi_body() -> Iterator[bytes]:
    for i in range(3):
        yield _event(i)
        time.sleep(0.05)


def _event(i: int) -> bytes:
    return b": note\nevent: tick\ndata: %d\n\n" % i
