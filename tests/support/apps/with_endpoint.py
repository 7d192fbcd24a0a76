"""The scenes as one plain endpoint: ``app`` for ASGI, ``wsgi`` for WSGI."""

from __future__ import annotations

from scenes import LOG, scenes

from penstock import Context, HttpError, Response, endpoint

SCENES = scenes(lambda: HttpError(403, detail="no entry"))


@endpoint(name="scenes")
async def app(ctx: Context) -> Response:
    if ctx.path == "/log":
        return Response(list(LOG))
    return ctx.sse(SCENES[ctx.path](dict(ctx.query.items())))


wsgi = app.wsgi
