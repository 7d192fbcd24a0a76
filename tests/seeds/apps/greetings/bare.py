"""No framework: an endpoint for each path, and the smallest of routers."""

from __future__ import annotations

from penstock import Context, HttpError, Response, endpoint
from tests.seeds.apps.greetings import answer, greet

__all__ = ("app", "wsgi")


@endpoint
async def app(ctx: Context) -> Response:
    if (ctx.method, ctx.path) == ("GET", "/sse"):
        return ctx.sse(greet)
    if (ctx.method, ctx.path) == ("POST", "/chat"):
        asked = await ctx.json()
        return ctx.sse(answer(asked["prompt"]))
    raise HttpError(404)


wsgi = app.wsgi
