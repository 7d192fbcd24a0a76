"""``Stream``: one source, every way out."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from penstock import Ending, Event, HttpError, Stream, StreamError
from penstock.errors import TransportError, UnsupportedItem
from penstock.testing import open_stream

from .calls import open_wsgi

WHOLE = b'{"n":0}\n{"n":1}\n'


async def rows() -> Any:
    yield {"n": 0}
    yield {"n": 1}


def sync_rows() -> Any:
    yield {"n": 0}
    yield {"n": 1}


async def awaited() -> Any:
    return rows()


@asynccontextmanager
async def managed() -> Any:
    yield rows()


@contextmanager
def sync_managed() -> Any:
    yield sync_rows()


# each makes a source anew
SOURCES: dict[str, Any] = {
    "async generator": rows,
    "async generator function": lambda: rows,
    "generator": sync_rows,
    "generator function": lambda: sync_rows,
    "list": lambda: [{"n": 0}, {"n": 1}],
    "awaitable": awaited,
    "coroutine function": lambda: awaited,
    "async context manager": managed,
    "callable of a context manager": lambda: managed,
    "sync context manager": sync_managed,
}


async def to_asgi(stream: Stream) -> bytes:
    endings: list[Ending] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        endings.append(await stream.to_asgi(scope, receive, send))

    async with open_stream(app) as response:
        body = await response.read()
        await response.returned()
        assert (response.ended, endings) == ("complete", [Ending.COMPLETED])
        return body


async def to_wsgi(stream: Stream) -> bytes:
    def call() -> bytes:
        with open_wsgi(stream.to_wsgi) as (status, headers, chunks):
            assert (status, headers["content-type"]) == (200, "application/x-ndjson")
            return b"".join(chunks)

    return await asyncio.to_thread(call)


WAYS = {"to_bytes": Stream.to_bytes, "to_asgi": to_asgi, "to_wsgi": to_wsgi}


# C1's shapes of a source, out of every way
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
async def test_every_source_out_of_every_way(way: Any, make: Any) -> None:
    assert await way(Stream(make(), format="ndjson")) == WHOLE


async def test_to_bytes_in_sse() -> None:
    body = await Stream([Event("x", id="1")], done=None).to_bytes()
    assert sorted(body.split(b"\n")) == sorted(b"id: 1\ndata: x\n\n".split(b"\n"))


# E1: an error before the first item is raised as it is; the host renders it
async def test_to_bytes_raises_an_early_error() -> None:
    async def failing() -> Any:
        raise HttpError(404)
        yield

    with pytest.raises(HttpError):
        await Stream(failing).to_bytes()


# E2
async def test_to_bytes_of_a_later_error() -> None:
    async def failing() -> Any:
        yield "x"
        raise HttpError(404)

    body = await Stream(failing, format="ndjson").to_bytes()
    assert (
        body
        == b'"x"\n{"error":{"errors":[{"status":404,"title":"Not Found","detail":"Not Found."}]}}\n'
    )
    with pytest.raises(StreamError, match="broke off"):
        await Stream(failing, format="text").to_bytes()


@pytest.mark.parametrize("source", ["text", b"bytes", {"a": 1}, 3, None, object(), dict])
def test_what_can_never_be_a_source(source: Any) -> None:
    with pytest.raises(TypeError):
        Stream(source)


async def test_a_source_of_what_its_format_does_not_write() -> None:
    with pytest.raises(UnsupportedItem, match="the text format does not write dict"):
        await Stream([{"a": 1}], format="text").to_bytes()


# W13, F2: what is ready leaves in one write
async def test_what_is_ready_leaves_in_one_write() -> None:
    async with open_stream(Stream([1] * 500, format="ndjson").to_asgi) as response:  # type: ignore[arg-type]  # it returns an Ending, which a host does not look at
        await response.read()
        assert len(response.chunks) < 20
        assert all(chunk.endswith(b"\n") for chunk in response.chunks)


# E2: a WSGI server sees the cut
async def test_a_cut_on_wsgi() -> None:
    def call() -> None:
        def failing() -> Any:
            yield "x"
            raise ValueError

        with open_wsgi(Stream(failing, format="text").to_wsgi) as (status, _, chunks):
            assert (status, next(chunks)) == (200, b"x")
            with pytest.raises(TransportError):
                next(chunks)

    await asyncio.to_thread(call)


# F4 on WSGI: told at the next write; close() ends the producer
async def test_close_on_wsgi_stops_the_source() -> None:
    log: list[str] = []

    async def endless() -> Any:
        try:
            while True:
                yield "x"
                await asyncio.sleep(0.001)
        finally:
            log.append("cleaned up")

    def call() -> None:
        with open_wsgi(Stream(endless, format="text").to_wsgi) as (_, _, chunks):
            next(chunks)
        assert log == ["cleaned up"]

    await asyncio.to_thread(call)


# S: stop() from elsewhere ends it in good order
async def test_stop() -> None:
    async def silent() -> Any:
        yield "x"
        await asyncio.Event().wait()

    stream = Stream(silent, format="ndjson")
    async with open_stream(stream.to_asgi) as response:  # type: ignore[arg-type]  # as above
        await response.next_event()
        stream.stop()
        await response.returned()
        assert stream.ending is Ending.STOPPED
        assert response.ended is not None
    stream.stop()  # harmless


# F10: one thread for the whole life of a source, and not the loop's
async def test_a_sync_source_has_one_thread() -> None:
    threads: set[threading.Thread] = set()

    def source() -> Any:
        for n in range(3):
            threads.add(threading.current_thread())
            yield n

    await Stream(source, format="ndjson").to_bytes()
    assert len(threads) == 1
    assert threads != {threading.current_thread()}
