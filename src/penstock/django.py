"""Django: a response that streams, from sync and async views, under ASGI and WSGI.

    from penstock.django import StreamResponse

    async def ticks(request):
        return StreamResponse(clock, format="sse", request=request)

The stream begins where Django renders a response, after the view and inside the middleware: an
error before the first item is rendered as an error of the view is. Django does not tell a response
its request by then. ``request=`` does: HEAD, and a reader that has had the whole answer, are then
answered without starting the source.

An ``Endpoint`` is a view: ``path("ticks", endpoint_view(ticks))``.

Lives here: Django's response around one stream, on whichever loop Django is. Stays out: the rest.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any, Unpack, cast

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import (
    Http404,
    HttpResponse,
    StreamingHttpResponse,
)

from penstock._face import Body, Errors, FaceStream, http_error, pairs, with_status
from penstock._mounted import Mounted
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.options import StreamKeywords
from penstock.core.response import problem_response
from penstock.errors import HttpError, Problem
from penstock.types import ASGIApp, Scope, Source
from penstock.wsgi import scope_of

__all__ = ("StreamResponse", "endpoint_view")

# Django has an exception of its own for these; other statuses it only knows as responses.
_THEIRS: dict[int, type[Exception]] = {400: BadRequest, 403: PermissionDenied, 404: Http404}

# As django.core.handlers.exception maps them.
_OURS: dict[type[Exception], int] = {
    Http404: 404,
    PermissionDenied: 403,
    BadRequest: 400,
    RequestDataTooBig: 413,
    SuspiciousOperation: 400,
}


class _LateResponse(StreamingHttpResponse):  # type: ignore[misc]  # Django is not typed
    """A response that begins when Django renders it, and is read wherever Django reads it."""

    def __init__(self, body: Body, *, head_only: bool = False) -> None:
        super().__init__(())
        self._body, self._head_only = body, head_only
        self._is_begun = False
        self._callbacks: list[Callable[[Any], Any]] = []
        self._iterator, self.is_async = body, _on_a_loop()
        self._resource_closers.append(body.close)
        # A response that is thrown away on its way out, by middleware that raises, is not closed.
        weakref.finalize(self, body.abandon).atexit = False

    def has_header(self, header: str) -> bool:
        """As Django's, but claims an encoding where the head forbids to add one.

        GZipMiddleware looks for nothing else, and would hold events back until it has enough of
        them to compress.
        """
        if header.lower() == "content-encoding" and "no-transform" in self.get("Cache-Control", ""):
            return True
        return bool(super().has_header(header))

    # --- Django's protocol of responses that are rendered late

    @property
    def render(self) -> Callable[[], Any]:
        """What Django calls to begin: a coroutine function where there is a loop to run it on."""
        return self._begin if _on_a_loop() else self._begin_blocking

    @property
    def is_rendered(self) -> bool:
        """Whether the stream has begun."""
        return self._is_begun

    def add_post_render_callback(self, callback: Callable[[Any], Any]) -> None:
        """Call ``callback(response)`` once the head is known; decorators of views use it."""
        if self._is_begun:
            callback(self)
        else:
            self._callbacks.append(callback)

    async def _begin(self) -> Any:
        if self._is_begun:
            return self
        self._begins()
        try:
            head = await self._body.open(head_only=self._head_only)
        except HttpError as exc:
            return self._refuse(exc)
        return self._begun(head)

    def _begin_blocking(self) -> Any:
        if self._is_begun:
            return self
        self._begins()
        try:
            head = self._body.open_blocking(head_only=self._head_only)
        except HttpError as exc:
            return self._refuse(exc)
        return self._begun(head)

    def _begins(self) -> None:
        self._is_begun = True

    def _begun(self, head: Head) -> Any:
        self._show(head)
        if self._iterator is self._body:
            self.is_async = _on_a_loop()
        response: Any = self
        for callback in self._callbacks:
            response = callback(response) or response
        return response

    def _refuse(self, error: HttpError) -> Any:
        raise error

    def _show(self, head: Head) -> None:
        """Say in Django's words what is in ``head``: one value a name, cookies apart."""
        self.status_code = head.status
        for name in list(self.headers):
            del self[name]
        for name, value in pairs(head):
            if name == "set-cookie":
                self.cookies.load(value)
            else:
                self[name] = f"{self[name]}, {value}" if name in self.headers else value

    # --- the body

    def __iter__(self) -> Iterator[bytes]:
        if self._iterator is not self._body:  # middleware has put something around it
            return cast(Iterator[bytes], super().__iter__())
        if self._is_head():
            self._body.close()
            return iter(())
        return self._body

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        if self._iterator is not self._body:
            async for chunk in super().__aiter__():
                yield chunk
            return
        async with aclosing(self._body):
            if not self._is_head():
                async for chunk in self._body:
                    yield chunk

    def _is_head(self) -> bool:
        # Django lets the request be closed with the response: by now it can be asked.
        requests = [getattr(closer, "__self__", None) for closer in self._resource_closers]
        return any(getattr(request, "method", None) == "HEAD" for request in requests)


class StreamResponse(_LateResponse):
    """A source as a Django response.

    Args:
        source: An async or sync iterable, an awaitable, a context manager, or a zero-argument
            callable of one, opened inside the stream's own task.
        format: "sse", "ndjson", "text", or a format object.
        errors: Who renders an error before the commit: the "framework", or "penstock", as JSON.
        request: The view's request; with it, HEAD does not start the source, and a reader that
            comes back after the end is answered 204.
        status_code: Another word for ``status``.
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
        request: Any = None,
        status_code: int | None = None,
        **keywords: Unpack[StreamKeywords],
    ) -> None:
        keywords = with_status(keywords, "status_code", status_code)
        self._stream = FaceStream(source, format, keywords, errors=errors, translate=_to_ours)
        self._scope = _scope_of(request) if request is not None else None
        is_head = request is not None and request.method == "HEAD"
        super().__init__(Body(self._stream), head_only=is_head)
        self._show(self._stream.head)

    def _begins(self) -> None:
        super()._begins()
        self._stream.take_head(self.status_code, self.items(), self._scope)

    def _refuse(self, error: HttpError) -> Any:
        """Raise what Django renders, or return what it has no exception for."""
        refusal = self._stream.refusal(error)
        if refusal is None:
            raise error
        theirs = _THEIRS.get(refusal.status)
        if theirs is not None:
            raise theirs(refusal.detail or refusal.title) from error
        problem = Problem(refusal.status, refusal.title, refusal.detail)
        answer = problem_response(problem, refusal.headers)
        return HttpResponse(answer.body, status=answer.status, headers=dict(pairs(answer.head)))


def endpoint_view(app: ASGIApp) -> Callable[..., Any]:
    """Return a Django view that answers as ``app`` does: an ``Endpoint``, or any ASGI app.

    It has its own methods, guards and errors; Django's middleware is around it. What the URL
    pattern captured are its path parameters.

    Example:
        ``urlpatterns = [path("ticks", endpoint_view(ticks))]``
    """

    def view(request: Any, **parameters: Any) -> StreamingHttpResponse:
        scope = {**_scope_of(request), "path_params": parameters}
        return _LateResponse(Body(Mounted(app, scope, request.body)))

    return view


def _scope_of(request: Any) -> Scope:
    scope = dict(request.scope) if hasattr(request, "scope") else scope_of(request.META)
    if isinstance(scope["query_string"], str):  # by Django's AsyncClient
        scope["query_string"] = scope["query_string"].encode("latin-1")
    return scope


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _to_ours(error: BaseException) -> HttpError | None:
    for kind, status in _OURS.items():
        if isinstance(error, kind):
            # What is suspicious is for the log; the others' words are for the reader.
            shown = error.args[0] if error.args and kind is not SuspiciousOperation else None
            return http_error(status, shown)
    return None
