"""A body that is read on its own loop, on another, or on none; and an app's answer as one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import Context, HttpError, Stream, TransportError, endpoint
from penstock._face import Body
from penstock._mounted import Mounted
from penstock.portal import portal
from tests.support.process import wait_until

stopped: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_stopped() -> None:
    stopped.clear()


async def forever() -> AsyncIterator[str]:
    try:
        while True:
            yield "x"
            await asyncio.sleep(0)
    finally:
        stopped.append(threading.current_thread().name)


def body(source: Any = ("a", "b")) -> Body:
    return Body(Stream(source, "text"))


def test_without_a_loop_it_runs_on_ours() -> None:
    made = body()
    assert made.open_blocking().status == 200
    assert b"".join(made) == b"ab"
    made.close()


def test_closing_waits_for_the_cleanup() -> None:
    # F4
    made = body(forever)
    assert next(made).startswith(b"x")
    made.close()
    assert stopped == ["penstock-loop"]
    made.close()


async def test_on_its_own_loop_it_costs_no_thread() -> None:
    made = body(forever)
    await made.open()
    assert (await anext(made)).startswith(b"x")
    await made.aclose()
    assert stopped == [threading.current_thread().name]


async def test_on_another_loop() -> None:
    # a sync view of Django under ASGI
    made = body(forever)
    await asyncio.to_thread(made.open_blocking)
    assert (await anext(made)).startswith(b"x")
    await made.aclose()
    assert stopped == ["penstock-loop"]
    finite = body()
    await asyncio.to_thread(finite.open_blocking)
    assert b"".join([chunk async for chunk in finite]) == b"ab"


async def test_cancelled_on_another_loop_it_stops() -> None:
    # F4
    async def silent() -> AsyncIterator[str]:
        try:
            yield "x"
            await asyncio.Event().wait()
        finally:
            stopped.append("silent")

    made = body(silent)
    await asyncio.to_thread(made.open_blocking)
    assert await anext(made) == b"x"
    reader = asyncio.create_task(made.__anext__())
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await made.aclose()
    assert stopped == ["silent"]


async def test_read_synchronously_on_its_own_loop_it_would_wait_for_itself() -> None:
    made = body(forever)
    await made.open()
    with pytest.raises(RuntimeError, match="synchronously"):
        next(made)
    made.close()  # cannot wait here either; it tells the stream and goes on
    await made.aclose()
    assert len(stopped) == 1


def test_abandoned_it_stops_by_itself() -> None:
    made = body(forever)
    made.open_blocking()
    made.abandon()
    wait_until(lambda: stopped == ["penstock-loop"])
    body().abandon()


def test_after_its_loop_has_ended_it_says_so() -> None:
    made = body(forever)

    async def begin() -> None:
        await made.open()

    asyncio.run(begin())
    with pytest.raises(RuntimeError, match="after it ended"):
        next(made)
    made.close()


@endpoint(format="text")
async def app(ctx: Context) -> AsyncIterator[str]:
    """An endpoint."""
    if ctx.query.get("fail"):
        raise HttpError(409)
    async for item in forever():
        yield item


def mounted(app: Any, query: bytes = b"") -> Body:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": []}
    return Body(Mounted(app, scope, b""))


async def test_an_app_is_pulled_and_told_that_its_reader_left() -> None:
    # F4
    made = mounted(app)
    assert (await made.open()).headers["content-type"].startswith("text/plain")
    assert (await anext(made)).startswith(b"x")
    await made.aclose()
    assert len(stopped) == 1
    assert (await mounted(app, b"fail=1").open()).status == 409


async def test_an_app_that_ends_in_the_middle_does_not_look_finished() -> None:
    async def cut(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})

    made = mounted(cut)
    assert await anext(made) == b"x"
    with pytest.raises(TransportError, match="in the middle"):
        await anext(made)


def test_the_portal_is_one() -> None:
    made = body()
    made.open_blocking()
    assert made._loop is portal().loop
    made.close()
