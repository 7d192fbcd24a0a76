"""Our client behind the REST protocol of LaunchDarkly's sse-contract-tests.

    python tests/contract_service.py --port 8000            # the async client
    python tests/contract_service.py --port 8000 --sync     # the one for threads
    sse-contract-tests --url http://127.0.0.1:8000

Lives here: the protocol; each stream is a client that posts what it reads to the harness, in order.
Source: "SSE test service specification" of that project; ``tests/client/test_contract.py`` states
its cases anew and runs them without it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from typing import Any

import httpx2
import uvicorn

from penstock import ServerSentEvent, StreamError
from penstock.client import AsyncEventStream, EventStream, Reconnect, aconnect, connect

__all__ = ("CAPABILITIES", "Service")

CAPABILITIES = (
    "204", "bom", "comments", "headers", "last-event-id", "post", "read-timeout", "report",
    "restart", "retry", "server-directed-shutdown-request",
)  # fmt: skip


_TLS = ssl.create_default_context()  # one for all streams: making one is slow


def _options(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the client's options for what the harness wants."""
    options: dict[str, Any] = {
        "format": "sse",
        "reconnect": True,  # a POST too
        "method": wanted.get("method"),
        "content": wanted.get("body"),
        "headers": wanted.get("headers"),
        "last_event_id": wanted.get("lastEventId"),
    }
    if (delay := wanted.get("initialDelayMs")) is not None:
        options["retry_delay"] = delay / 1000
    if (timeout := wanted.get("readTimeoutMs")) is not None:
        options["read_timeout"] = timeout / 1000
    return options


def _event(event: ServerSentEvent) -> dict[str, Any]:
    found = {"type": event.event, "data": event.data, "id": event.id}
    return {"kind": "event", "event": found}


def _error(error: object) -> dict[str, Any]:
    return {"kind": "error", "comment": str(error), "error": str(error)}


class _Callbacks:
    """Posts messages under the numbers that the protocol wants."""

    def __init__(self, url: str) -> None:
        self._url, self._count = url.rstrip("/"), 0

    def next_url(self) -> str:
        self._count += 1
        return f"{self._url}/{self._count}"


class _AsyncReader:
    """A stream read in a task."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self._callbacks = _Callbacks(wanted["callbackUrl"])
        self._http = httpx2.AsyncClient(timeout=30, verify=_TLS)
        self._stream: AsyncEventStream[ServerSentEvent] = aconnect(
            wanted["streamUrl"],
            on_comment=lambda text: self._post({"kind": "comment", "comment": text}),
            on_reconnect=self._lost,
            **_options(wanted),
        )
        self._task = asyncio.create_task(self._read())

    def restart(self) -> None:
        self._stream.restart()

    async def close(self) -> None:
        await self._stream.aclose()
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._http.aclose()

    async def _read(self) -> None:
        try:
            async with self._stream as events:
                async for event in events:
                    await self._post(_event(event))
        except StreamError as exc:
            await self._post(_error(exc))

    async def _lost(self, info: Reconnect) -> None:
        if info.error is not None:
            await self._post(_error(info.error))

    async def _post(self, message: dict[str, Any]) -> None:
        await self._http.post(self._callbacks.next_url(), json=message)


class _SyncReader:
    """A stream read in a thread."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self._callbacks = _Callbacks(wanted["callbackUrl"])
        self._http = httpx2.Client(timeout=30, verify=_TLS)
        self._stream: EventStream[ServerSentEvent] = connect(
            wanted["streamUrl"],
            on_comment=lambda text: self._post({"kind": "comment", "comment": text}),
            on_reconnect=self._lost,
            **_options(wanted),
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def restart(self) -> None:
        self._stream.restart()

    async def close(self) -> None:
        self._stream.close()
        await asyncio.to_thread(self._thread.join, 5.0)
        self._http.close()

    def _read(self) -> None:
        try:
            with self._stream as events:
                for event in events:
                    self._post(_event(event))
        except StreamError as exc:
            self._post(_error(exc))

    def _lost(self, info: Reconnect) -> None:
        if info.error is not None:
            self._post(_error(info.error))

    def _post(self, message: dict[str, Any]) -> None:
        self._http.post(self._callbacks.next_url(), json=message)


class Service:
    """The protocol, as an ASGI app.

    Args:
        quit: Called when the harness has no more tests.
        sync: Read in threads.
    """

    def __init__(self, quit: Callable[[], object], *, sync: bool = False) -> None:
        self._quit, self._make = quit, _SyncReader if sync else _AsyncReader
        self._readers: dict[str, _AsyncReader | _SyncReader] = {}
        self._count = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        status, headers, body = await self._answer(scope["method"], scope["path"], receive)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for reader in self._readers.values():
            await reader.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(
        self, method: str, path: str, receive: Any
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        body = await _body(receive)
        path = (
            f"/{path.strip('/')}"  # the harness puts our Location behind the address it was given
        )
        if path == "/" and method == "GET":
            told = json.dumps({"capabilities": CAPABILITIES}).encode()
            return 200, [(b"content-type", b"application/json")], told
        if path == "/" and method == "DELETE":
            self._quit()
            return 204, [], b""
        if path == "/" and method == "POST":
            return self._start(body)
        reader = self._readers.get(path)
        if reader is None:
            return 404, [], b""
        if method == "DELETE":
            await self._readers.pop(path).close()
            return 204, [], b""
        command = (_object(body) or {}).get("command")
        if command == "restart":
            reader.restart()
        elif command != "listen":  # all types are listened to anyway
            return 400, [], b"unknown command"
        return 202, [], b""

    def _start(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        wanted = _object(body)
        if wanted is None or not {"streamUrl", "callbackUrl"} <= wanted.keys():
            return 400, [], b"an object with streamUrl and callbackUrl is required"
        try:
            reader = self._make(wanted)
        except (StreamError, ValueError, TypeError) as exc:
            return 400, [], str(exc).encode()
        self._count += 1
        path = f"/streams/{self._count}"
        self._readers[path] = reader
        return 201, [(b"location", path.encode())], b""


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


async def _body(receive: Any) -> bytes:
    found = b""
    while True:
        message = await receive()
        found += message.get("body", b"")
        if not message.get("more_body"):
            return found


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--sync", action="store_true", help="read in threads")
    given = parser.parse_args()

    def quit() -> None:
        server.should_exit = True

    app = Service(quit, sync=given.sync)
    config = uvicorn.Config(app, host=given.host, port=given.port, log_level="warning")
    server = uvicorn.Server(config)
    server.run()


if __name__ == "__main__":
    main()
