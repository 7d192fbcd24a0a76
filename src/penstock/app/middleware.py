"""The ready middlewares: those that must see the stream as a stream.

Lives here: access log, request id, time limits. CORS, sessions, compression, tracing and the like
are ASGI middlewares that exist already: ``endpoint().wrap(...)`` takes them.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from penstock.app.context import Context
from penstock.app.plan import CallNext, Middleware
from penstock.clock import current_clock
from penstock.core.ending import Ending
from penstock.core.options import check_seconds
from penstock.core.response import Response, Streaming

__all__ = ("access_log", "request_id", "time_limit")


def access_log(logger: logging.Logger | None = None, level: int = logging.INFO) -> Middleware:
    """Log one line per request when its stream has ended.

    The line says method, path, status, how it ended, duration and time to first byte in seconds,
    events, bytes, keep-alives; the record carries them as attributes too (``extra``).

    Args:
        logger: Where to; by default the logger ``penstock.access``.
        level: At which level.

    Example:
        ``endpoint().use(access_log()).get(handler)``
    """
    log = logger or logging.getLogger("penstock.access")

    async def log_access(ctx: Context, call_next: CallNext) -> Response:
        clock = current_clock()
        began = clock.now()
        response = await call_next(ctx)

        def write(ending: Ending) -> None:
            stats = response.stats
            facts: dict[str, object] = {
                "method": ctx.method,
                "path": ctx.path,
                "status": response.status,
                "ending": str(ending),
                "duration": round(clock.now() - began, 6),
                "first_byte": stats.first_byte,
                "events": stats.events,
                "bytes": stats.bytes,
                "keep_alives": stats.keep_alives,
                "request_id": ctx.id,
            }
            line = " ".join(f"{name}={_plain(facts[name])}" for name in list(facts)[3:])
            log.log(level, "%s %s %s %s", ctx.method, ctx.path, response.status, line, extra=facts)

        response.on_finish(write)
        return response

    return log_access


def request_id(header: str = "x-request-id") -> Middleware:
    """Send the request's id back in ``header``; it is the one that the log names.

    Args:
        header: Name of the response header. The id is ``ctx.id``: the request's own
            ``X-Request-ID`` where that is a short word, else one made up.

    Example:
        ``endpoint().use(request_id()).get(handler)``
    """

    async def send_request_id(ctx: Context, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        response.head.headers[header] = ctx.id
        return response

    return send_request_id


def time_limit(*, total: float | None = None, idle: float | None = None) -> Middleware:
    """End a stream with a 504 that takes too long.

    Args:
        total: Seconds for the whole stream.
        idle: Seconds between two items.

    Raises:
        InvalidOption: Not a number of seconds above 0, or over an hour.

    Example:
        ``endpoint().use(time_limit(total=60, idle=10)).get(handler)``
    """
    if total is not None:
        check_seconds("total", total)
    if idle is not None:
        check_seconds("idle", idle)

    async def limit_time(ctx: Context, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        if isinstance(response, Streaming):
            options = response.options
            response.options = replace(
                options,
                timeout=total if total is not None else options.timeout,
                idle_timeout=idle if idle is not None else options.idle_timeout,
            )
        return response

    return limit_time


def _plain(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
