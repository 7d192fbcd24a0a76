"""Litestar: a response that streams.

    from penstock.litestar import StreamResponse

    @get("/ticks")
    async def ticks() -> StreamResponse:
        return StreamResponse(clock, format="sse")

An ``Endpoint`` is mounted as an ASGI app:
``asgi("/ticks", is_mount=True, copy_scope=True)(ticks)``.

Headers and cookies set on the handler, the response, or in ``after_request`` are sent; where names
meet, the response's own win over the handler's, and these over the format's. Litestar closes the
handler's dependencies before it sends any response: a source must not need them.

Lives here: Litestar's response around one stream. Stays out: how it is sent (``asgi.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack, cast

from litestar import Request
from litestar.background_tasks import BackgroundTask, BackgroundTasks
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException
from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, ResponseCookies, Scope, Send

from penstock._face import Errors, FaceStream, http_error, with_status
from penstock.asgi import respond
from penstock.core.format import Format
from penstock.core.options import StreamKeywords
from penstock.errors import HttpError
from penstock.types import Source

__all__ = ("StreamResponse",)


class StreamResponse(Response[Any]):
    """A source as a Litestar response.

    Args:
        source: An async or sync iterable, an awaitable, a context manager, or a zero-argument
            callable of one, opened inside the stream's own task.
        format: "sse", "ndjson", "text", or a format object.
        errors: Who renders an error before the commit: the "framework", or "penstock", as JSON.
        status_code: Litestar's word for ``status``; by default the handler's.
        background: Run after the stream, also when the reader left.
        cookies: As in Litestar's own responses.
        **keywords: See ``StreamKeywords``.

    Raises:
        TypeError: ``source`` can never be one.
        InvalidOption: An unknown format or option, or a value it cannot take.
    """

    def __init__(
        self,
        source: Source,
        format: str | Format = "sse",
        *,
        errors: Errors = "framework",
        status_code: int | None = None,
        background: BackgroundTask | BackgroundTasks | None = None,
        cookies: ResponseCookies | None = None,
        **keywords: Unpack[StreamKeywords],
    ) -> None:
        keywords = with_status(keywords, "status_code", status_code)
        self._stream = FaceStream(source, format, keywords, errors=errors, translate=_to_ours)
        super().__init__(
            None,
            background=background,
            cookies=cookies,
            status_code=keywords.get("status"),
            media_type=self._stream.head.headers.get("content-type"),
        )
        # What was given here is the response's own; the rest are defaults, for the handler to set.
        self.headers = {name.lower(): value for name, value in keywords.get("headers", {}).items()}

    def to_asgi_response(
        self,
        app: Any,
        request: Request[Any, Any, Any],
        *,
        background: BackgroundTask | BackgroundTasks | None = None,
        cookies: Iterable[Cookie] | None = None,
        encoded_headers: Iterable[tuple[bytes, bytes]] | None = None,
        headers: dict[str, str] | None = None,
        is_head_response: bool = False,
        media_type: Any = None,
        status_code: int | None = None,
        type_encoders: Any = None,
    ) -> ASGIResponse:
        """Return what Litestar calls to send it."""
        stream = self._stream
        stream.take_head(
            self.status_code or status_code or stream.head.status,
            stream.head.headers.items(),
            cast(Any, request.scope),
        )
        for given in (headers or {}, self.headers):
            stream.head.headers.apply({name: _value(value) for name, value in given.items()})
        for name, value in encoded_headers or ():
            stream.head.headers.add(name.decode("latin-1"), value.decode("latin-1"))
        for cookie in (*self.cookies, *(cookies or ())):
            if not cookie.documentation_only:
                name, value = cookie.to_encoded_header()
                stream.head.headers.add(name.decode("latin-1"), value.decode("latin-1"))
        return _StreamSender(stream, self.background or background)


class _StreamSender(ASGIResponse):
    """The ASGI app that Litestar calls."""

    __slots__ = ("_stream",)

    def __init__(
        self, stream: FaceStream, background: BackgroundTask | BackgroundTasks | None
    ) -> None:
        super().__init__(background=background, status_code=stream.head.status)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await respond(self._stream, cast(Any, scope), cast(Any, receive), cast(Any, send))
        except HttpError as exc:
            refusal = self._stream.refusal(exc)
            if refusal is None:
                raise
            raise _to_theirs(refusal) from exc
        await self.after_response()


def _value(given: Any) -> Any:
    return given if given is None or isinstance(given, (str, list, tuple)) else str(given)


def _to_ours(error: BaseException) -> HttpError | None:
    if not isinstance(error, HTTPException):
        return None
    headers = {name: str(value) for name, value in (error.headers or {}).items()}
    return http_error(error.status_code, error.detail, headers)


def _to_theirs(error: HttpError) -> HTTPException:
    return HTTPException(
        detail=error.detail or error.title, status_code=error.status, headers=error.headers
    )
