"""The scenes in Quart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.middleware import DispatcherMiddleware
from quart import Quart, request
from werkzeug.exceptions import Forbidden

from penstock.quart import StreamResponse
from tests.support.apps.scenes import LOG, Scene, scenes, ticks

quart = Quart(__name__)


def _view(scene: Scene) -> Callable[[], Awaitable[StreamResponse]]:
    async def view() -> StreamResponse:
        return StreamResponse(scene(request.args), request.args.get("format", "sse"))

    return view


for path, scene in scenes(lambda: Forbidden("no entry")).items():
    quart.add_url_rule(path, path, _view(scene))


@quart.get("/log")
async def log() -> list[str]:
    return list(LOG)


# Hypercorn types an ASGI app by its own messages only, which is narrower than any app is.
mounts: dict[str, Any] = {"/mounted/ticks": ticks, "": quart}
app = DispatcherMiddleware(mounts)
