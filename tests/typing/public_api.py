"""What type checkers make of the public API: ``make lint`` has mypy and pyright read this file.

Nothing runs it. A line that must be refused carries mypy's code for that; mypy fails on a code
that was not needed, so these lines are tests too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Literal, assert_type

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from penstock import (
    Context,
    Emit,
    Ending,
    Endpoint,
    Event,
    Head,
    HttpError,
    NdjsonDecoder,
    Response,
    ServerSentEvent,
    Sse,
    SseDecoder,
    Stream,
    access_log,
    endpoint,
    format_ndjson,
    format_sse,
)
from penstock.app.endpoint import EndpointBuilder
from penstock.clock import Clock
from penstock.core.response import Streaming
from penstock.testing import FakeClock, OpenStream, open_stream
from penstock.types import ASGIApp
from penstock.wsgi import WsgiApp

# --- endpoints: bare, with options, of every kind of handler


@endpoint
async def bare(ctx: Context) -> AsyncIterator[Event]:
    yield Event({"i": 1}, event="tick")


@endpoint(format="sse", methods=("GET", "POST"), keep_alive=None, commit="start", retry=3000)
async def with_options(ctx: Context) -> AsyncIterator[dict[str, int]]:
    yield {"i": 1}


@endpoint(format=Sse(done=None), headers={"x-a": ["1", "2"], "x-b": None}, commit=1.5)
def sync_generator(ctx: Context) -> Iterator[str]:
    yield "x"


@endpoint
async def coroutine(ctx: Context) -> dict[str, Any]:
    return {"query": ctx.query.get("q"), "body": await ctx.json()}


def no_context() -> str:
    return "x"


assert_type(bare, Endpoint)
assert_type(with_options, Endpoint)
assert_type(sync_generator, Endpoint)
assert_type(coroutine, Endpoint)
assert_type(endpoint(), EndpointBuilder)
assert_type(bare.wsgi, WsgiApp)
app: ASGIApp = bare
mounted = Starlette(routes=[Mount("/ticks", bare)])

endpoint(keepalive=3)  # type: ignore[call-overload]  # no such option
endpoint(keep_alive="3")  # type: ignore[call-overload]  # a duration is a number
endpoint(commit="late")  # type: ignore[call-overload]  # "first", "start" or seconds
endpoint(retry="3000")  # type: ignore[call-overload]  # milliseconds, an int
endpoint(no_context)  # type: ignore[arg-type]  # a handler takes the context

# --- the chain keeps its type


async def timed(ctx: Context, call_next: Callable[[Context], Awaitable[Response]]) -> Response:
    response = await call_next(ctx)
    response.on_finish(lambda ending: print(assert_type(ending, Ending)))
    return response


async def signed_in(ctx: Context) -> bool | None:
    return ctx.cookies.get("user") is not None


async def produce(emit: Emit) -> None:
    await emit({"delta": "hi"})
    await emit("x", "token", 7, retry=100, comment="note")
    emit(event="done")  # enqueued at the call
    await emit("x", "token", "7", 100)  # type: ignore[call-arg]  # retry is keyword-only


chain = (
    endpoint(setup=[print], teardown=print, validate=[signed_in])
    .wrap(CORSMiddleware, allow_origins=["*"])
    .use(timed, access_log())
    .guard(signed_in, lambda ctx: Response("no", 401), status=401)
)
assert_type(chain, EndpointBuilder)
assert_type(chain.get(lambda ctx: ctx.sse(produce)), Endpoint)
assert_type(chain.get(lambda ctx: "x").post(lambda ctx: "y"), Endpoint)
assert_type(chain(lambda ctx: None), Endpoint)
chain.use(signed_in)  # type: ignore[arg-type]  # it has no call_next

# --- what a context gives


async def handler(ctx: Context) -> Response:
    assert_type(ctx.method, str)
    assert_type(ctx.query.getlist("a"), list[str])
    assert_type(ctx.headers.get("a"), str | None)
    assert_type(ctx.cookies, dict[str, str])
    assert_type(ctx.client, tuple[str, int] | None)
    assert_type(ctx.last_event_id, str)
    assert_type(ctx.head, Head)
    assert_type(await ctx.body(), bytes)
    ctx.head.status = 201
    ctx.head.status = "201"  # type: ignore[assignment]  # a number
    ctx.head.set_cookie("a", "1", max_age=60, samesite="lax")
    ctx.head.set_cookie("a", samesite="loose")  # type: ignore[arg-type]  # no such policy
    assert_type(ctx.sse(produce), Streaming)
    assert_type(ctx.sse(rows), Streaming)
    assert_type(ctx.stream(rows, content_type="text/csv"), Streaming)
    ctx.stream(rows, formt="ndjson")  # type: ignore[call-arg]  # no such option
    return ctx.stream(rows, "ndjson", timeout=60, scrub=None)


async def rows() -> AsyncIterator[str]:
    yield "a,b\n"


# --- responses and streams


async def responses(scope: Any, receive: Any, send: Any) -> None:
    response = Response({"a": 1}, 201, {"x-a": "1"}, content_type="application/json")
    assert_type(response.status, int)
    Response(rows())  # type: ignore[arg-type]  # that is a Stream
    stream = Stream(rows(), format="ndjson", keep_alive=5.0)
    assert_type(await stream.to_asgi(scope, receive, send), Ending)
    assert_type(await stream.to_bytes(), bytes)
    assert_type(stream.to_wsgi({}, lambda status, headers: None), Iterable[bytes])
    also: Response = stream
    Stream(3)  # type: ignore[arg-type]  # no source
    Stream(lambda: [1, 2])
    Stream([1, 2], clock=FakeClock())
    print(also)
    raise HttpError(503, detail="later", headers={"retry-after": "3"})


# --- the formats by themselves

assert_type(format_sse(Event({"a": 1}, event="tick", id="7", retry=1500)), bytes)
assert_type(format_ndjson({"a": 1}), bytes)
assert_type(SseDecoder().feed(b""), list[ServerSentEvent])
assert_type(NdjsonDecoder().feed(b""), list[Any])
assert_type(ServerSentEvent().retry, int | None)
Event("x", id=7)
Event("x", retry="3")  # type: ignore[arg-type]  # milliseconds, an int


# --- testing


async def testing() -> None:
    clock: Clock = FakeClock()
    async with open_stream(bare, "/ticks", params={"n": 3}, json={}, clock=clock) as stream:
        assert_type(stream, OpenStream)
        assert_type(stream.status, int)
        assert_type(stream.body, bytes)
        assert_type(stream.comments, list[str])
        assert_type(await stream.next_chunk(), bytes)
        event: ServerSentEvent = await stream.next_event()
        async for event in stream:
            print(event.data)
        assert_type(stream.ended, Literal["complete", "cut", "left"] | None)
        await stream.disconnect()
