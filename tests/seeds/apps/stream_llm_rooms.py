"""System 5, ported: its sessions, and channels of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request

from penstock import Channel, Context, EventBuffer, Session, create_response, endpoint
from tests.seeds.sources import openai_chunks

__all__ = ("app", "batched", "chat_channel", "configured", "iterated", "notify", "process", "story")

app = FastAPI()


@app.get("/sse")
async def sse(request: Request) -> Any:
    """The first program."""

    def greet(session: Session[Any]) -> None:
        session.push("Hello, world!", "message")
        session.push({"text": "Hello!", "timestamp": 1767225600000}, "update")

    return create_response(request, greet)


@app.post("/story")
async def story(request: Request) -> Any:
    """A model's answer, pushed chunk by chunk."""
    prompt = (await request.json())["prompt"]

    async def push_all(session: Session[Any]) -> None:
        async for chunk in await openai_chunks(prompt):
            content = (chunk.choices[0].delta.content or "") if chunk.choices else ""
            if content:
                session.push(content, "llm-chunk")
        session.push({"done": True}, "llm-done")

    return create_response(request, push_all)


# --- channels

chat_channel: Channel[Any] = Channel("chat")


@app.get("/chat")
async def chat(request: Request, user: str, admin: bool = False) -> Any:
    """Join, and tell the others."""

    def join(session: Session[Any]) -> None:
        chat_channel.register(session)
        chat_channel.broadcast({"user": user, "action": "joined"}, "user-event")

    return create_response(request, join, state={"isAdmin": admin})


@app.post("/send-message")
async def send_message(request: Request) -> dict[str, bool]:
    """Tell everybody."""
    await chat_channel.broadcast(await request.json(), "chat-message")
    return {"success": True}


@app.post("/announce")
async def announce() -> dict[str, bool]:
    """Tell some."""
    await chat_channel.broadcast(
        {"alert": "Admin announcement"},
        "admin-alert",
        filter=lambda session: session.state["isAdmin"] is True,
    )
    return {"success": True}


@dataclass
class UserState:
    """What a session is of."""

    user_id: str


notification_channel: Channel[UserState] = Channel("notifications", history=100)


@app.get("/notifications/{user_id}")
async def notifications(request: Request, user_id: str) -> Any:
    """Listen for one's own."""
    return create_response(request, notification_channel.register, state=UserState(user_id))


async def notify(user_id: str, message: str) -> None:
    """Tell one user, wherever they are connected, now or when they come back."""
    await notification_channel.broadcast(
        {"message": message}, "notification", match={"user_id": user_id}
    )


# --- what a session can do


async def fill(buffer: EventBuffer) -> None:
    """Several events at once."""
    buffer.push("Event 1", "update")
    buffer.push("Event 2", "update")
    await buffer.iterate([4, 5, 6], "number")


@endpoint
def batched(ctx: Context) -> Session[Any]:
    """They leave together."""
    return ctx.session(lambda session: session.batch(fill))


async def generate() -> AsyncGenerator[dict[str, int]]:
    """Something that takes its time."""
    for count in range(3):
        await asyncio.sleep(0)
        yield {"count": count}


@endpoint
def iterated(ctx: Context) -> Session[Any]:
    """Iterables, and a stream of pieces."""

    async def push_all(session: Session[Any]) -> None:
        await session.iterate([1, 2, 3], "number")
        await session.iterate(generate(), "tick")
        pieces = [b"Hello", b" ", b"World", b"!"]
        await session.stream(pieces, "data", transform=lambda text: {"text": text})

    return ctx.session(push_all)


@endpoint
def configured(ctx: Context) -> Session[Any]:
    """Every option."""
    return ctx.session(
        lambda session: session.push("a\nb", id="7"),
        retry=3000,
        keep_alive=5.0,
        status_code=200,
        headers={"X-Custom-Header": "value"},
        trust_last_event_id=True,
        serializer=lambda data: f"<{data}>",
        sanitizer=lambda text: text.replace("\n", " "),
    )


@endpoint().post
def process(ctx: Context) -> Session[Any]:
    """Progress of some work, in a task beside the connection."""
    steps = ["Initializing", "Processing", "Finalizing"]

    async def work(session: Session[Any]) -> None:
        for at, step in enumerate(steps, start=1):
            await session.push({"step": step, "progress": round(at / len(steps) * 100)}, "progress")
            await asyncio.sleep(0)
        await session.push({"done": True}, "complete")

    def begin(session: Session[Any]) -> None:
        session.spawn(work(session))

    return ctx.session(begin)
