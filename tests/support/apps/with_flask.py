"""The scenes in Flask."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, request
from scenes import LOG, Scene, scenes, ticks
from werkzeug.exceptions import Forbidden
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from penstock.flask import StreamResponse

flask = Flask(__name__)


def _view(scene: Scene) -> Callable[[], StreamResponse]:
    def view() -> StreamResponse:
        return StreamResponse(scene(request.args))

    return view


for path, scene in scenes(lambda: Forbidden("no entry")).items():
    flask.add_url_rule(path, path, _view(scene))


@flask.get("/log")
def log() -> list[str]:
    return list(LOG)


wsgi = DispatcherMiddleware(flask, {"/mounted/ticks": ticks.wsgi})
