"""System 2, ported as far as it is not about Lambda: a body that is a string or a stream."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from penstock import Context, Response, endpoint

__all__ = ("CSV", "empty", "empty_wsgi", "handler", "handler_wsgi", "whole")

CSV = "id,name\n1,ada\n2,grace\n"


def lines() -> Iterator[str]:
    """The table from a file, line by line, read in a thread: it blocks."""
    with StringIO(CSV) as file:
        yield from file


@endpoint
def handler(ctx: Context) -> Response:
    """The body is a stream."""
    return ctx.stream(lines, status=200, headers={"Content-Type": "text/csv"})


@endpoint
def whole(ctx: Context) -> Response:
    """The body is a string."""
    return Response(CSV, 200, {"Content-Type": "text/csv"})


@endpoint
def empty(ctx: Context) -> Response:
    """No body, and a status that must not turn into 200."""
    return Response(None, int(ctx.query["status"]), {"X-Reason": "none"})


handler_wsgi, empty_wsgi = handler.wsgi, empty.wsgi
