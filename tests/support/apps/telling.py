"""One answer of a scripted model as each chat front end has it, and as a Lambda function."""

from __future__ import annotations

from typing import Any

from penstock import Context, Endpoint, endpoint
from penstock.aws import stream_handler
from penstock.chunk import Done, Reasoning, Text, ToolCallDelta, ToolCallStart, Usage

__all__ = ("app", "handler")


async def _chunks(fails: bool) -> Any:
    yield Reasoning("a greeting")
    yield Text("Hello, ")
    yield ToolCallStart("c1", "look_up")
    yield ToolCallDelta("c1", '{"text":"not this"}')
    yield Text("wörld")
    if fails:
        raise ValueError("a secret")
    yield Done("stop", Usage(1, 2))


def _made(format: str) -> Endpoint:
    @endpoint(format=format, throw=False)
    async def tell(ctx: Context) -> Any:
        async for chunk in _chunks("fails" in ctx.query):
            yield chunk

    return tell


ROUTES = {
    f"/{name}": _made(name) for name in ("sse", "ndjson", "text", "ui-message-stream", "openai")
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The format is the path."""
    await ROUTES[scope["path"]](scope, receive, send)


@stream_handler(format="ui-message-stream")
async def handler(event: Any, context: Any) -> Any:
    async for chunk in _chunks(bool(event.get("fails"))):
        yield chunk
