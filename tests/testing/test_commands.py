"""What a test commands: leave, stall, shut down, cancel. Covers T1."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import Ending, Endpoint, endpoint
from penstock.clock import current_clock
from penstock.testing import FakeClock, open_stream
from penstock.types import Receive, Scope, Send


class Watched:
    """An endless source that tells what happens to it."""

    def __init__(self, size: int = 10, pause: float = 0) -> None:
        self.made = 0
        self.log: list[str] = []
        self._size, self._pause = size, pause

    async def __call__(self) -> Any:
        try:
            while True:
                self.made += 1
                yield "x" * self._size
                await asyncio.sleep(self._pause)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            self.log.append("cleaned up")

    def endpoint(self, **options: Any) -> Endpoint:
        async def finish(ctx, call_next):
            response = await call_next(ctx)
            response.on_finish(lambda ending: self.log.append(str(ending)))
            return response

        return endpoint(format="text", **options).use(finish).get(lambda ctx: ctx.stream(self))


# F4
async def test_disconnect_returns_when_the_app_has() -> None:
    source = Watched()
    async with open_stream(source.endpoint()) as stream:
        await stream.next_event()
        await stream.disconnect()
        assert not stream.is_running
        assert source.log == ["cancelled", "cleaned up", Ending.DISCONNECTED]
        assert (stream.ended, stream.app_error) == ("left", None)
        arrived = stream.body
    assert stream.body == arrived


# F4: on hosts whose send() raises (ASGI 2.4) and on those where it does nothing
@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_leaving_a_foreign_app(spec_version: str) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()  # the request
        log.append((await receive())["type"])
        try:
            await send({"type": "http.response.body", "body": b"late", "more_body": True})
        except OSError:
            log.append("OSError")

    async with open_stream(app, spec_version=spec_version) as stream:
        await stream.disconnect()
    assert log == ["http.disconnect"] + ["OSError"] * (spec_version == "2.4")
    assert stream.body == b""


# F5
async def test_gone_before_the_call() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"

    async with open_stream(app, gone=True) as stream:
        await stream.returned()
    assert stream.ended == "left"


# F1
async def test_a_stalled_reader_stops_the_producer() -> None:
    source = Watched(size=1000)
    async with open_stream(source.endpoint(), buffer=1) as stream:
        await stream.next_event()
        stream.stall()
        made = await at_rest(source)
        assert made * 1000 < 256 * 1024  # the outbox and the loop's own: bounded
        stream.resume()
        while source.made == made:
            await stream.next_chunk()


async def test_a_reader_far_behind_stops_the_producer_too() -> None:
    source = Watched(size=1000)
    async with open_stream(source.endpoint(), buffer=4096) as stream:
        made = await at_rest(source)
        assert made * 1000 < 256 * 1024
        while source.made < 2 * made:
            await stream.next_chunk()


async def at_rest(source: Watched) -> int:
    """Return what the source has made once it has made nothing for a hundred turns."""
    made = -1
    while made != source.made:
        made = source.made
        for _ in range(100):
            await asyncio.sleep(0)
    return made


async def test_leaving_frees_a_stalled_app() -> None:
    source = Watched(size=100_000)
    async with open_stream(source.endpoint()) as stream:
        stream.stall()
        await at_rest(source)
    assert source.log[-1] == Ending.DISCONNECTED


# F8
async def test_shut_down_ends_open_streams() -> None:
    source = Watched(pause=60)
    async with open_stream(source.endpoint()) as one, open_stream(source.endpoint()) as two:
        await one.next_event()
        await one.shut_down()
        for stream in (one, two):
            await stream.returned()
            assert stream.ended is not None
        assert source.log.count(str(Ending.SHUTDOWN)) == 2


# F8: drain
async def test_shut_down_lets_a_stream_drain() -> None:
    clock = FakeClock()

    @endpoint(on_shutdown="drain", format="ndjson")
    async def three(ctx):
        for n in range(3):
            yield n
            await current_clock().sleep(0.5)

    async with open_stream(three, clock=clock) as stream:
        await stream.shut_down()
        assert stream.events == [0]
        await clock.advance(1.6)
        assert (stream.events, stream.ended) == ([0, 1, 2], "complete")


# F8: a cancellation from outside counts as shutdown
async def test_cancel_as_a_host_does() -> None:
    source = Watched(pause=60)
    async with open_stream(source.endpoint()) as stream:
        await stream.cancel()
        assert isinstance(stream.app_error, asyncio.CancelledError)
    assert source.log == ["cancelled", "cleaned up", Ending.SHUTDOWN]


async def test_background_work_is_waited_for() -> None:
    done: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all"})
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        done.append("background")

    async with open_stream(app) as stream:
        assert await stream.read() == b"all"
    assert done == ["background"]
