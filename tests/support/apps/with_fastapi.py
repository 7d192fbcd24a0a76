"""The scenes in FastAPI; under ``/wrapped`` the same app below two of Starlette's middlewares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, HTTPException, Request, Response
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Route

from penstock.starlette import StreamResponse
from tests.support.apps.scenes import LOG, Scene, scenes, ticks


def make() -> FastAPI:
    made = FastAPI()
    for path, scene in scenes(lambda: HTTPException(403, "no entry")).items():
        made.add_api_route(path, _view(scene))
    made.add_api_route("/log", lambda: list(LOG))
    made.router.routes.append(Route("/mounted/ticks", ticks))
    return made


def _view(scene: Scene) -> Callable[[Request], Awaitable[StreamResponse]]:
    async def view(request: Request) -> StreamResponse:
        return StreamResponse(
            scene(dict(request.query_params)), request.query_params.get("format", "sse")
        )

    return view


async def _pass_on(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    return await call_next(request)


wrapped = make()
wrapped.add_middleware(GZipMiddleware, minimum_size=1)
wrapped.add_middleware(BaseHTTPMiddleware, dispatch=_pass_on)

app = make()
app.routes.append(Mount("/wrapped", wrapped))
