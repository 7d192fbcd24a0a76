"""A scripted provider on loopback, in a thread of its own: answers what a test told it to.

It knows when a connection was closed by its reader, and serves bodies cut where the test says.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any

__all__ = ("Provider", "Script", "running_provider", "sse")


def sse(*events: Any, named: bool = False, done: bool = False) -> bytes:
    """Return ``events`` as a provider's SSE body; ``named``: the event is called by its type."""
    body = b""
    for event in events:
        if named:
            body += f"event: {event['type']}\n".encode()
        body += b"data: " + json.dumps(event).encode() + b"\n\n"
    return body + (b"data: [DONE]\n\n" if done else b"")


@dataclass
class Script:
    """What the provider answers to the requests for one model.

    ``head``: None never answers; ``then`` is repeated every ``pause`` seconds after the body until
    the reader leaves; without it the body ends, or with ``hold`` stays open in silence.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "text/event-stream"
    seed: int | None = None  # cut at random places
    answers: bool = True
    then: bytes | None = None
    pause: float = 0.02
    hold: bool = False
    cut: bool = False  # break off without the end of the chunked body
    requests: list[dict[str, Any]] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    left_at: float = 0.0
    sent: int = 0


class Provider:
    """Scripts by the order in which they are asked for, or one for all requests."""

    def __init__(self) -> None:
        self.url = ""
        self._queue: list[Script] = []
        self._last: Script | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def script(self, *scripts: Script) -> Script:
        """Answer the next requests with ``scripts``, and all later ones with the last."""
        self._queue = list(scripts)
        self._last = scripts[-1]
        return scripts[0]

    def _next(self) -> Script:
        assert self._last is not None, "a request without a script"
        return self._queue.pop(0) if self._queue else self._last

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            return  # it is being stopped; asyncio's streams take a cancellation for an error
        finally:
            writer.close()
            self._open.discard(writer)

    async def stop(self, server: asyncio.Server) -> None:
        """Close every connection, also one whose reader does not read."""
        # What was accepted just now is lost, and never closed, when the server closes before it has
        # a transport: accept nothing more, and give it the turns that it needs.
        for sock in server.sockets:
            asyncio.get_running_loop().remove_reader(sock.fileno())
        for _ in range(5):
            await asyncio.sleep(0)
        server.close()
        for writer in self._open:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=2)
        await asyncio.sleep(0)  # a closed transport lets go of its socket in a turn of its own

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = 0
        chunked = False
        for line in head.split("\r\n"):
            name, _, value = line.partition(":")
            length = int(value) if name.lower() == "content-length" else length
            chunked = chunked or (name.lower() == "transfer-encoding" and "chunked" in value)
        data = b""
        if chunked:
            while size := int((await reader.readline()).strip() or b"0", 16):
                data += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readline()
        elif length:
            data = await reader.readexactly(length)
        script = self._next()
        request = json.loads(data) if data else {}
        request["_line"] = head.split("\r\n")[0]
        request["_head"] = head
        script.requests.append(request)
        sending = asyncio.ensure_future(self._send(script, writer))
        leaving = asyncio.ensure_future(reader.read(1))
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        if leaving.done() and not sending.done():
            script.left_at = monotonic()
            script.left.set()
            sending.cancel()
            await asyncio.wait((sending,))
            return False
        leaving.cancel()
        await asyncio.wait((leaving,))
        if sending.exception() is not None:
            script.left_at = monotonic()
            script.left.set()
        return False

    async def _send(self, script: Script, writer: asyncio.StreamWriter) -> None:
        if not script.answers:
            script.began.set()
            await asyncio.sleep(3600)
        writer.write(
            f"HTTP/1.1 {script.status} X\r\ncontent-type: {script.content_type}\r\n"
            "transfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        for piece in _pieces(script.body, script.seed):
            await _chunk(writer, piece)
        script.began.set()
        if script.hold:
            await asyncio.sleep(3600)
        while script.then is not None:
            await _chunk(writer, script.then)
            script.sent += 1
            await asyncio.sleep(script.pause)
        if script.cut:
            writer.write(b"ff\r\nhalf of a chunk")
            await writer.drain()
            writer.close()
            return
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _chunk(writer: asyncio.StreamWriter, piece: bytes) -> None:
    writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    await writer.drain()
    await asyncio.sleep(0)


def _pieces(body: bytes, seed: int | None) -> Iterator[bytes]:
    if seed is None:
        if body:
            yield body
        return
    random, start = Random(seed), 0
    while start < len(body):
        size = random.choice((1, 2, 7, 40, 200, 900))
        yield body[start : start + size]
        start += size


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Run a provider in a thread; stop it at the end."""
    provider, ready, loop = Provider(), threading.Event(), asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def main() -> None:
        server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
        provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await stopped.wait()
        await provider.stop(server)

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
        loop.close()
