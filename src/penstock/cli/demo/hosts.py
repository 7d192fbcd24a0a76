"""The demo's two hosts: the app that answers here, and the same behind a local Function URL.

Lives here: the local Lambda beside the demo, where the page finds it, and how its log becomes the
demo's. Stays out: the app (``app``), the function (``function``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from penstock import Context, endpoint
from penstock.aws.emulator import Line, LocalLambda
from penstock.cli.demo.journal import Journal, Run
from penstock.cli.lambda_page import run_lifespan
from penstock.types import ASGIApp, Receive, Scope, Send

__all__ = ("MARK", "local_lambda", "told_to", "with_lambda")

# What the function prints for the demo's log begins so.
MARK = "penstock-demo "

_HANDLER = "penstock.cli.demo.function.handler"
# An invocation whose reader has left runs on, as on Lambda; the next should not wait for it.
_PROCESSES = 3
_MOST_RUNS = 100


def local_lambda(journal: Journal, host: str) -> LocalLambda:
    """Return the demo as a function that listens on ``host``, on free ports."""
    return LocalLambda(
        _HANDLER, host=host, timeout=120, concurrency=_PROCESSES, on_line=told_to(journal)
    )


def told_to(journal: Journal) -> Callable[[Line], None]:
    """Return what takes the function's log, and tells ``journal`` what is for it."""
    runs: dict[str | None, Run] = {}

    def take(line: Line) -> None:
        if not line.text.startswith(MARK):
            return
        said = json.loads(line.text.removeprefix(MARK))
        run = runs.get(line.request_id)
        if run is None:
            run = runs[line.request_id] = journal.run()
            if len(runs) > _MOST_RUNS:
                del runs[next(iter(runs))]
        run.say(said["kind"], f"λ {said['text']}")

    return take


def with_lambda(app: ASGIApp, fn: LocalLambda) -> ASGIApp:
    """Return ``app`` with ``fn`` opened and closed beside it, and its port told at /hosts."""

    @endpoint
    async def hosts(ctx: Context) -> dict[str, Any]:
        return {"lambda": int(fn.url.rstrip("/").rpartition(":")[2])}

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(fn, receive, send)
        else:
            wanted = scope["type"] == "http" and scope["path"] == "/hosts"
            await (hosts if wanted else app)(scope, receive, send)

    return both
