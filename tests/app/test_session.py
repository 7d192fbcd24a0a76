"""Sessions over bare ASGI and in frameworks: the block's life, and responses that carry one."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Route

from penstock import (
    Channel,
    Ending,
    HttpError,
    Session,
    UsageError,
    create_response,
    create_session,
    endpoint,
)
from penstock.testing import FakeClock, open_stream
from penstock.types import Receive, Scope, Send
from tests.app.calls import fetch_wsgi

room: Channel[Any] = Channel("room")


class Bare:
    """An ASGI app whose block does what a test says, and notes how it was left."""

    def __init__(self, block: Any, **options: Any) -> None:
        self.block, self.options = block, options
        self.seen: list[str] = []
        self.sessions: list[Session[Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with create_session(scope, receive, send, **self.options) as session:
            self.sessions.append(session)
            try:
                await self.block(session)
                self.seen.append("returned")
            except BaseException as exc:
                self.seen.append(type(exc).__name__)
                raise
        self.seen.append("after")


async def test_the_block_is_the_sessions_life() -> None:
    # S2, E0, W7
    async def block(session: Session[Any]) -> None:
        assert session.is_connected
        assert session.request.path == "/x"
        await session.push({"hello": session.state}, "welcome")

    app = Bare(block, state="ada", retry=3000)
    async with open_stream(app, "/x") as stream:
        await stream.read()
        assert stream.body == b': open\nretry: 3000\nevent: welcome\ndata: {"hello":"ada"}\n\n'
        assert stream.ended == "complete"
    assert app.seen == ["returned", "after"]
    assert app.sessions[0].ending == Ending.CLOSED


async def test_a_block_that_waits_is_told_that_the_reader_left() -> None:
    # S2, F4
    async def block(session: Session[Any]) -> None:
        assert await session.wait_closed() == Ending.DISCONNECTED

    app = Bare(block)
    async with open_stream(app) as stream:
        await stream.disconnect()
    assert app.seen == ["returned", "after"]


async def test_a_block_that_works_is_cancelled_when_the_reader_leaves() -> None:
    # F4: as a producer is, and nothing is logged
    async def block(session: Session[Any]) -> None:
        await session.push("x")
        await asyncio.Event().wait()

    app = Bare(block)
    async with open_stream(app) as stream:
        await stream.next_event()
        await stream.disconnect()
    assert app.seen == ["CancelledError", "after"]


async def test_a_write_after_the_reader_left_ends_the_block_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # F6, F4
    async def block(session: Session[Any]) -> None:
        await session.wait_closed()
        session.push("late")

    app = Bare(block)
    async with open_stream(app) as stream:
        await stream.disconnect()
    assert app.seen == ["StreamClosed", "after"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("secret"), 500), (HttpError(409, detail="taken"), 409)]
)
async def test_an_error_in_the_block_is_told_once(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    # E2, E6
    async def block(session: Session[Any]) -> None:
        session.push("before")
        raise error

    async with open_stream(Bare(block)) as stream:
        await stream.read()
        assert stream.error["errors"][0]["status"] == status
        assert b"secret" not in stream.body
        assert stream.ended == "complete"
    assert len(caplog.records) == (1 if status == 500 else 0)


async def test_throw_gives_the_hosts_its_error() -> None:
    # E5
    async def block(session: Session[Any]) -> None:
        raise ValueError("seen by the host")

    async with open_stream(Bare(block, throw=True)) as stream:
        await stream.returned()
        assert isinstance(stream.app_error, ValueError)


async def test_shutdown_and_a_cancellation_from_outside() -> None:
    # F8
    async def block(session: Session[Any]) -> None:
        await asyncio.Event().wait()

    app = Bare(block)
    async with open_stream(app) as stream:
        await stream.shut_down()
        await stream.returned()
        assert stream.comments[-1] == "shutdown"
    assert app.seen == ["CancelledError", "after"]
    async with open_stream(app) as stream:
        await stream.cancel()
        assert stream.comments[-1] == "shutdown"
    assert app.sessions[1].ending == Ending.SHUTDOWN


async def test_a_reader_already_gone(caplog: pytest.LogCaptureFixture) -> None:
    # F5
    caplog.set_level(logging.WARNING)

    async def block(session: Session[Any]) -> None:
        assert not session.is_open
        room.register(session)

    app = Bare(block)
    async with open_stream(app, gone=True):
        pass
    assert app.seen == ["StreamClosed", "after"]
    assert not caplog.records


async def test_under_a_timeout_of_the_users_own() -> None:
    # the block's cancellation and another's are told apart
    async def block(session: Session[Any]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        await session.push("went on")

    async with open_stream(Bare(block)) as stream:
        assert (await stream.next_event()).data == "went on"


# --- frameworks


async def greet(session: Session[Any]) -> None:
    await session.push("hi", "greeting")


def callback_view(request: Request) -> Any:
    return create_response(request, greet, state="ada", headers={"x-a": "1"})


def session_view(request: Request) -> Any:
    session = create_session(request, state="ada")
    session.push("hi", "greeting")
    session.close()
    session.response.headers["x-a"] = "1"
    return session.response


async def in_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    await create_response(scope, greet, headers={"x-a": "1"})(scope, receive, send)


def fastapi_app(view: Any) -> Any:
    app = FastAPI()
    app.add_api_route("/", view)
    return app


def starlette_app(view: Any) -> Any:
    return Starlette(routes=[Route("/", view)])


async def passes(request: Any, call_next: Any) -> Any:
    return await call_next(request)


APPS: dict[str, Any] = {
    "FastAPI, callback": fastapi_app(callback_view),
    "FastAPI, session": fastapi_app(session_view),
    "Starlette, callback": starlette_app(callback_view),
    "Starlette, session": starlette_app(session_view),
    "Starlette, middleware": BaseHTTPMiddleware(starlette_app(callback_view), passes),
    "endpoint, callback": endpoint(lambda ctx: create_response(ctx, greet, headers={"x-a": "1"})),
    "endpoint, ctx": endpoint(lambda ctx: ctx.session(greet, headers={"x-a": "1"})),
    "bare ASGI": in_asgi,
}


@pytest.mark.parametrize("app", APPS.values(), ids=APPS)
async def test_in_each_framework(app: Any) -> None:
    # S2
    async with open_stream(app) as stream:
        await stream.read()
        assert stream.status == 200
        assert stream.headers["x-a"] == "1"
        assert stream.content_type == "text/event-stream"
        assert [(event.event, event.data) for event in stream.events] == [("greeting", "hi")]
        assert stream.ended == "complete"


@pytest.mark.parametrize("make", [fastapi_app, starlette_app])
async def test_registered_it_outlives_the_callback(make: Any) -> None:
    # S2, F7
    def view(request: Request) -> Any:
        return create_response(request, room.register)

    async with open_stream(make(view)) as stream:
        await stream.wait_for(lambda: room.session_count == 1)
        await room.broadcast("x")
        assert (await stream.next_event()).data == "x"
        await stream.disconnect()
    assert room.session_count == 0


async def test_options_of_the_endpoint_hold_for_its_sessions() -> None:
    # S2, F3
    clock = FakeClock()

    @endpoint(retry=500, keep_alive=3, headers={"x-a": "1", "x-b": "1"})
    def app(ctx: Any) -> Any:
        return ctx.session(lambda session: session.wait_closed(), headers={"x-a": "2"})

    async with open_stream(app, clock=clock) as stream:
        assert [stream.headers["x-a"], stream.headers["x-b"]] == ["2", "1"]
        await clock.advance(3)
        await stream.wait_for(lambda: stream.comments == ["open", "keep-alive"])
        assert b"retry: 500\n" in stream.body


async def test_guards_come_first_and_head_has_no_body() -> None:
    # M4, H6
    called: list[Any] = []

    def deny(ctx: Any) -> None:
        raise HttpError(401)

    guarded = endpoint().guard(deny).get(lambda ctx: ctx.session(called.append))
    async with open_stream(guarded) as stream:
        assert stream.status == 401
    plain = endpoint().get(lambda ctx: ctx.session(called.append))
    async with open_stream(plain, method="HEAD") as stream:
        assert stream.status == 200
        assert await stream.read() == b""
    assert not called


async def test_on_wsgi_too() -> None:
    # S2: the session lives on penstock's own loop
    app = endpoint(lambda ctx: ctx.session(greet))
    reply = await fetch_wsgi(app)
    assert [(name, data) for name, data, _ in reply.events] == [("greeting", "hi")]


@pytest.mark.parametrize("request_", [None, "x", {"type": "websocket"}, object()])
def test_what_is_no_request(request_: Any) -> None:
    with pytest.raises(UsageError):
        create_response(request_, greet)
    with pytest.raises(UsageError):
        create_session(request_)


def test_a_scope_without_its_channels() -> None:
    async def receive() -> Any: ...

    with pytest.raises(UsageError, match="receive and send"):
        create_session({"type": "http"}, receive)  # type: ignore[call-overload]  # it is refused


async def test_awaited_as_in_other_languages_it_says_what_to_write() -> None:
    async def nothing(*message: Any) -> Any: ...

    with pytest.raises(UsageError, match="async with create_session"):
        await create_session({"type": "http", "headers": []}, nothing, nothing)


def test_registering_from_a_thread_says_where_to() -> None:
    session = create_session({"type": "http", "method": "GET", "path": "/", "headers": []})
    with pytest.raises(UsageError, match="async def"):
        room.register(session)


async def test_a_session_that_is_never_answered_with_is_let_go() -> None:
    # S3: a handler that fails after it has registered leaves nothing behind

    @endpoint
    def app(ctx: Any) -> Any:
        room.register(ctx.session())
        raise HttpError(409)

    async with open_stream(app) as stream:
        assert stream.status == 409
    assert room.session_count == 0


async def test_a_session_closed_before_it_is_connected_is_let_go() -> None:
    # S3, F6
    session = create_session({"type": "http", "method": "GET", "path": "/", "headers": []})
    room.register(session)
    session.close()
    assert room.session_count == 0
