"""The ready middlewares: access log, request id, time limits. Covers M8."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from penstock import Context, HttpError, InvalidOption, access_log, endpoint, request_id, time_limit
from penstock.clock import current_clock
from penstock.testing import FakeClock, open_stream

from .calls import fetch, hosts

on_each_host = pytest.mark.parametrize("fetch", hosts.values(), ids=hosts)


def records_of(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.name == "penstock.access"]


async def three(ctx: Context) -> Any:
    for n in range(3):
        yield n


async def failing(ctx: Context) -> Any:
    yield 1
    raise HttpError(404)


LOGGED: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "a stream": (
        endpoint(format="ndjson").use(access_log()).get(three),
        {},
        {"status": 200, "ending": "completed", "events": 3, "bytes": 6, "keep_alives": 0},
    ),
    "a stream that failed": (
        endpoint(format="ndjson").use(access_log()).get(failing),
        {},
        {"status": 200, "ending": "error", "events": 1},
    ),
    "a plain answer": (
        endpoint().use(access_log()).get(lambda ctx: "four"),
        {},
        {"status": 200, "ending": "completed", "events": 0, "bytes": 4},
    ),
    "a refusal": (
        endpoint().use(access_log()).guard(lambda ctx: False).get(three),
        {},
        {"status": 403, "ending": "completed"},
    ),
    "a method that is none": (
        endpoint().use(access_log()).get(three),
        {"method": "POST"},
        {"status": 405, "method": "POST"},
    ),
    "an early error": (
        endpoint().use(access_log()).get(lambda ctx: (1 // n for n in (0,))),
        {},
        {"status": 500, "ending": "error"},
    ),
}


# M8: one line per request: time to first byte, events, bytes, duration, how it ended
@on_each_host
@pytest.mark.parametrize(("app", "request_", "facts"), LOGGED.values(), ids=LOGGED)
async def test_the_access_log(
    fetch: Any,
    app: Any,
    request_: dict[str, Any],
    facts: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "penstock.access"):
        await fetch(app, "/p", headers={"X-Request-ID": "r-1"}, **request_)
    (record,) = records_of(caplog)
    known = {"path": "/p", "request_id": "r-1", **facts}
    assert {name: getattr(record, name) for name in known} == known
    assert record.duration >= 0
    for part in ("/p", str(record.status), f"ending={record.ending}", f"events={record.events}"):
        assert part in record.getMessage()


# M8: durations come from the clock
async def test_the_access_logs_times(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()

    async def slow(ctx: Context) -> Any:
        await current_clock().sleep(2)
        yield "x"
        await current_clock().sleep(40)

    app = endpoint(keep_alive=15).use(access_log()).get(slow)
    with caplog.at_level(logging.INFO, "penstock.access"):
        async with open_stream(app, clock=clock, wait=False) as stream:
            await clock.advance(42)
            await stream.read()
    (record,) = records_of(caplog)
    assert (record.first_byte, record.duration, record.keep_alives) == (2.0, 42.0, 2)


# M8, F4
async def test_the_access_log_of_a_reader_that_leaves(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(ctx: Context) -> Any:
        yield "x"
        await asyncio.Event().wait()

    with caplog.at_level(logging.INFO, "penstock.access"):
        async with open_stream(endpoint().use(access_log()).get(silent)) as stream:
            await stream.next_event()
            await stream.disconnect()
    (record,) = records_of(caplog)
    assert (record.ending, record.events) == ("disconnected", 1)


async def test_the_access_log_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    log = access_log(logging.getLogger("mine"), logging.WARNING)
    await fetch(endpoint().use(log).get(lambda ctx: "x"))
    (record,) = [record for record in caplog.records if record.name == "mine"]
    assert record.levelno == logging.WARNING


# --- request id


@on_each_host
@pytest.mark.parametrize("handler", [three, lambda ctx: "x", lambda ctx: 1 // 0])
async def test_the_request_id_is_sent_back(fetch: Any, handler: Any) -> None:
    app = endpoint().use(request_id()).get(handler)
    assert (await fetch(app, headers={"X-Request-ID": "r-1"})).headers["x-request-id"] == "r-1"
    made, other = await fetch(app), await fetch(app)
    assert len(made.headers["x-request-id"]) == 32
    assert made.headers["x-request-id"] != other.headers["x-request-id"]


# what a client sends goes to the log and back: only a short word of it
@pytest.mark.parametrize("given", ["two words", "é", "x" * 129, ""])
async def test_a_request_id_that_is_no_word_is_made_anew(given: str) -> None:
    app = endpoint().use(request_id("x-trace")).get(lambda ctx: "x")
    sent = (await fetch(app, headers={"X-Request-ID": given})).headers["x-trace"]
    assert sent != given
    assert len(sent) == 32


# --- time limits


# M8: total and idle timeout end with a 504 (E2: an event, once the head has left)
@pytest.mark.parametrize(
    ("limit", "pauses", "ends_at"),
    [
        ({"total": 10}, [4] * 10, 10),
        ({"idle": 5}, [4, 4, 6, 4], 13),
        ({"total": 100, "idle": 5}, [4, 6], 9),
    ],
)
async def test_time_limits(limit: dict[str, float], pauses: list[float], ends_at: float) -> None:
    clock = FakeClock()

    async def slow(ctx: Context) -> Any:
        for pause in pauses:
            yield pause
            await clock.sleep(pause)

    app = endpoint(format="ndjson").use(time_limit(**limit)).get(slow)
    async with open_stream(app, clock=clock) as stream:
        await clock.advance(ends_at - 0.1)
        assert stream.ended is None
        await clock.advance(0.2)
        assert stream.ended == "complete"
        assert stream.error["errors"][0]["status"] == 504


# E1: before the head has left it is the status
async def test_a_time_limit_before_the_first_item() -> None:
    clock = FakeClock()

    async def silent(ctx: Context) -> Any:
        await asyncio.Event().wait()
        yield "x"

    app = endpoint(keep_alive=None).use(time_limit(total=3)).get(silent)
    async with open_stream(app, clock=clock, wait=False) as stream:
        await clock.advance(3)
        await stream.head()
        assert stream.status == 504


async def test_a_time_limit_leaves_plain_answers_alone() -> None:
    assert (await fetch(endpoint().use(time_limit(total=1)).get(lambda ctx: "x"))).body == b"x"


# M7, W7
@pytest.mark.parametrize("limit", [{"total": 0}, {"idle": -1}, {"total": 5000}, {"idle": True}])
def test_a_limit_that_is_no_duration(limit: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        time_limit(**limit)
