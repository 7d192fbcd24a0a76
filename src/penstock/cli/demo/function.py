"""The demo once more, as a Lambda function: the same app, in a process of its own.

Lives here: the handler that the local Lambda runs, and its way to tell the demo's log. Stays out:
the app.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from penstock.aws import asgi_handler
from penstock.cli.demo.app import create_app
from penstock.cli.demo.hosts import MARK
from penstock.cli.demo.journal import Journal, Line
from penstock.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("handler",)


def _tell(line: Line) -> None:
    print(MARK + json.dumps(asdict(line)), flush=True)


def _readable_elsewhere(app: ASGIApp) -> ASGIApp:
    """The page comes from another port, which to a browser is another origin."""

    async def readable(scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                allow = (b"access-control-allow-origin", b"*")
                message = {**message, "headers": [*message.get("headers", ()), allow]}
            await send(message)

        await app(scope, receive, told)

    return readable


handler = asgi_handler(_readable_elsewhere(create_app(Journal(echo=_tell))))
