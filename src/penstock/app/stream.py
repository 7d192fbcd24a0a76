"""``Stream``: a source made into a response that knows every host.

Lives here: the class users construct, and its ways out. Stays out: what a stream does (``core``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

from penstock.asgi import respond
from penstock.core.ending import Ending
from penstock.core.format import Format
from penstock.core.memory import MemorySink
from penstock.core.options import StreamKeywords, resolve
from penstock.core.response import Streaming, stream_head
from penstock.core.unreturnable import Unreturnable
from penstock.errors import StreamError
from penstock.providers.producing import producer_of
from penstock.types import Receive, Scope, Send, Source
from penstock.wsgi import Environ, StartResponse, WsgiApp

if TYPE_CHECKING:
    from penstock.aws.response_stream import ResponseStream

__all__ = ("Stream",)


class Stream(Streaming, Unreturnable):
    """A source as a streaming response.

    Args:
        source: An async or sync iterable, an awaitable, a context manager, or a zero-argument
            callable of one. It is opened when the stream begins, inside the stream's own task.
        format: "sse", "ndjson", "text", or a format object.
        **keywords: See ``StreamKeywords``.

    Raises:
        TypeError: ``source`` can never be one.
        InvalidOption: An unknown format or option, or a value it cannot take.

    Example:
        ``await Stream(rows(), format="ndjson").to_asgi(scope, receive, send)``
    """

    __slots__ = ()  # without a __dict__, which FastAPI would take for the answer

    instead = "penstock.starlette.StreamResponse(source, ...), penstock.django's, ..."

    def __init__(
        self, source: Source, format: str | Format = "sse", **keywords: Unpack[StreamKeywords]
    ) -> None:
        chosen, options = resolve(format, keywords)
        head = stream_head(chosen, keywords)
        super().__init__(producer_of(source, chosen), chosen, options, head, end_mark=True)

    async def to_asgi(self, scope: Scope, receive: Receive, send: Send) -> Ending:
        """Send it as the answer to an ASGI HTTP request."""
        return await respond(self, scope, receive, send)

    def to_wsgi(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Return it as the answer to a WSGI request."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await respond(self, scope, receive, send)

        return WsgiApp(app)(environ, start_response)

    async def to_lambda(self, response_stream: ResponseStream) -> Ending:
        """Write it to a Lambda handler's response stream, which is not ended by it.

        Its status and headers are the response's, when nothing was written before.

        Raises:
            Exception: What the source raised before its first item.
            TransportError: It broke off later, on a wire that has no error event.
        """
        from penstock.aws.sink import LambdaSink  # what a server never needs

        return await self.send(LambdaSink(response_stream))

    async def to_bytes(self) -> bytes:
        """Return the whole body.

        Raises:
            Exception: What the source raised before its first item.
            StreamError: It broke off later, on a wire that has no error event.
        """
        sink = MemorySink()
        ending = await self.send(sink)
        if not sink.is_complete:
            raise StreamError(f"the stream broke off: {ending}")
        return sink.body
