"""The chain around a handler: middleware, guards, set-up, tear-down, and their order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from penstock import Ending, HttpError, Response, StreamError, endpoint
from penstock.testing import open_stream

from .calls import fetch, hosts

on_each_host = pytest.mark.parametrize("fetch", hosts.values(), ids=hosts)
user: ContextVar[str] = ContextVar("user", default="nobody")


class Log(list[str]):
    """What happened, in order; makes the parts of a chain that write it."""

    def step(self, name: str, result: Any = None) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            self.append(name)
            if isinstance(result, Exception):
                raise result
            return result

        return step

    def middleware(self, name: str) -> Any:
        async def middleware(ctx: Any, call_next: Any) -> Any:
            self.append(f"{name} in")
            response = await call_next(ctx)
            self.append(f"{name} out")
            response.on_finish(lambda ending: self.append(f"{name} finish"))
            return response

        return middleware

    def wrap(self, app: Any, name: str) -> Any:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.append(f"{name} in")
            await app(scope, receive, send)

        return wrapped

    def handler(self) -> Any:
        async def handler(ctx: Any) -> Any:
            self.append("handler")
            return ctx.stream(self.body)

        return handler

    async def body(self) -> Any:
        self.append("body")
        yield "x"


# M1, M3
@on_each_host
async def test_the_order(fetch: Any) -> None:
    log = Log()
    app = (
        endpoint(
            setup=[log.step("setup 1"), log.step("setup 2")],
            teardown=[log.step("teardown 1"), log.step("teardown 2")],
            validate=[log.step("validate")],
        )
        .guard(log.step("guard 1"), log.step("guard 2", True))
        .use(log.middleware("use 1"))
        .use(log.middleware("use 2"))
        .wrap(log.wrap, "wrap 1")
        .wrap(log.wrap, name="wrap 2")
        .get(log.handler())
    )
    assert (await fetch(app)).body == b"x"
    assert log == [
        *("wrap 1 in", "wrap 2 in", "use 1 in", "use 2 in"),
        *("validate", "guard 1", "guard 2", "setup 1", "setup 2", "handler"),
        *("use 2 out", "use 1 out", "body", "teardown 2", "teardown 1"),
        *("use 2 finish", "use 1 finish"),
    ]


# --- what stops. M2, M4, M5

STOPPED: dict[str, tuple[Any, int]] = {
    "guard False": (endpoint().guard(lambda ctx: False), 403),
    "guard False, own status": (endpoint().guard(lambda ctx: False, status=404), 404),
    "guard raises 401": (endpoint().guard(Log().step("", HttpError(401))), 401),
    "guard answers": (endpoint().guard(lambda ctx: Response("no", 402)), 402),
    "async guard": (endpoint().guard(lambda ctx: asyncio.sleep(0, False)), 403),
    "a list of guards": (endpoint().guard([lambda ctx: True, lambda ctx: False]), 403),
    "the second guard": (endpoint().guard(lambda ctx: None).guard(lambda ctx: False), 403),
    "guard raises what it should not": (endpoint().guard(lambda ctx: 1 // 0), 500),
    "guard says something else": (endpoint().guard(lambda ctx: "no"), 500),
    "validate False": (endpoint(validate=lambda ctx: False), 400),
    "validate, a list": (endpoint(validate=[lambda ctx: True, lambda ctx: False]), 400),
    "validate raises": (endpoint(validate=Log().step("", HttpError(422))), 422),
    "unavailable": (endpoint(unavailable=True), 503),
    "setup raises 503": (endpoint(setup=Log().step("", HttpError(503))), 503),
    "setup fails": (endpoint(setup=lambda: 1 // 0), 500),
    "middleware raises 401": (endpoint().use(Log().middleware("")), 0),
}


async def refuse(ctx: Any, call_next: Any) -> Any:
    raise HttpError(401)


STOPPED["middleware raises 401"] = (endpoint().use(refuse), 401)


# M2, M4, M5: on a streaming route, with its own status
@on_each_host
@pytest.mark.parametrize(("builder", "status"), STOPPED.values(), ids=STOPPED)
async def test_what_stops_a_request_keeps_its_status(fetch: Any, builder: Any, status: int) -> None:
    log = Log()
    reply = await fetch(builder.get(log.handler()))
    assert reply.status == status
    assert log == []
    if status != 402:
        assert reply.problem["status"] == status


# M2
@pytest.mark.parametrize("verdict", [None, True])
async def test_what_lets_on(verdict: Any) -> None:
    assert (await fetch(endpoint().guard(lambda ctx: verdict).get(lambda ctx: "on"))).body == b"on"


# M5: and runs nothing else
@pytest.mark.parametrize(
    ("value", "status"),
    [("1", 503), ("true", 503), ("yes", 503), ("", 200), ("0", 200), ("False", 200), ("off", 200)],
)
async def test_the_whole_project_switched_off(
    value: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJECT_UNAVAILABLE", value)
    log = Log()
    app = endpoint(validate=log.step("validate"), setup=log.step("setup")).get(log.handler())
    assert (await fetch(app)).status == status
    assert bool(log) is (status == 200)


async def test_what_a_guard_set_on_the_head_goes_with_its_answer() -> None:
    def guard(ctx: Any) -> Any:
        ctx.head.set_cookie("seen", "1")
        return Response("no", 402)

    reply = await fetch(endpoint().guard(guard).get(lambda ctx: "on"))
    assert (reply.status, reply.headers["set-cookie"].partition(";")[0]) == (402, "seen=1")


# --- tear-down. M3


# M3: once set-up has begun
@on_each_host
@pytest.mark.parametrize("place", ["setup", "handler", "body", "first item"])
async def test_tear_down_runs_after_any_failure(fetch: Any, place: str) -> None:
    log = Log()

    def fail(here: str) -> None:
        if here == place:
            raise HttpError(409)

    async def body():
        fail("first item")
        yield "x"
        fail("body")

    def handler(ctx):
        fail("handler")
        return body()

    app = endpoint(
        setup=[log.step("setup 1"), lambda: fail("setup")],
        teardown=[log.step("teardown 1"), log.step("teardown 2")],
    ).get(handler)
    reply = await fetch(app)
    assert reply.status == (200 if place == "body" else 409)
    assert log == ["setup 1", "teardown 2", "teardown 1"]


# M3: each item, even if an earlier one raised; logged, and the response is what it was
@on_each_host
async def test_a_tear_down_that_fails(fetch: Any, caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    steps = [log.step("first"), log.step("second", ValueError("broken")), log.step("third")]
    reply = await fetch(endpoint(teardown=steps).get(log.handler()))
    assert (reply.status, reply.body) == (200, b"x")
    assert log == ["handler", "body", "third", "second", "first"]
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "broken"


# M3: not when nothing was set up
async def test_no_tear_down_when_a_guard_stops() -> None:
    log = Log()
    app = endpoint(teardown=log.step("teardown")).guard(lambda ctx: False).get(log.handler())
    assert (await fetch(app)).status == 403
    assert log == []


# M3, F4
async def test_tear_down_runs_when_the_reader_leaves() -> None:
    log = Log()

    async def silent():
        try:
            yield "x"
            await asyncio.Event().wait()
        finally:
            log.append("closed")

    app = endpoint(teardown=log.step("teardown")).get(lambda ctx: ctx.stream(silent))
    async with open_stream(app) as stream:
        await stream.next_event()
        await stream.disconnect()
        assert log == ["closed", "teardown"]


# M3: a step may be async, and may take the context or nothing
@on_each_host
async def test_steps_of_each_shape(fetch: Any) -> None:
    seen: list[Any] = []

    async def with_context(ctx: Any) -> None:
        await asyncio.sleep(0)
        seen.append(ctx.path)

    def without() -> None:
        seen.append("nothing")

    class Step:
        def __call__(self, ctx: Any) -> None:
            seen.append(ctx.method)

    app = endpoint(setup=[with_context, without, Step()], teardown=without)(lambda ctx: "x")
    await fetch(app, "/p")
    assert seen == ["/p", "nothing", "GET", "nothing"]


# M3: a response that is sent instead does not cost the first one its tear-down
@on_each_host
@pytest.mark.parametrize("raises", [False, True])
async def test_a_response_that_is_replaced_is_torn_down(fetch: Any, raises: bool) -> None:
    log = Log()

    async def instead(ctx: Any, call_next: Any) -> Any:
        response = await call_next(ctx)
        response.on_finish(lambda ending: log.append(str(ending)))
        if raises:
            raise HttpError(418)
        return Response("other", 418)

    app = endpoint(teardown=log.step("teardown")).use(instead).get(log.handler())
    assert (await fetch(app)).status == 418
    assert log == ["handler", "teardown", Ending.CLOSED]


# --- middleware. M1

ENDINGS: dict[str, tuple[Any, Ending]] = {
    "completed": (lambda: ["x"], Ending.COMPLETED),
    "error": (lambda: (1 // n for n in (1, 0)), Ending.ERROR),
    "error before the commit": (lambda: (1 // n for n in (0,)), Ending.ERROR),
}


# M1
@on_each_host
@pytest.mark.parametrize(("source", "ending"), ENDINGS.values(), ids=ENDINGS)
async def test_on_finish_gets_the_ending(fetch: Any, source: Any, ending: Ending) -> None:
    seen: list[Ending] = []

    async def watch(ctx: Any, call_next: Any) -> Any:
        response = await call_next(ctx)
        response.on_finish(seen.append)
        return response

    await fetch(endpoint().use(watch).get(lambda ctx: ctx.stream(source, "ndjson")))
    assert seen == [ending]


# M1: entered in the producer's task before the first item, left after the last byte
@on_each_host
async def test_around_surrounds_the_body_in_its_task(fetch: Any) -> None:
    log: list[Any] = []

    @asynccontextmanager
    async def span():
        log.append(("in", asyncio.current_task()))
        user.set("ada")
        yield
        log.append(("out", asyncio.current_task()))

    async def traced(ctx: Any, call_next: Any) -> Any:
        response = await call_next(ctx)
        response.around(span())
        return response

    async def body():
        log.append((user.get(), asyncio.current_task()))
        yield "x"

    app = endpoint().use(traced).get(lambda ctx: ctx.stream(body))
    assert (await fetch(app)).body == b"x"
    assert [name for name, _ in log] == ["in", "ada", "out"]
    assert len({task for _, task in log}) == 1


# M1: the variables as of the handler's call, also when the middleware resets its own
@on_each_host
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_what_middleware_sets_is_seen_by_the_producer(fetch: Any, kind: str) -> None:
    async def sign_in(ctx: Any, call_next: Any) -> Any:
        token = user.set("ada")
        try:
            return await call_next(ctx)
        finally:
            user.reset(token)

    async def generator(ctx):
        yield user.get()
        await asyncio.sleep(0)
        yield user.get()

    def sync_generator(ctx):
        yield user.get()
        yield user.get()

    handler = generator if kind == "async" else sync_generator
    app = endpoint(format="text").use(sign_in).get(handler)
    assert (await fetch(app)).body == b"adaada"


# M1: raises instead of hanging
async def test_awaiting_the_finish_inside_a_middleware_raises() -> None:
    caught: list[StreamError] = []

    async def wait(ctx: Any, call_next: Any) -> Any:
        response = await call_next(ctx)
        try:
            await response.finished()
        except StreamError as error:
            caught.append(error)
        return response

    assert (await fetch(endpoint().use(wait).get(lambda ctx: "x"))).body == b"x"
    assert "on_finish" in str(caught[0])


async def test_a_middleware_may_answer_by_itself() -> None:
    log = Log()

    async def cached(ctx: Any, call_next: Any) -> Any:
        return Response("cached")

    app = endpoint().use(cached).get(log.handler())
    assert (await fetch(app)).body == b"cached"
    assert log == []


async def test_a_middleware_that_forgets_its_response(caplog: pytest.LogCaptureFixture) -> None:
    async def forgets(ctx: Any, call_next: Any) -> Any:
        await call_next(ctx)

    reply = await fetch(endpoint().use(forgets).get(lambda ctx: "x"))
    assert reply.status == 500
    assert "forgets" in caplog.text
    assert "must return the Response" in caplog.text


# M1, M4: an error is a response by the time middleware sees it
async def test_a_middleware_sees_an_error_as_its_response() -> None:
    seen: list[int] = []

    async def watch(ctx: Any, call_next: Any) -> Any:
        response = await call_next(ctx)
        seen.append(response.status)
        response.head.headers["x-seen"] = "yes"
        return response

    app = endpoint().use(watch).guard(lambda ctx: False).get(lambda ctx: "x")
    reply = await fetch(app)
    assert (reply.status, reply.headers["x-seen"], seen) == (403, "yes", [403])


# a chain is a value: adding to it makes another
async def test_a_builder_is_not_changed_by_what_is_added() -> None:
    plain = endpoint()
    open_app = plain.get(lambda ctx: "x")
    closed_app = plain.guard(lambda ctx: False).get(lambda ctx: "x")
    also_closed = open_app.guard(lambda ctx: False)
    statuses = [(await fetch(app)).status for app in (open_app, closed_app, also_closed)]
    assert statuses == [200, 403, 403]


async def test_tear_down_comes_before_what_the_handler_wants_to_hear() -> None:
    # M3: body, tear-down, on_finish
    log = Log()

    def handler(ctx: Any) -> Any:
        response = ctx.stream(["x"])
        response.on_finish(lambda ending: log.append("finish"))
        return response

    await fetch(endpoint(teardown=[log.step("one"), log.step("two")]).get(handler))
    assert log == ["two", "one", "finish"]


async def test_a_client_that_leaves_in_the_middle_of_its_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # F4: nothing is logged as an error
    read: list[str] = []

    async def handler(ctx: Any) -> Any:
        read.append("reading")
        return await ctx.json()

    messages = iter(({"type": "http.request", "body": b"{", "more_body": True},))

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        assert message["type"].startswith("http.response.")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await endpoint().post(handler)(scope, receive, send)
    assert read == ["reading"]
    assert not caplog.records
