"""Starlette and FastAPI: a response that streams.

    from penstock.starlette import StreamResponse

    @app.post("/chat")
    async def chat(body: Chat) -> StreamResponse:
        return StreamResponse(lambda: client.messages.create(..., stream=True), format="sse")

An ``Endpoint`` is a route: ``Route("/ticks", ticks)``, or ``app.add_route("/ticks", ticks)``. Not a
mount, which is for what has paths below it, and answers ``/ticks`` with a redirect.

Lives here: Starlette's response, its headers and background tasks around one stream.
Stays out: how the stream is sent (``asgi.py``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Unpack

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from penstock._face import Errors, FaceStream, http_error, with_status
from penstock.asgi import respond
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.options import StreamKeywords
from penstock.core.response import Streaming
from penstock.errors import HttpError, UsageError
from penstock.types import Source

__all__ = ("SessionResponse", "StreamResponse")


class StreamResponse(Response):
    """A source as a Starlette response; FastAPI takes it as it is.

    Headers and cookies set on it are sent; what is set on FastAPI's injected ``Response`` is not,
    as with every response that a function returns itself. An error before the first item goes to
    the app's exception handlers. The background task runs after the stream, also when the reader
    left.

    Args:
        source: An async or sync iterable, an awaitable, a context manager, or a zero-argument
            callable of one, opened inside the stream's own task.
        format: "sse", "ndjson", "text", or a format object.
        errors: Who renders an error before the commit: the "framework", or "penstock", as JSON.
        status_code: Starlette's word for ``status``.
        background: A ``BackgroundTask`` or any callable without arguments.
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
        background: Callable[[], Awaitable[None]] | None = None,
        **keywords: Unpack[StreamKeywords],
    ) -> None:
        keywords = with_status(keywords, "status_code", status_code)
        self._stream = FaceStream(source, format, keywords, errors=errors, translate=_to_ours)
        self.status_code = self._stream.head.status
        self.background = background  # type: ignore[assignment]  # it is called, nothing more
        self.body = b""
        self.media_type = self._stream.head.headers.get("content-type")
        self.raw_headers = self._stream.head.raw()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise UsageError(f"a StreamResponse answers HTTP requests, not a {scope['type']}")
        stream = self._stream
        stream.take_head(
            self.status_code,
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers],
            scope,
        )
        try:
            await respond(stream, scope, receive, send)
        except HttpError as exc:
            refusal = stream.refusal(exc)
            if refusal is None:
                raise
            raise _to_theirs(refusal) from exc
        if self.background is not None:
            await self.background()


class SessionResponse(Response):
    """The response of ``create_response(request, ...)`` and ``create_session(request).response``.

    Headers and cookies set on it are sent.

    Args:
        stream: What carries the session.
    """

    def __init__(self, stream: Streaming) -> None:
        self._stream = stream
        self.status_code = stream.head.status
        self.background: Callable[[], Awaitable[None]] | None = None  # type: ignore[assignment]  # it is called, nothing more
        self.body = b""
        self.media_type = stream.head.headers.get("content-type")
        self.raw_headers = stream.head.raw()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = Head(self.status_code)
        for name, value in self.raw_headers:
            head.headers.add(name.decode("latin-1"), value.decode("latin-1"))
        self._stream.head = head
        await respond(self._stream, scope, receive, send)
        if self.background is not None:
            await self.background()


def _to_ours(error: BaseException) -> HttpError | None:
    if not isinstance(error, HTTPException):
        return None
    return http_error(error.status_code, error.detail, error.headers)


def _to_theirs(error: HttpError) -> HTTPException:
    return HTTPException(error.status, error.detail or error.title, error.headers)
