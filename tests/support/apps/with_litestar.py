"""The scenes in Litestar."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, asgi, get
from litestar.exceptions import PermissionDeniedException

from penstock.litestar import StreamResponse
from tests.support.apps.scenes import LOG, Scene, scenes, ticks


def _route(path: str, scene: Scene) -> Any:
    @get(path, name=path)
    async def view(request: Request[Any, Any, Any]) -> StreamResponse:
        return StreamResponse(
            scene(dict(request.query_params)), request.query_params.get("format", "sse")
        )

    return view


@get("/log")
async def log() -> list[str]:
    return list(LOG)


ROUTES = [
    _route(path, scene)
    for path, scene in scenes(lambda: PermissionDeniedException("no entry")).items()
]
app = Litestar([*ROUTES, log, asgi("/mounted/ticks", is_mount=True, copy_scope=True)(ticks)])
