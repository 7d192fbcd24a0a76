"""The scenes in Quart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hypercorn.middleware import DispatcherMiddleware
from quart import Quart, request
from scenes import LOG, Scene, scenes, ticks
from werkzeug.exceptions import Forbidden

from penstock.quart import StreamResponse

quart = Quart(__name__)


def _view(scene: Scene) -> Callable[[], Awaitable[StreamResponse]]:
    async def view() -> StreamResponse:
        return StreamResponse(scene(request.args))

    return view


for path, scene in scenes(lambda: Forbidden("no entry")).items():
    quart.add_url_rule(path, path, _view(scene))


@quart.get("/log")
async def log() -> list[str]:
    return list(LOG)


app = DispatcherMiddleware({"/mounted/ticks": ticks, "": quart})
