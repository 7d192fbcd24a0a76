"""Systems 1 to 3 on Lambda: their handlers, in Python's shape."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from penstock.aws import (
    FunctionUrlEvent,
    HttpResponseStream,
    LambdaContext,
    ResponseStream,
    create_lambda_stream,
    stream_handler,
    streamify_response,
)
from penstock.chunk import Done, Text
from tests.seeds.sources import complete

__all__ = ("ask", "download", "hello", "raw_stream", "say", "status", "string", "work")


# --- system 1: a handler that writes its own events, and one that pipes a model


@stream_handler(format="sse", name="streamWorker", secrets=["API_KEY"])
async def work(event: Any, context: LambdaContext) -> None:
    """Three events, by hand."""
    stream = context.response_stream
    stream.write("event: start\ndata: {}\n\n")
    stream.write('event: data\ndata: {"count": 1}\n\n')
    stream.write(f"event: done\ndata: {os.environ.get('API_KEY', '')}\n\n")


@stream_handler(format="nljson")
async def ask(event: Mapping[str, str], context: LambdaContext) -> None:
    """A model's chunks, piped."""

    async def chunks() -> AsyncGenerator[Text | Done]:
        async for token in complete(event["prompt"]):
            yield Text(token)
        yield Done("stop")

    await create_lambda_stream(chunks(), context.response_stream)


# --- system 2: a body that is a stream, or a string; statuses


@stream_handler
def download(event: FunctionUrlEvent, context: LambdaContext) -> dict[str, Any]:
    """A stream as the body of an HTTP response."""
    headers = {"Content-Type": "text/csv"}
    return {"statusCode": 200, "headers": headers, "body": complete("id,email 1,ada")}


@stream_handler
async def string(event: FunctionUrlEvent, context: LambdaContext) -> dict[str, Any]:
    """A string as the body."""
    return {"statusCode": 200, "headers": {"Content-Type": "text/csv"}, "body": "id,email 1,ada "}


@stream_handler(format="text")
def raw_stream(event: Any, context: LambdaContext) -> AsyncGenerator[str]:
    """A stream by itself, for InvokeWithResponseStream."""
    return complete(event["prompt"])


@stream_handler
def status(event: Any, context: LambdaContext) -> dict[str, Any]:
    """A status that must not become 200."""
    return {"statusCode": 304}


# --- system 3: the runtime's contract, typed, and a model as plain text


@streamify_response
async def hello(
    event: FunctionUrlEvent, response_stream: ResponseStream, context: LambdaContext
) -> None:
    """Status and headers, then a type, then text."""
    metadata = {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "CustomHeader": "outerspace"},
    }
    response_stream = HttpResponseStream.from_(response_stream, metadata)
    response_stream.set_content_type("text/plain")
    await response_stream.write("Hello, world!")
    await response_stream.end()


@streamify_response
async def say(
    event: FunctionUrlEvent, response_stream: ResponseStream, context: LambdaContext
) -> None:
    """A model's text, as it comes."""
    response_stream.set_content_type("text/plain; charset=utf-8")
    await create_lambda_stream(complete("Invent a holiday"), response_stream, format="text")
