"""Handlers for the runtimes' tests."""

import asyncio
import os

from penstock import endpoint
from penstock.aws import HttpResponseStream, stream_handler, streamify_response

LEFT: list = []


@stream_handler(format="sse")
async def handler(event, context):
    """Does as the event says."""
    yield {"pid": os.getpid(), "trace": os.environ.get("_X_AMZN_TRACE_ID", "")}
    kind = event.get("kind")
    if kind == "leak":
        LEFT.append(asyncio.create_task(asyncio.sleep(3600)))
    elif kind == "error":
        raise ValueError("told in the stream")
    elif kind == "wait":
        await asyncio.sleep(3600)
    yield {"left": [task.done() for task in LEFT]}


@streamify_response
async def raw(event, response_stream, context):
    kind = event.get("kind")
    if kind == "before":
        raise TypeError("boom ☃")
    if kind == "http":
        response_stream = HttpResponseStream.from_(
            response_stream,
            {
                "statusCode": 201,
                "headers": {"Content-Type": "text/plain", "X-A": "b"},
                "cookies": ["a=1; Path=/", "b=2"],
            },
        )
    if kind in ("http_empty", "late"):
        response_stream = HttpResponseStream.from_(
            response_stream, {"statusCode": 200, "headers": {"Content-Type": "x/y", "X-A": "b"}}
        )
    if kind == "late":
        await response_stream.write("partial")
        await asyncio.sleep(0.02)
        raise RangeError("midway")
    if kind == "http_empty":
        await response_stream.end()
        return
    if kind == "only_end":
        await response_stream.end("only-in-end")
        return
    if kind == "no_end":
        await response_stream.write("abc")
        return
    if kind == "nothing":
        return
    await response_stream.write("hello ")
    await response_stream.write("")
    await asyncio.sleep(0.05)
    await response_stream.write("world")
    await response_stream.end()


class RangeError(Exception):
    pass


def plain(event, context):
    return {"ok": 1}


@endpoint(format="ndjson")
async def rows(ctx):
    yield {"method": ctx.method, "query": ctx.query.get("n"), "id": ctx.id}


handler_of_rows = rows.aws_lambda


@stream_handler(format="text")
async def flood(event, context):
    piece = b"x" * 65536
    for _ in range(event["bytes"] // len(piece)):
        yield piece


@stream_handler(format="ndjson")
async def random(event, context):
    """Ends in one of many ways."""
    kind = event["kind"]
    yield {"fds": len(os.listdir("/proc/self/fd")), "tasks": len(asyncio.all_tasks())}
    if kind == "raise":
        raise ValueError("on purpose")
    if kind == "leak":
        context.leaked = asyncio.ensure_future(asyncio.sleep(3600))
    if kind == "cancel":
        raise asyncio.CancelledError
    if kind == "exit":
        raise SystemExit(3)
