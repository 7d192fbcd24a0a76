"""``penstock serve``: any ASGI app, with a page beside it to watch its streams.

Lives here: what is put around the user's app. Stays out: finding it (``target``), running it
(``server``).
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock import Endpoint, access_log
from penstock.cli.web import load_page, page_endpoint
from penstock.types import ASGIApp, Receive, Scope, Send

__all__ = ("Serving", "with_watch_page")


@dataclass(frozen=True, slots=True)
class Serving:
    """An app, ready to be served.

    Attributes:
        app: What the server runs.
        logs_itself: It writes its own access log, which knows how streams ended.
    """

    app: ASGIApp
    logs_itself: bool

    @classmethod
    def of(cls, app: ASGIApp, watch_path: str | None) -> Serving:
        """Return ``app`` with what serve puts around it; without a page when there is no path."""
        logs_itself = isinstance(app, Endpoint)
        if isinstance(app, Endpoint):
            app = app.use(access_log())
        if watch_path is not None:
            app = with_watch_page(app, watch_path)
        return cls(app, logs_itself)


def with_watch_page(app: ASGIApp, path: str) -> ASGIApp:
    """Return ``app`` with the watch page at ``path``; every other path is the app's own."""
    page = page_endpoint(load_page("web/watch.html"))

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        wanted = scope["type"] == "http" and scope["path"] == path
        await (page if wanted else app)(scope, receive, send)

    return watched
