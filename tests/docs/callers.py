"""Calls an app in process: one request, the body as far as it is needed."""

from __future__ import annotations

import asyncio
import inspect
import io
from contextlib import closing
from typing import Any

from tests.docs.blocks import Call

__all__ = ("call",)


def call(app: Any, request: Call) -> tuple[int, str]:
    """Return status and body of ``request``; the body only up to the text that is expected."""
    path, _, query = request.target.partition("?")
    body = (request.body or "").encode()
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
        return asyncio.run(_asgi(app, request, path, query, body))
    return _wsgi(app, request, path, query, body)


async def _asgi(app: Any, request: Call, path: str, query: str, body: bytes) -> tuple[int, str]:
    status, received = 0, bytearray()
    left = asyncio.Event()
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            received.extend(message.get("body", b""))
            if not message.get("more_body") or _seen(request, received):
                left.set()
        await asyncio.sleep(0)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": request.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"testserver"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    async with asyncio.timeout(20):
        await app(scope, receive, send)
    return status, received.decode()


def _wsgi(app: Any, request: Call, path: str, query: str, body: bytes) -> tuple[int, str]:
    received, statuses = bytearray(), []
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(int(status.split(maxsplit=1)[0]))
        return received.extend

    answer = app(environ, start_response)
    with closing(answer) if hasattr(answer, "close") else closing(io.BytesIO()):
        for piece in answer:
            received += piece
            if _seen(request, received):
                break
    return statuses[-1], received.decode()


def _seen(request: Call, received: bytearray) -> bool:
    return request.text is not None and request.text.encode() in received
