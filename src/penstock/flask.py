"""Flask: a response that streams.

    from penstock.flask import StreamResponse

    @app.get("/rows")
    def rows() -> StreamResponse:
        return StreamResponse(read_rows, format="ndjson")

An ``Endpoint`` is mounted as a WSGI app:
``app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/ticks": ticks.wsgi})``.

The stream runs on penstock's own event loop, beside Flask's threads. It begins when the view has
returned, before ``after_request`` functions of the app: an error before the first item goes to the
app's error handlers. ``request``, ``g`` and ``current_app`` can be used in the source; functions of
``teardown_request`` run when the view has returned, as for every response.

Lives here: Flask's response around one stream. Stays out: the loop (``portal.py``).
"""

from __future__ import annotations

import weakref
from typing import Unpack

from flask import Response, after_this_request, current_app, has_request_context, request

from penstock._face import Body, Errors, FaceStream, pairs, with_status
from penstock._werkzeug import refusal, show_head, to_ours
from penstock.core.format import Format
from penstock.core.options import StreamKeywords
from penstock.errors import HttpError, UsageError
from penstock.types import Source
from penstock.wsgi import scope_of

__all__ = ("StreamResponse",)


class StreamResponse(Response):
    """A source as a Flask response.

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
            raise UsageError("penstock.flask.StreamResponse is made in a Flask view, while it runs")
        self._body, self._is_begun = Body(self._stream), False
        head = self._stream.head
        super().__init__(self._body, status=head.status, headers=pairs(head))
        # A response that is thrown away on its way out, by a hook that raises, is never closed.
        weakref.finalize(self, self._body.abandon).atexit = False
        # The earliest moment at which status and headers of `return response, 201` are known.
        after_this_request(_begin)

    def _begin(self) -> Response:
        """Wait for the commit; an error before it becomes what Flask makes of it."""
        self._is_begun = True
        self._stream.take_head(self.status_code, self.headers.items(), scope_of(request.environ))
        try:
            head = self._body.open_blocking(head_only=request.method == "HEAD")
        except HttpError as exc:
            return _handled(refusal(self._stream, exc))
        except Exception as exc:
            return _handled(exc)
        show_head(self, head)
        return self


def _begin(response: Response) -> Response:
    # A function, not a method: what holds the request must not hold the response, or a response
    # that is thrown away would never be collected.
    if isinstance(response, StreamResponse) and not response._is_begun:
        return response._begin()
    return response


def _handled(error: Exception) -> Response:
    """As if the view had raised it.

    Raises:
        Exception: No handler is registered for it.
    """
    return current_app.make_response(current_app.handle_user_exception(error))
