"""What happens when a function's time is nearly up, and what the next invocation finds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock.aws import asgi_handler, stream_handler, streamify_response
from penstock.aws.exchange import DeadlineExceeded
from tests.aws.apps import web
from tests.aws.support.local import call, function_url
from tests.aws.support.runtime_api import RuntimeApi
from tests.support.process import in_some_tries

# Seconds: half of it is the margin. A machine that stands still for so long is at the deadline with
# nothing sent, hence the tries.
SOON = 0.6
CLEANED: list[str] = []


async def slow(event: Any, context: Any) -> AsyncIterator[Any]:
    try:
        if not (isinstance(event, dict) and event.get("silent")):
            yield "a\n"
        await asyncio.sleep(3600)
    finally:
        CLEANED.append("slow")


@in_some_tries
def test_a_stream_of_ours_ends_by_a_504(api: RuntimeApi) -> None:
    # L9
    CLEANED.clear()
    made = call(api, stream_handler(format="ndjson")(slow), {}, deadline=SOON)
    assert made.error is None
    assert json.loads(made.body.splitlines()[-1])["error"]["errors"][0]["status"] == 504
    assert CLEANED == ["slow"]


@in_some_tries
def test_before_the_head_it_is_the_status(api: RuntimeApi) -> None:
    # L9, L7a, L7b
    handler = stream_handler(format="ndjson")(slow)
    made = call(api, handler, {**function_url(), "silent": True}, deadline=SOON)
    assert made.prelude["statusCode"] == 504
    direct = call(api, handler, {"silent": True}, deadline=SOON)
    assert "504" in str(direct.error)
    assert not direct.answered


@in_some_tries
def test_text_ends_in_trailers(api: RuntimeApi) -> None:
    # L9, L7d
    made = call(api, stream_handler(format="text")(slow), {}, deadline=SOON)
    assert made.body == b"a\n"
    assert made.trailers
    assert "504" in made.error_body["errorMessage"]


@in_some_tries
def test_a_handler_that_writes_or_hangs_is_stopped(api: RuntimeApi) -> None:
    # L9
    stopped: list[str] = []

    @streamify_response
    async def handler(event: Any, stream: Any, context: Any) -> None:
        try:
            if event.get("write"):
                await stream.write("a")
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            stopped.append(str(event))
            raise

    assert call(api, handler, {"write": 1}, deadline=SOON).trailers
    assert isinstance(call(api, handler, {}, deadline=SOON).error, DeadlineExceeded)
    assert len(stopped) == 2
    assert call(api, handler, function_url(), deadline=SOON).prelude["statusCode"] == 504


@in_some_tries
def test_a_foreign_app_is_cancelled(api: RuntimeApi) -> None:
    # L9
    made = call(api, web.handler, function_url("/slow"), deadline=SOON)
    assert made.http_body == b"first"
    assert made.trailers["lambda-runtime-function-error-type"] == "DeadlineExceeded"
    assert isinstance(made.error, DeadlineExceeded)
    assert call(api, web.handler, function_url("/plain")).http_body == b"ab"


@in_some_tries
def test_an_app_that_takes_no_notice_does_not_hold_it_up(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):  # twice at the deadline, then by the clearing up
            try:
                await asyncio.sleep(5)
                return
            except asyncio.CancelledError:
                pass

    made = call(api, asgi_handler(app, lifespan="off"), function_url(), deadline=SOON)
    assert made.prelude["statusCode"] == 504
    assert "left 1 task(s) running" in caplog.text


def test_leaked_tasks_are_cancelled_and_the_pools_live_on(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    # L12
    leaked: list[asyncio.Task[Any]] = []
    loops: set[int] = set()

    @stream_handler(format="text")
    async def handler(event: Any, context: Any) -> AsyncIterator[str]:
        loops.add(id(asyncio.get_running_loop()))
        leaked.append(asyncio.create_task(asyncio.sleep(3600), name="leaked"))
        quick = asyncio.create_task(asyncio.sleep(0))
        yield "x"
        del quick

    for _ in range(3):
        assert call(api, handler, {}).body == b"x"
    assert [task.cancelled() for task in leaked] == [True] * 3
    assert len(loops) == 1  # one for the whole container
    assert caplog.text.count("left 1 task(s) running; cancelled: leaked") == 3


def test_a_runtime_api_that_is_not_there(api: RuntimeApi) -> None:
    from penstock.aws.invocation import at_runtime_api, begin, end
    from penstock.aws.runtime_client import RuntimeApiError
    from tests.aws.support.local import FakeContext

    begin(at_runtime_api("gone", "127.0.0.1:1"))
    try:
        with pytest.raises(RuntimeApiError, match=r"no Runtime API at 127\.0\.0\.1:1"):
            stream_handler(slow)({}, FakeContext("gone", 30))
    finally:
        assert end("gone") is False
