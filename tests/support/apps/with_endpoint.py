"""The scenes as one plain endpoint: ``app`` for ASGI, ``wsgi`` for WSGI."""

from __future__ import annotations

from penstock import Context, HttpError, Response, endpoint
from tests.support.apps.scenes import LOG, scenes

SCENES = scenes(lambda: HttpError(403, detail="no entry"))


@endpoint(name="scenes")
async def app(ctx: Context) -> Response:
    if ctx.path == "/log":
        return Response(list(LOG))
    source = SCENES[ctx.path](dict(ctx.query.items()))
    return ctx.stream(source, ctx.query.get("format", "sse"))


wsgi = app.wsgi
