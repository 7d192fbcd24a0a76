"""Quart: a response that streams.

    from penstock.quart import StreamResponse

    @app.get("/ticks")
    async def ticks() -> StreamResponse:
        return StreamResponse(clock, format="sse")

An ``Endpoint`` is mounted as an ASGI app: ``app.asgi_app = DispatcherMiddleware({"/ticks": ticks,
"": app.asgi_app})`` of ``hypercorn.middleware``.

The stream begins when the view has returned, before the app's ``after_request`` functions: an
error before the first item goes to the app's error handlers. ``request``, ``g`` and ``current_app``
can be used in the source. Quart's ``RESPONSE_TIMEOUT`` of 60 s does not hold for it; ``timeout=``
does.

Lives here: Quart's response around one stream. Stays out: ASGI, which is Quart's.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from typing import Any, Self, Unpack, cast

from quart import Response, after_this_request, current_app, has_request_context, request
from quart.wrappers.response import ResponseBody

from penstock._face import Body, Errors, FaceStream, pairs, with_status
from penstock._werkzeug import refusal, show_head, to_ours
from penstock.core.format import Format
from penstock.core.options import StreamKeywords
from penstock.errors import HttpError, UsageError
from penstock.types import Source

__all__ = ("StreamResponse",)


class StreamResponse(Response):
    """A source as a Quart response.

    Args:
        source: An async or sync iterable, an awaitable, a context manager, or a zero-argument
            callable of one, opened inside the stream's own task.
        format: "sse", "ndjson", "text", or a format object.
        errors: Who renders an error before the commit: the "framework", or "penstock", as JSON.
        status_code: Another word for ``status``.
        **keywords: See ``StreamKeywords``.

    Raises:
        TypeError: ``source`` can never be one.
        InvalidOption: An unknown format or option, or a value it cannot take.
        UsageError: No request is being served.
    """

    def __init__(
        self,
        source: Source,
        format: str | Format = "sse",
        *,
        errors: Errors = "framework",
        status_code: int | None = None,
        **keywords: Unpack[StreamKeywords],
    ) -> None:
        keywords = with_status(keywords, "status_code", status_code)
        self._stream = FaceStream(source, format, keywords, errors=errors, translate=to_ours)
        if not has_request_context():
            raise UsageError("penstock.quart.StreamResponse is made in a Quart view, while it runs")
        self._body, self._is_begun = Body(self._stream), False
        head = self._stream.head
        headers: Any = pairs(head)  # as werkzeug takes them
        super().__init__(_Streamed(self._body), status=head.status, headers=headers)
        self.timeout = None
        # Quart cancels its task when the reader leaves, maybe before it has entered the body.
        weakref.finalize(self, self._body.abandon).atexit = False
        # The earliest moment at which status and headers of `return response, 201` are known.
        after_this_request(_begin)

    async def _begin(self) -> Any:
        """Wait for the commit; an error before it becomes what Quart makes of it."""
        self._is_begun = True
        self._stream.take_head(self.status_code, self.headers.items(), cast(Any, request.scope))
        try:
            head = await self._body.open(head_only=request.method == "HEAD")
        except HttpError as exc:
            return await _handled(refusal(self._stream, exc))
        except Exception as exc:
            return await _handled(exc)
        show_head(self, head)
        return self


class _Streamed(ResponseBody):
    """What Quart reads a body through."""

    def __init__(self, body: Body) -> None:
        self._body = body

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._body.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body


async def _begin(response: Any) -> Any:
    # A function, not a method: what holds the request must not hold the response, or a response
    # that is thrown away would never be collected.
    if isinstance(response, StreamResponse) and not response._is_begun:
        return await response._begin()
    return response


async def _handled(error: Exception) -> Any:
    """As if the view had raised it.

    Raises:
        Exception: No handler is registered for it.
    """
    return await current_app.make_response(await current_app.handle_user_exception(error))
