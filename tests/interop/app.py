"""What other people's readers are pointed at."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.middleware.cors import CORSMiddleware

from penstock import Channel, Context, Endpoint, Event, Response, endpoint
from penstock.asgi import run_lifespan
from penstock.types import Receive, Scope, Send

__all__ = ("CLAUDE", "EVENTS", "GPT", "app", "wsgi")

# (type, id, data): what a conforming reader makes of it.
EVENTS = [
    ("tick", "0", '{"i":0}'),
    ("message", "1", "two\nlines"),
    ("tick", "2", " Zoë €豆腐 \u2028 🙂 "),
    ("a.b:c-d", "é/3", "x" * 70_000),
]

asked: Counter[str] = Counter()  # requests, by path


@endpoint(retry=20)
async def kinds(ctx: Context):
    for event, id, data in EVENTS:
        yield Event(data, event=event, id=id, comment="between")


@endpoint(retry=20, done=None)
async def log(ctx: Context):
    """Nine events, three over each connection; then it is over for good, and says so."""
    after = int(ctx.last_event_id or -1)
    for i in range(after + 1, min(9, after + 4)):
        yield Event({"i": i}, event="tick", id=i)
    if after >= 8:
        yield Event({}, event="done", id="~end")


room: Channel[Any] = Channel("polyfills", history=100)


@endpoint(retry=20)
def session(ctx: Context) -> Any:
    """A room in which five ticks were broadcast, for readers that can send no header."""
    joined = ctx.session()
    room.register(joined, replay=True)
    return joined


@endpoint
async def speak(ctx: Context) -> dict[str, Any]:
    """Broadcast five ticks, then "done"; tell their ids."""
    ids = [await room.broadcast({"i": i}, "tick") for i in range(5)]
    await room.broadcast({}, "done")
    return {"ids": ids}


def _ada(ctx: Context) -> Response | None:
    return None if ctx.cookies.get("who") == "ada" else Response("who?", status=401)


async def _hello(ctx: Context):
    yield Event("hello ada", event="tick", id="0")


private = (
    endpoint(retry=20)
    .wrap(CORSMiddleware, allow_origin_regex="http://127.0.0.1.*", allow_credentials=True)
    .guard(_ada)
    .get(lambda ctx: ctx.stream(lambda: _hello(ctx), "sse"))
)


@endpoint
async def page(ctx: Context) -> Response:
    headers = {"content-type": "text/html", "set-cookie": "who=ada; Path=/"}
    return Response("<!doctype html><title>reader</title>", headers=headers)


@endpoint
async def counts(ctx: Context) -> Response:
    return Response(dict(asked))


def _delta(**delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice]}


GPT = [_delta(role="assistant", content=""), _delta(content="Hello"), _delta(content=" wörld")]


@endpoint(done=None)
async def gpt(ctx: Context):
    for chunk in GPT:
        yield Event(chunk, comment="a keep-alive")
    yield "[DONE]"


CLAUDE: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " wörld"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 3},
    },
    {"type": "message_stop"},
]  # fmt: skip


@endpoint(done=None)
async def claude(ctx: Context):
    for event in CLAUDE:
        yield event  # W1: its type is the event's name


@endpoint(format="ndjson")
async def lines(ctx: Context):
    for i in range(3):
        yield {"i": i}


ROUTES: dict[str, Endpoint] = {
    "/kinds": kinds,
    "/log": log,
    "/session": session,
    "/speak": speak,
    "/private": private,
    "/page": page,
    "/counts": counts,
    "/lines": lines,
    "/openai/chat/completions": gpt,
    "/v1/messages": claude,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Every route above."""
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
        return
    asked[scope["path"]] += 1
    await ROUTES[scope["path"]](scope, receive, send)


wsgi = kinds.wsgi
