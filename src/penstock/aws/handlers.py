"""Lambda handlers written as functions: ``@stream_handler`` and ``@streamify_response``.

Lives here: both decorators, and what a handler is given. A handler is an ``Endpoint`` behind it:
the same chain, the same errors, the same wire.
Stays out: whole apps (``app_handler.py``), what a handler may return (``replies.py``).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import update_wrapper
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack, overload

from penstock.app.context import Context
from penstock.app.endpoint import EndpointBuilder, endpoint
from penstock.app.plan import METHODS, Middleware
from penstock.aws.app_handler import MARGIN, AsgiHandler, InvokeMode
from penstock.aws.calling import Calling
from penstock.aws.mixed import MixedEncoder, Raw
from penstock.aws.response_stream import ResponseStream
from penstock.core.format import Format
from penstock.core.options import StreamKeywords, StreamOptions, resolve
from penstock.core.response import Response, Streaming, stream_head
from penstock.errors import InvalidOption
from penstock.providers.producing import producer_of

if TYPE_CHECKING:
    from penstock.aws.types import LambdaContext

__all__ = (
    "LambdaHandler",
    "StreamHandler",
    "StreamifyHandler",
    "stream_handler",
    "streamify_response",
)

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class StreamifyHandler(Protocol[E_contra]):
    """``async def handler(event, response_stream, context)``: the Node.js runtime's contract."""

    def __call__(
        self, event: E_contra, response_stream: ResponseStream, context: LambdaContext, /
    ) -> Awaitable[Any] | None: ...


class StreamHandler(Protocol[E_contra]):
    """``handler(event, context)``: yields, writes to ``context.response_stream``, or returns."""

    def __call__(self, event: E_contra, context: LambdaContext, /) -> Any: ...


class LambdaHandler(AsgiHandler, Generic[E]):
    """What the decorators make: call it with an event and a context, as Lambda does.

    Attributes:
        __wrapped__: The function.
    """

    __wrapped__: Callable[..., Any]

    def __call__(self, event: E, context: Any = None) -> Any:
        """Answer one invocation; a streamed answer has left when this returns."""
        return super().__call__(event, context)


@overload
def stream_handler(handler: StreamHandler[E], /) -> LambdaHandler[E]: ...
@overload
def stream_handler(handler: StreamifyHandler[E], /) -> LambdaHandler[E]: ...
@overload
def stream_handler(
    *,
    format: str | Format = ...,
    name: str | None = ...,
    secrets: Iterable[str] = ...,
    middleware: Middleware | Iterable[Middleware] = ...,
    guards: Any = ...,
    setup: Any = ...,
    teardown: Any = ...,
    validate: Any = ...,
    unavailable: bool = ...,
    invoke_mode: InvokeMode | None = ...,
    deadline_margin: float = ...,
    **keywords: Unpack[StreamKeywords],
) -> Callable[[Callable[..., Any]], LambdaHandler[Any]]: ...


def stream_handler(
    handler: Callable[..., Any] | None = None,
    /,
    *,
    format: str | Format = "sse",
    name: str | None = None,
    secrets: Iterable[str] = (),
    middleware: Middleware | Iterable[Middleware] = (),
    guards: Any = None,
    setup: Any = None,
    teardown: Any = None,
    validate: Any = None,
    unavailable: bool = False,
    invoke_mode: InvokeMode | None = None,
    deadline_margin: float = MARGIN,
    **keywords: Unpack[StreamKeywords],
) -> Any:
    """Make a Lambda handler that streams of a function of ``(event, context)``.

    The function yields items, which are written in ``format``; or writes to
    ``context.response_stream``; or returns ``{"statusCode", "headers", "cookies", "body"}``, text,
    bytes, a file, an iterable of these, a ``Stream``, or None. One of three parameters is given
    ``(event, response_stream, context)``.

    Args:
        handler: The function.
        format: "sse", "ndjson", "text", or a format object.
        name: What the log calls it; by default the function's name.
        secrets: Environment variables to fill before it is called; see ``load_secrets``.
        middleware: ``async def middleware(ctx, call_next)``, one or a list, the first is the
            outermost; ``ctx.event`` is the event, of direct invokes too.
        guards: Functions of the context that may stop it; False is a 403.
        setup: Functions run before it.
        teardown: Functions run after the last byte, in reverse order.
        validate: Functions of the context whose False is a 400.
        unavailable: Answer 503 and run nothing else.
        invoke_mode: "stream" or "buffered"; by default what the environment variable
            PENSTOCK_INVOKE_MODE says, else streamed for function URLs and direct invokes.
        deadline_margin: Seconds before the function's deadline at which the stream is ended.
        **keywords: How the stream flows and ends; see ``StreamKeywords``.

    Raises:
        InvalidOption: A mistake that shows at definition.

    Example:
        ``@stream_handler(format="ndjson")`` above
        ``async def rows(event, context): yield {"n": 1}``
    """
    chosen, options = resolve(format, keywords, also=("name", "secrets", "middleware", "guards"))
    builder = endpoint(
        format=chosen,
        methods=METHODS,
        name=name,
        secrets=secrets,
        setup=setup,
        teardown=teardown,
        validate=validate,
        unavailable=unavailable,
        **_of_the_flow(keywords),
    )
    builder = builder.use(*((middleware,) if callable(middleware) else middleware))
    if guards is not None:
        builder = builder.guard(guards)

    def decorate(function: Callable[..., Any]) -> LambdaHandler[Any]:
        made = _Function(function, chosen, options, keywords, name=name, returns=True)
        return made.handler(builder, invoke_mode, deadline_margin)

    return decorate if handler is None else decorate(handler)


@overload
def streamify_response(handler: StreamifyHandler[E], /) -> LambdaHandler[E]: ...
@overload
def streamify_response(
    *,
    name: str | None = ...,
    secrets: Iterable[str] = ...,
    throw: bool = ...,
    invoke_mode: InvokeMode | None = ...,
    deadline_margin: float = ...,
) -> Callable[[StreamifyHandler[E]], LambdaHandler[E]]: ...


def streamify_response(
    handler: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    secrets: Iterable[str] = (),
    throw: bool = False,
    invoke_mode: InvokeMode | None = None,
    deadline_margin: float = MARGIN,
) -> Any:
    """Make a Lambda handler of ``async def handler(event, response_stream, context)``.

    The contract of AWS's runtime for Node.js: what is written is sent as it is, what is neither
    text nor bytes as JSON; what the function returns is not. Returning ends the response.

    Args:
        handler: The function.
        name: What the log calls it; by default the function's name.
        secrets: Environment variables to fill before it is called; see ``load_secrets``.
        throw: An error before the first write is raised to Lambda, for HTTP events too.
        invoke_mode: As of ``stream_handler``.
        deadline_margin: As of ``stream_handler``.

    Raises:
        InvalidOption: A mistake that shows at definition.

    Example:
        ``@streamify_response`` above ``async def handler(event, response_stream, context): ...``
    """
    keywords: StreamKeywords = {"throw": throw}
    chosen, options = resolve(Raw(), keywords)
    builder = endpoint(format=chosen, methods=METHODS, name=name, secrets=secrets, throw=throw)

    def decorate(function: Callable[..., Any]) -> LambdaHandler[Any]:
        made = _Function(function, chosen, options, keywords, name=name, returns=False)
        return made.handler(builder, invoke_mode, deadline_margin)

    return decorate if handler is None else decorate(handler)


class _Function:
    """A user's function, as what an endpoint calls."""

    def __init__(
        self,
        function: Callable[..., Any],
        format: Format,
        options: StreamOptions,
        keywords: StreamKeywords,
        *,
        name: str | None,
        returns: bool,
    ) -> None:
        self._takes_stream = _takes_stream(function, must=not returns)
        self._function = function
        self._format, self._options, self._keywords = format, options, keywords
        self._name = str(name or getattr(function, "__name__", "the handler"))
        self._returns = returns
        self._yields = any(
            inspect.isasyncgenfunction(each) or inspect.isgeneratorfunction(each)
            for each in (function, type(function).__call__)  # or an object that is called
        )

    def handler(
        self, builder: EndpointBuilder, invoke_mode: InvokeMode | None, deadline_margin: float
    ) -> LambdaHandler[Any]:
        """Return the Lambda handler."""
        respond = self._stream if self._yields else self._call

        async def answer(ctx: Context) -> Response:
            return await respond(ctx)

        answer.__name__ = self._name
        app = builder.route(METHODS, answer)
        made = app.lambda_handler(
            LambdaHandler, invoke_mode=invoke_mode, deadline_margin=deadline_margin
        )
        update_wrapper(made, self._function)
        return made

    async def _stream(self, ctx: Context) -> Response:
        head = stream_head(self._format, self._keywords)
        stream = ResponseStream(MixedEncoder(self._format), head, writable=False)
        producer = producer_of(self._invoke(ctx, stream), self._format)
        return Streaming(producer, self._format, self._options, head, end_mark=True)

    async def _call(self, ctx: Context) -> Response:
        head = stream_head(self._format, self._keywords)
        calling = Calling(
            lambda stream: self._invoke(ctx, stream),
            self._format,
            self._options,
            head,
            name=self._name,
            returns=self._returns,
        )
        return await calling.response()

    def _invoke(self, ctx: Context, stream: ResponseStream) -> Any:
        stream.host = ctx.scope.get("penstock.lambda")
        context = _lend(ctx.lambda_context, stream)
        if self._takes_stream:
            return self._function(ctx.event, stream, context)
        return self._function(ctx.event, context)


def _lend(context: Any, stream: ResponseStream) -> Any:
    """Put ``stream`` on the context, which is of this invocation alone."""
    if context is None:
        context = SimpleNamespace()
    try:
        context.response_stream = stream
    except AttributeError:  # slots, or frozen: a stand-in of a test's
        names = [name for name in dir(context) if not name.startswith("__")]
        context = SimpleNamespace(**{name: getattr(context, name) for name in names})
        context.response_stream = stream
    return context


def _takes_stream(function: Callable[..., Any], *, must: bool) -> bool:
    """Whether the function takes (event, response_stream, context).

    Raises:
        InvalidOption: It takes neither these nor (event, context).
    """
    expected = "(event, response_stream, context)"
    if not must:
        expected = f"(event, context) or {expected}"
    if not callable(function) or isinstance(function, type):
        raise InvalidOption("handler", function, f"a function of {expected}")
    signature = inspect.signature(function)
    for count in (3,) if must else (2, 3):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count == 3
    raise InvalidOption("handler", function, f"a function of {expected}, not {signature}")


def _of_the_flow(keywords: StreamKeywords) -> Any:
    """The keywords but those that ``resolve`` has put into the format."""
    wire = ("retry", "done", "error_event", "name_from", "serializer")
    return {name: value for name, value in keywords.items() if name not in wire}
