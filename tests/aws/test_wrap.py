"""An endpoint on Lambda, under the ASGI middleware it may be wrapped in."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from penstock import Context, HttpError, access_log, endpoint
from tests.aws.support.local import call, function_url
from tests.aws.support.runtime_api import RuntimeApi

ORIGIN = {"origin": "https://a.example"}
BODY = b"data: 0\n\ndata: 1\n\nevent: done\nid: ~end\ndata: \n\n"


def made(*wraps: Any, **options: Any) -> Any:
    builder = endpoint(format="sse")
    for middleware in wraps:
        builder = builder.wrap(middleware, **options)

    async def ticks(ctx: Context) -> AsyncIterator[int]:
        if "session" in ctx.scope:
            ctx.scope["session"]["n"] = 1
        yield 0
        yield 1

    return builder(ticks).aws_lambda


async def pass_on(request: Any, call_next: Any) -> Any:
    return await call_next(request)


def otel(app: Any) -> Any:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(app)


WRAPS: dict[str, Any] = {
    "nothing": made(),
    "CORS": made(CORSMiddleware, allow_origins=["*"]),
    "sessions": made(SessionMiddleware, secret_key="k"),
    "gzip": made(GZipMiddleware, minimum_size=1),
    "trusted host": made(TrustedHostMiddleware, allowed_hosts=["*.on.aws"]),
    "BaseHTTPMiddleware": made(BaseHTTPMiddleware, dispatch=pass_on),
    "OpenTelemetry": made(otel),
    "Sentry": made(SentryAsgiMiddleware),
}


@pytest.mark.parametrize("handler", WRAPS.values(), ids=WRAPS)
def test_a_stream_stays_a_stream(api: RuntimeApi, handler: Any) -> None:
    # M8
    event = function_url(headers={**ORIGIN, "accept-encoding": "gzip"})
    outcome = call(api, handler, event)
    assert outcome.error is None
    assert outcome.http_body == BODY
    assert outcome.prelude["headers"]["content-type"] == "text/event-stream"
    if handler is WRAPS["CORS"]:
        assert outcome.prelude["headers"]["access-control-allow-origin"] == "*"
    if handler is WRAPS["sessions"]:
        assert outcome.prelude["cookies"][0].startswith("session=")


def test_preflight_foreign_hosts_and_compressed_json(api: RuntimeApi) -> None:
    # M8, H8
    preflight = function_url(
        method="OPTIONS", headers={**ORIGIN, "access-control-request-method": "GET"}
    )
    assert call(api, WRAPS["CORS"], preflight).prelude["statusCode"] == 200
    strange = function_url(headers={"host": "evil.example"})
    assert call(api, WRAPS["trusted host"], strange).prelude["statusCode"] == 400
    big = endpoint().wrap(GZipMiddleware, minimum_size=1).get(lambda ctx: {"n": "x" * 999})
    outcome = call(api, big.aws_lambda, function_url(headers={"accept-encoding": "gzip"}))
    assert outcome.prelude["headers"]["content-encoding"] == "gzip"
    assert gzip.decompress(outcome.http_body).startswith(b'{"n":"xxx')


def test_methods_guards_and_the_end(api: RuntimeApi) -> None:
    # H8, M4, F12
    handler = WRAPS["nothing"]
    wrong = call(api, handler, function_url(method="DELETE"))
    assert (wrong.prelude["statusCode"], wrong.prelude["headers"]["allow"]) == (
        405,
        "GET, POST, HEAD, OPTIONS",
    )
    assert call(api, handler, function_url(method="OPTIONS")).prelude["statusCode"] == 204
    again = function_url(headers={"last-event-id": "~end"})
    assert call(api, handler, again).prelude["statusCode"] == 204

    def refuse(ctx: Context) -> None:
        raise HttpError(401, headers={"WWW-Authenticate": "Bearer"})

    guarded = endpoint(unavailable=False).guard(refuse)(lambda ctx: "secret")
    refused = call(api, guarded.aws_lambda, function_url()).prelude
    assert (refused["statusCode"], refused["headers"]["www-authenticate"]) == (401, "Bearer")
    gone = endpoint(unavailable=True)(lambda ctx: "x").aws_lambda
    assert call(api, gone, function_url()).prelude["statusCode"] == 503


def test_tear_down_and_the_access_log_come_after_the_last_byte(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    # M1, M3, M8
    order: list[str] = []

    async def ticks(ctx: Context) -> AsyncIterator[int]:
        order.append("body")
        yield 0

    handler = (
        endpoint(setup=lambda: order.append("setup"), teardown=lambda: order.append("teardown"))
        .use(access_log())
        .get(ticks)
    )
    caplog.set_level("INFO")
    outcome = call(api, handler.aws_lambda, function_url("/ticks"))
    assert order == ["setup", "body", "teardown"]
    line = caplog.records[-1]
    assert line.getMessage().startswith("GET /ticks 200 ending=completed")
    assert line.request_id == outcome.call.id  # type: ignore[attr-defined]  # extra=


def test_throw_fails_the_invocation(api: RuntimeApi) -> None:
    # E5, L7b, L7d
    @endpoint(throw=True)
    async def before(ctx: Context) -> AsyncIterator[int]:
        raise ValueError("before")
        yield

    @endpoint(throw=True)
    async def after(ctx: Context) -> AsyncIterator[int]:
        yield 0
        raise ValueError("after")

    outcome = call(api, before.aws_lambda, function_url())
    assert (str(outcome.error), outcome.answered) == ("before", False)
    outcome = call(api, after.aws_lambda, function_url())
    assert (str(outcome.error), outcome.answered) == ("after", True)
    assert outcome.error_body["errorMessage"] == "after"
