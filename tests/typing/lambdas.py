"""What type checkers make of Lambda handlers: see ``public_api.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any, assert_type

from penstock import Context, Ending, Endpoint, Response, Stream, endpoint
from penstock.app.plan import CallNext
from penstock.aws import (
    FunctionUrlEvent,
    HttpResponseStream,
    LambdaContext,
    LambdaHandler,
    ResponseStream,
    StreamFormat,
    StreamifyHandler,
    asgi_handler,
    create_lambda_stream,
    invoke_stream,
    load_secrets,
    stream_handler,
    streamify_response,
)


@streamify_response
async def hello(
    event: FunctionUrlEvent, response_stream: ResponseStream, context: LambdaContext
) -> None:
    """The Node.js runtime's contract."""
    metadata = {"statusCode": 200, "headers": {"a": "b"}}
    assert_type(HttpResponseStream.from_(response_stream, metadata), ResponseStream)
    assert_type(response_stream.write("x"), Awaitable[None])
    assert_type(context.get_remaining_time_in_millis(), int)
    await Stream([1]).to_lambda(response_stream)
    await create_lambda_stream([1], context.response_stream, format="ndjson")


assert_type(hello, LambdaHandler[FunctionUrlEvent])
contract: StreamifyHandler[FunctionUrlEvent] = hello.__wrapped__


@stream_handler
async def bare(event: dict[str, int], context: LambdaContext) -> AsyncIterator[int]:
    """Yields."""
    yield event["n"]


assert_type(bare, LambdaHandler[dict[str, int]])
bare({"n": 1}, None)
bare({"n": "1"}, None)  # type: ignore[dict-item]  # the handler says what its event is


async def middleware(ctx: Context, call_next: CallNext) -> Response:
    """Sees the event."""
    assert_type(ctx.event, Any)
    return await call_next(ctx)


name: StreamFormat = "ndjson"


@stream_handler(
    format=name, name="worker", secrets=["API_KEY"], throw=False, middleware=[middleware]
)
async def worker(event: Any, context: LambdaContext) -> AsyncIterator[int]:
    """With options."""
    yield 1


stream_handler(forms="sse")  # type: ignore[call-overload]  # no such option


@endpoint(secrets=["API_KEY"])
async def ticks(ctx: Context) -> AsyncIterator[int]:
    """An endpoint on Lambda."""
    yield 1


assert_type(ticks, Endpoint)
handler = ticks.aws_lambda
asgi_handler(ticks, invoke_mode="stream", deadline_margin=1.0, lifespan="off")
asgi_handler(ticks, invoke_mode="sometimes")  # type: ignore[arg-type]  # no such mode


async def others(stream: ResponseStream) -> None:
    """The rest."""
    assert_type(await load_secrets(["A"]), dict[str, str])
    assert_type(next(invoke_stream("f")), bytes)
    assert_type(await Stream([1]).to_lambda(stream), Ending)
