"""The scenes in Flask."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, request
from werkzeug.exceptions import Forbidden
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from penstock.flask import StreamResponse
from tests.support.apps.scenes import LOG, Scene, scenes, ticks

flask = Flask(__name__)


def _view(scene: Scene) -> Callable[[], StreamResponse]:
    def view() -> StreamResponse:
        return StreamResponse(scene(request.args), request.args.get("format", "sse"))

    return view


for path, scene in scenes(lambda: Forbidden("no entry")).items():
    flask.add_url_rule(path, path, _view(scene))


@flask.get("/log")
def log() -> list[str]:
    return list(LOG)


wsgi = DispatcherMiddleware(flask, {"/mounted/ticks": ticks.wsgi})
