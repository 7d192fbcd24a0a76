"""Counts, one event a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from penstock import Context, Event, endpoint


@endpoint(format="sse")
async def ticks(ctx: Context) -> AsyncIterator[Event]:
    for i in range(int(ctx.query.get("n", "3"))):
        yield Event({"i": i}, event="tick")
        await asyncio.sleep(1)


handler = ticks.aws_lambda
