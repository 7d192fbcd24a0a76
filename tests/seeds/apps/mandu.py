"""System 4, ported: a chat that emits tokens and a CSV export, both inside the chain."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from penstock import Context, Emit, HttpError, Response, endpoint
from penstock.app.plan import CallNext
from tests.seeds.sources import complete, users

__all__ = ("SESSIONS", "ask", "chat", "chat_wsgi", "export", "export_wsgi")

SESSIONS = {"s-ada": "ada"}


async def with_session(ctx: Context, call_next: CallNext) -> Response:
    """Find out who asks, and say so in the answer's head."""
    ctx.state["user"] = SESSIONS.get(ctx.cookies.get("sid", ""))
    response = await call_next(ctx)
    response.head.headers["x-user"] = ctx.state["user"] or "nobody"
    return response


def signed_in(ctx: Context) -> None:
    """Let only a session's owner on."""
    if ctx.state["user"] is None:
        raise HttpError(401, detail="sign in first")


def same_origin(ctx: Context) -> bool:
    """Refuse a request that another site had the browser send."""
    return ctx.headers.get("x-csrf") == "1"


async def answer(ctx: Context) -> Response:
    """Emit each token as it arrives, then ``done``, so that EventSource closes."""

    async def produce(emit: Emit) -> None:
        async for token in complete(ctx.query.get("q", "")):
            await emit(token)
        await emit("", "done")

    return ctx.sse(produce)


chat = endpoint().use(with_session).guard(signed_in).get(answer)
chat_wsgi = chat.wsgi


@endpoint().use(with_session).guard(signed_in, same_origin).post
async def ask(ctx: Context) -> Response:
    """The same for fetch(), which can POST: the prompt is in the body."""
    asked = await ctx.json()
    return ctx.stream(complete(asked["q"]), "sse")


@endpoint
def export(ctx: Context) -> Response:
    """A table, row by row, under a content type of its own."""

    async def rows() -> AsyncGenerator[str]:
        yield "id,email,created_at\n"
        async for user in users():
            yield f"{user.id},{user.email},{user.created_at}\n"

    return ctx.stream(rows, content_type="text/csv")


export_wsgi = export.wsgi
