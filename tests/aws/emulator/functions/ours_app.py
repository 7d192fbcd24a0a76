"""Handlers of penstock's own, and a plain one."""

import asyncio
import os

from penstock import Context, Event, endpoint
from penstock.aws import HttpResponseStream, stream_handler, streamify_response


@endpoint(format="sse")
async def ticks(ctx: Context):
    for i in range(int(ctx.query.get("n", "3"))):
        yield Event({"i": i}, event="tick")
        while i == 0 and not os.path.exists(ctx.query.get("until", __file__)):
            await asyncio.sleep(0.01)


@stream_handler(format="text", throw=True)
async def late(event, context):
    yield "partial"
    await asyncio.sleep(0.05)
    raise ValueError("late")


@streamify_response
async def raw(event, response_stream, context):
    metadata = {"statusCode": 201, "headers": {"x-a": "b"}, "cookies": ["a=1", "b=2"]}
    response_stream = HttpResponseStream.from_(response_stream, metadata)
    await response_stream.write("Hello")
    await response_stream.end()


ticks_handler = ticks.aws_lambda
