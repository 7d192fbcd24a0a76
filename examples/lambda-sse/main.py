"""Server-sent events from a Lambda function, with nothing in its zip but penstock.

At home:   penstock lambda main.handler
Deployed:  penstock bundle . --out function.zip, and a Function URL in RESPONSE_STREAM mode
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from penstock import Event
from penstock.aws import stream_handler


@stream_handler(format="sse")
async def handler(event: dict[str, Any], context: Any) -> AsyncIterator[Event]:
    """Count; each number leaves when it is there."""
    query = event.get("queryStringParameters") or {}
    for i in range(int(query.get("n", "5"))):
        yield Event({"i": i}, event="tick")
        await asyncio.sleep(0.2)
