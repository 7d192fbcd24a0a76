"""Any ASGI middleware around an endpoint, on each host: a stream stays a stream. Covers M8."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from penstock import Context, Endpoint, Event, HttpError, NdjsonDecoder, SseDecoder, endpoint
from penstock.testing import open_stream

from .calls import fetch, hosts, open_wsgi

on_each_host = pytest.mark.parametrize("fetch", hosts.values(), ids=hosts)


class PassOn(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


def traced(app: Any) -> Any:
    return OpenTelemetryMiddleware(app, tracer_provider=TracerProvider())


WRAPS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "CORS": (CORSMiddleware, {"allow_origins": ["*"]}),
    "sessions": (SessionMiddleware, {"secret_key": "s"}),
    "GZip": (GZipMiddleware, {"minimum_size": 1}),
    "trusted host": (TrustedHostMiddleware, {"allowed_hosts": ["testserver"]}),
    "BaseHTTP": (PassOn, {}),
    "OpenTelemetry": (traced, {}),
    "Sentry": (SentryAsgiMiddleware, {}),
}
under_each = pytest.mark.parametrize(("wrap", "options"), WRAPS.values(), ids=WRAPS)
GZIP = {"Accept-Encoding": "gzip"}
UNPACKED = (None, "identity")


class Gated:
    """An endless stream whose next item comes only when the test lets it."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(1)
        self.log: list[str] = []

    async def __call__(self, ctx: Context) -> Any:
        try:
            for n in range(1000):
                for _ in range(5000):  # 5 s at most: a stream that is held back must fail, not hang
                    if self.gate.acquire(blocking=False):
                        break
                    await asyncio.sleep(0.001)
                else:
                    raise TimeoutError("nobody has read the item before this one")
                yield Event({"n": n})
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            self.log.append("cleaned up")


# M8, F2: events arrive one by one; M8, F4: a reader that leaves stops the producer
@under_each
@pytest.mark.parametrize("format", ["sse", "ndjson"])
async def test_events_arrive_one_by_one(
    wrap: Callable[..., Any], options: dict[str, Any], format: str
) -> None:
    source = Gated()
    app = endpoint(format=format).wrap(wrap, **options).get(source)
    async with open_stream(app, headers=GZIP) as stream:
        assert stream.headers.get("content-encoding") in UNPACKED
        for n in range(3):
            event = await stream.next_event()
            assert (event if format == "ndjson" else event.json()) == {"n": n}
            source.gate.release()
        await stream.disconnect()
        assert source.log == ["cancelled", "cleaned up"]
        assert stream.app_error is None


# M8 on WSGI: .wrap() keeps .wsgi
@under_each
@pytest.mark.parametrize("format", ["sse", "ndjson"])
def test_events_arrive_one_by_one_on_wsgi(
    wrap: Callable[..., Any], options: dict[str, Any], format: str
) -> None:
    source = Gated()
    app = endpoint(format=format).wrap(wrap, **options).get(source)
    decoder = SseDecoder() if format == "sse" else NdjsonDecoder()
    with open_wsgi(app.wsgi, headers=GZIP) as (status, headers, chunks):
        assert status == 200
        assert headers.get("content-encoding") in UNPACKED
        for n in range(3):
            (event,) = next_events(decoder, chunks)
            assert (event if format == "ndjson" else event.json()) == {"n": n}
            source.gate.release()
    # close() is a departure, which WSGI knows no other word for
    assert source.log == ["cancelled", "cleaned up"]


def next_events(decoder: Any, chunks: Iterator[bytes]) -> list[Any]:
    while not (events := decoder.feed(next(chunks))):
        pass  # a chunk of comments
    return list(events)


# M8, E1, E2: an error keeps its status, or its event, under each
@under_each
@on_each_host
@pytest.mark.parametrize("items", [0, 1])
async def test_errors_are_what_they_were(
    wrap: Callable[..., Any], options: dict[str, Any], fetch: Any, items: int
) -> None:
    async def failing(ctx: Context) -> Any:
        for n in range(items):
            yield n
        raise HttpError(409, detail="busy")

    reply = await fetch(endpoint().wrap(wrap, **options).get(failing))
    assert reply.status == (200 if items else 409)
    assert reply.is_complete
    if items:
        assert [name for name, _, _ in reply.events] == ["message", "error"]
    else:
        assert reply.problem["detail"] == "busy"


# F5, F4 under each: BaseHTTPMiddleware tells of the departure some turns later than the one poll
# before the first step; what has started by then is stopped.
@under_each
async def test_a_request_already_gone(wrap: Callable[..., Any], options: dict[str, Any]) -> None:
    log: list[str] = []

    async def handler(ctx: Context) -> Any:
        log.append("started")
        try:
            await asyncio.Event().wait()
            yield "x"
        finally:
            log.append("stopped")

    app = endpoint().wrap(wrap, **options).get(handler)
    async with open_stream(app, gone=True) as stream:
        await stream.returned()
    assert log == ([] if wrap is not PassOn else ["started", "stopped"])


# --- each does what it is for


@on_each_host
async def test_cors(fetch: Any) -> None:
    app = endpoint().wrap(CORSMiddleware, allow_origins=["https://a.example"]).get(lambda ctx: "x")
    origin = {"Origin": "https://a.example"}
    reply = await fetch(app, headers=origin)
    assert reply.headers["access-control-allow-origin"] == "https://a.example"
    preflight = await fetch(
        app, method="OPTIONS", headers={**origin, "Access-Control-Request-Method": "GET"}
    )
    assert preflight.status == 200
    assert "GET" in preflight.headers["access-control-allow-methods"]


@on_each_host
async def test_sessions(fetch: Any) -> None:
    async def visits(ctx: Context) -> Any:
        session = ctx.scope["session"]
        session["n"] = session.get("n", 0) + 1
        yield session["n"]

    app = endpoint(format="ndjson").wrap(SessionMiddleware, secret_key="s").get(visits)
    first = await fetch(app)
    cookie = first.headers["set-cookie"].partition(";")[0]
    second = await fetch(app, headers={"Cookie": cookie})
    assert (first.body, second.body) == (b"1\n", b"2\n")


@on_each_host
async def test_gzip_leaves_streams_alone_and_packs_the_rest(fetch: Any) -> None:
    builder = endpoint().wrap(GZipMiddleware, minimum_size=10)
    packed = await fetch(builder.get(lambda ctx: "x" * 1000), headers=GZIP)
    assert packed.headers["content-encoding"] == "gzip"
    stream = await fetch(builder.get(lambda ctx: ctx.sse(["x" * 1000])), headers=GZIP)
    assert stream.headers.get("content-encoding") in UNPACKED
    assert stream.events[0][1] == "x" * 1000


@on_each_host
async def test_trusted_host(fetch: Any) -> None:
    app = endpoint().wrap(TrustedHostMiddleware, allowed_hosts=["a.example"]).get(lambda ctx: "x")
    assert (await fetch(app)).status == 400


@on_each_host
async def test_base_http_middleware_may_add_headers(fetch: Any) -> None:
    class AddHeader(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-added"] = "yes"
            return response

    reply = await fetch(endpoint().wrap(AddHeader).get(lambda ctx: ctx.sse(["x"])))
    assert reply.headers["x-added"] == "yes"
    assert reply.events[0][1] == "x"


# M8: the span is open while the stream runs, and the producer's own spans are its children
@on_each_host
async def test_opentelemetry_spans_the_stream(fetch: Any) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")

    async def handler(ctx: Context) -> Any:
        with tracer.start_as_current_span("work"):
            yield "x"

    app = endpoint().wrap(OpenTelemetryMiddleware, tracer_provider=provider).get(handler)
    assert (await fetch(app)).status == 200
    spans = {span.name: span for span in exporter.get_finished_spans()}
    work, request = spans["work"], spans["GET /"]
    assert work.parent is not None
    assert request.context is not None
    assert work.parent.span_id == request.context.span_id
    assert request.end_time is not None
    assert work.end_time is not None
    assert request.end_time >= work.end_time


# M8, E5: what is thrown to the host reaches Sentry; what we answered does not
@pytest.mark.parametrize(("throw", "sent"), [(True, 1), (False, 0)])
async def test_sentry_sees_what_is_thrown(throw: bool, sent: int) -> None:
    events: list[Any] = []

    def keep(event: Any, hint: Any) -> None:
        events.append(event)

    client = sentry_sdk.Client(
        dsn="https://k@localhost/1", before_send=keep, default_integrations=False
    )
    app = endpoint(throw=throw).wrap(SentryAsgiMiddleware).get(lambda ctx: 1 // 0)
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        try:
            await fetch(app)
        except ZeroDivisionError:
            assert throw
    client.close(timeout=0)
    assert [event["exception"]["values"][0]["type"] for event in events] == [
        "ZeroDivisionError"
    ] * sent


# M8: several at once, the first given outermost; an endpoint in the middle of an app's own stack
@on_each_host
async def test_all_of_them_at_once(fetch: Any) -> None:
    builder: Any = endpoint(format="ndjson")
    for wrap, options in WRAPS.values():
        builder = builder.wrap(wrap, **options)
    app: Endpoint = builder.get(lambda ctx: ctx.stream([1, 2], "ndjson"))
    reply = await fetch(app)
    assert (reply.status, reply.body) == (200, b"1\n2\n")
