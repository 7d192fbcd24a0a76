"""``endpoint``: one function, or a few verbs, as an app for every host.

Lives here: the chain around the handler, its order, and what each kind of reply becomes.
Stays out: what a stream does (``core``), what a host does with it.

Order: wrap, use, method check, unavailable, validate, guards, set-up, handler, body, tear-down,
on_finish.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from penstock.app.around import allowed_methods, as_function, call_middleware, serve_other
from penstock.app.context import Context
from penstock.app.lifecycle import as_guards, check_available, run_guards, run_steps
from penstock.app.plan import (
    CallNext,
    Handler,
    Middleware,
    Plan,
    Route,
    Wrap,
    check_methods,
    check_middleware,
    make_plan,
    make_route,
)
from penstock.asgi import AsgiSink
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.inbox import Inbox
from penstock.core.options import StreamKeywords
from penstock.core.problem import problem_of, report
from penstock.core.producer import Reading
from penstock.core.request import MAX_BODY, Request, is_over
from penstock.core.response import RenderError, Response, Streaming, problem_response, stream_head
from penstock.core.unreturnable import Unreturnable
from penstock.errors import HttpError, InvalidOption
from penstock.providers.producing import producer_of
from penstock.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from penstock.aws.app_handler import AsgiHandler, InvokeMode
    from penstock.wsgi import WsgiApp

__all__ = ("Endpoint", "EndpointBuilder", "endpoint")

H = TypeVar("H", bound="AsgiHandler")


class _Chain:
    """The verbs and the layers that a builder and an endpoint have in common."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def wrap(self, middleware: Callable[..., Any], *args: Any, **options: Any) -> Self:
        """Put an ASGI middleware around the endpoint: ``.wrap(CORSMiddleware, allow_origins=…)``.

        The first one given is the outermost.
        """
        if not callable(middleware):
            raise InvalidOption("wrap", middleware, "an ASGI middleware class or factory")
        wrap = Wrap(middleware, args, MappingProxyType(options))
        return type(self)(self._plan._replace(wraps=(*self._plan.wraps, wrap)))

    def use(self, *middleware: Middleware) -> Self:
        """Add ``async def middleware(ctx, call_next) -> Response``; the first is the outermost.

        ``call_next(ctx)`` returns the response before its body is produced: what must happen
        after the last byte goes to ``response.on_finish``.
        """
        added = tuple(check_middleware(one) for one in middleware)
        return type(self)(self._plan._replace(middleware=(*self._plan.middleware, *added)))

    def guard(self, *checks: Any, status: int = 403) -> Self:
        """Add checks before the handler: None or True go on, False answers ``status``.

        A returned Response, or a raised error, stops with it. Each of ``checks`` is a function of
        the context, or a list of them.
        """
        HttpError(status)  # refuses what is no error status
        if not checks or None in checks:
            # A guard that is silently not there would be an open door.
            raise InvalidOption("guard", None, "a function of the context, or a list of them")
        added = tuple(guard for check in checks for guard in as_guards("guard", check, status))
        return type(self)(self._plan._replace(guards=(*self._plan.guards, *added)))

    def route(self, methods: Iterable[str], handler: Handler) -> Endpoint:
        """Answer ``methods`` with ``handler``."""
        route = make_route(handler)
        routes = {**self._plan.routes, **dict.fromkeys(check_methods(methods), route)}
        name = self._plan.name or getattr(handler, "__name__", None)
        return Endpoint(self._plan._replace(routes=MappingProxyType(routes), name=name))

    def get(self, handler: Handler) -> Endpoint:
        """Answer GET, and HEAD with its head, with ``handler``."""
        return self.route(("GET",), handler)

    def post(self, handler: Handler) -> Endpoint:
        """Answer POST with ``handler``. A browser's EventSource can only GET."""
        return self.route(("POST",), handler)

    def put(self, handler: Handler) -> Endpoint:
        """Answer PUT with ``handler``."""
        return self.route(("PUT",), handler)

    def patch(self, handler: Handler) -> Endpoint:
        """Answer PATCH with ``handler``."""
        return self.route(("PATCH",), handler)

    def delete(self, handler: Handler) -> Endpoint:
        """Answer DELETE with ``handler``."""
        return self.route(("DELETE",), handler)


class EndpointBuilder(_Chain):
    """An endpoint without a handler: call it with one, or use its verbs."""

    def __call__(self, handler: Handler) -> Endpoint:
        """Answer all of the endpoint's methods with ``handler``."""
        return self.route(self._plan.methods, handler)


class Endpoint(_Chain):
    """An ASGI app; ``.wsgi`` is the same as a WSGI app, ``.aws_lambda`` as a Lambda handler."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._wrapped: ASGIApp | None = None  # what stands around it, and around it alone
        if plan.wraps:
            self._wrapped = as_function(Endpoint(plan._replace(wraps=())))
            for wrap in reversed(plan.wraps):
                self._wrapped = wrap.factory(self._wrapped, *wrap.args, **wrap.options)
        self._call: CallNext = self._answer
        for middleware in reversed(plan.middleware):
            self._call = partial(call_middleware, middleware, self._call)
        self._allow = allowed_methods(plan.routes)
        self._on_error: RenderError = self._render  # made once: every stream keeps it

    @property
    def name(self) -> str | None:
        """What the log calls it."""
        return self._plan.name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The whole request, not a call to it: its frame stays as long as the stream does.
        if self._wrapped is not None:
            await self._wrapped(scope, receive, send)
            return
        if scope["type"] != "http":
            await serve_other(scope, receive, send)
            return
        plan = self._plan
        inbox = Inbox(receive)
        ctx = Context(
            scope,
            inbox,
            max_body=plan.max_body,
            name=plan.name,
            format=plan.format,
            defaults=plan.keywords,
        )
        response = await self._first_response(ctx)
        response.request = ctx
        if not self._raises(ctx):
            response.render_error = self._on_error
        if "penstock.lambda" in scope and isinstance(response, Streaming):
            response.raise_cuts()  # into trailers
        sink = AsgiSink(inbox, send)
        ending = await response.send(sink, head_only=ctx.method == "HEAD")
        await sink.conclude(ending)

    @cached_property
    def wsgi(self) -> WsgiApp:
        """The endpoint as a WSGI app, its wrapping included."""
        from penstock.wsgi import WsgiApp  # what the other hosts never need

        return WsgiApp(self)

    @cached_property
    def aws_lambda(self) -> AsgiHandler:
        """The endpoint as a Lambda handler that streams, its wrapping included."""
        from penstock.aws.app_handler import AsgiHandler  # what a server never needs

        return self.lambda_handler(AsgiHandler)

    def lambda_handler(
        self,
        kind: type[H],
        *,
        invoke_mode: InvokeMode | None = None,
        deadline_margin: float | None = None,
    ) -> H:
        """Return the endpoint as a Lambda handler of ``kind``; see ``penstock.aws.asgi_handler``.

        A direct invoke's event is the body of a POST, or of the first method there is, and
        ``ctx.event``.
        """
        from penstock.aws.app_handler import MARGIN

        routes = self._plan.routes
        return kind(
            self,
            invoke_mode=invoke_mode,
            deadline_margin=MARGIN if deadline_margin is None else deadline_margin,
            lifespan="auto" if self._plan.wraps else "off",
            direct_method="POST" if "POST" in routes else next(iter(routes)),
            throw=self._plan.options.throw,
            ours=True,
        )

    def __repr__(self) -> str:
        return f"<Endpoint {self.name or ''} {self._allow}>"

    # --- one request

    async def _first_response(self, ctx: Context) -> Response:
        if is_over(ctx.scope, self._plan.format):
            return Response(None, 204)
        try:
            return await self._call(ctx)
        except Exception as exc:
            if self._raises(ctx):
                raise
            return self._render(exc, ctx)

    def _raises(self, ctx: Context) -> bool:
        """Whether an error before the head is the host's to tell."""
        if self._plan.options.throw:
            return True
        host = ctx.scope.get("penstock.lambda")
        return host is not None and host.is_direct  # nobody there reads a status

    def _render(self, error: BaseException, request: Request | None) -> Response:
        report(error, "a request failed", request)
        headers = error.headers if isinstance(error, HttpError) else None
        return problem_response(problem_of(error, self._plan.options.scrub), headers)

    async def _answer(self, ctx: Context) -> Response:
        """The innermost call: an error becomes its response here, for middleware to see."""
        plan = self._plan
        method = ctx.method
        route = plan.routes.get(method) or (plan.routes.get("GET") if method == "HEAD" else None)
        if route is None:
            return self._not_allowed(method)
        begun: list[bool] = []
        try:
            response = await self._run(ctx, route, begun)
        except Exception as exc:
            if self._raises(ctx) and not plan.teardown:
                raise
            response = self._failed(exc, ctx)
        ctx.abandon_session(response)
        if begun and plan.teardown:
            steps = tuple(reversed(plan.teardown))
            # Before what the handler itself wants to hear.
            response.on_finish(lambda ending: run_steps(steps, ctx), first=True)
        return response

    async def _run(self, ctx: Context, route: Route, begun: list[bool]) -> Response:
        plan = self._plan
        check_available(plan.unavailable)
        stopped = await run_guards((*plan.validate, *plan.guards), ctx)
        if stopped is not None:
            return self._answered(stopped, ctx)
        if plan.setup or plan.teardown:
            begun.append(True)
            for step in plan.setup:
                await step.run(ctx)
        reply = route.handler(ctx)
        if inspect.isawaitable(reply):
            reply = await reply
        return self._answered(self._to_response(reply, ctx), ctx)

    def _answered(self, response: Response, ctx: Context) -> Response:
        if response.head is not ctx.head:
            response = response.fresh()
        ctx.answer(response)
        return response

    def _failed(self, error: Exception, ctx: Context) -> Response:
        if not self._raises(ctx):
            return self._render(error, ctx)

        async def fail() -> None:
            raise error

        # The tear-down belongs to a response: one that raises when it is sent.
        return Streaming(
            Reading(fail), self._plan.format, self._plan.options, Head(), end_mark=False
        )

    def _not_allowed(self, method: str) -> Response:
        headers = {"allow": self._allow}
        if method == "OPTIONS":
            return Response(None, 204, headers)
        return problem_response(problem_of(HttpError(405)), headers)

    def _to_response(self, reply: Any, ctx: Context) -> Response:
        if isinstance(reply, Response):
            return reply
        if reply is None:
            return Response(None, 204)
        if isinstance(reply, (str, bytes, Mapping)):
            return Response(reply)
        if isinstance(reply, (AsyncIterable, Iterable)) and not isinstance(reply, Unreturnable):
            plan = self._plan
            head = stream_head(plan.format, plan.keywords, ctx.head)
            producer = producer_of(reply, plan.format)
            return Streaming(producer, plan.format, plan.options, head, end_mark=True)
        from penstock.core.session import Session  # most answers are none

        if isinstance(reply, Session) and isinstance(reply.response, Response):
            return reply.response
        raise TypeError(
            f"{self.name or 'the handler'} returned {type(reply).__name__}; expected a Response, "
            "an async or sync iterable, a mapping, str, bytes, or None"
        )


@overload
def endpoint(handler: Handler, /) -> Endpoint: ...


@overload
def endpoint(
    *,
    format: str | Format = ...,
    methods: Iterable[str] = ...,
    name: str | None = ...,
    setup: Any = ...,
    teardown: Any = ...,
    validate: Any = ...,
    unavailable: bool = ...,
    secrets: Iterable[str] = ...,
    max_body: int = ...,
    **keywords: Unpack[StreamKeywords],
) -> EndpointBuilder: ...


def endpoint(
    handler: Handler | None = None,
    /,
    *,
    format: str | Format = "sse",
    methods: Iterable[str] = ("GET", "POST"),
    name: str | None = None,
    setup: Any = None,
    teardown: Any = None,
    validate: Any = None,
    unavailable: bool = False,
    secrets: Iterable[str] = (),
    max_body: int = MAX_BODY,
    **keywords: Unpack[StreamKeywords],
) -> EndpointBuilder | Endpoint:
    """Make an endpoint of a function, or a builder that waits for one.

    Args:
        handler: A function of one ``Context``: an async generator, a generator (read in a thread
            of its own), a coroutine or a function. What it yields is streamed in ``format``;
            what it returns may be a Response, an iterable to stream, a mapping (JSON), str,
            bytes or None (204).
        format: "sse", "ndjson", "text", "ui-message-stream", "openai", or a format object.
        methods: HTTP methods answered. EventSource in a browser needs GET.
        name: What the log calls it; by default the handler's name.
        setup: Functions run before the handler, after the guards, in order.
        teardown: Functions run after the last byte, in reverse order, once set-up has begun.
        validate: Guards whose False is a 400.
        unavailable: Answer 503 and run nothing else.
        secrets: Environment variables to fill before the set-up; see ``load_secrets``.
        max_body: Bytes of request body taken in before the answer is 413.
        **keywords: How the stream flows and ends; see ``StreamKeywords``.

    Raises:
        InvalidOption: A mistake that shows at definition.

    Example:
        ``@endpoint(format="ndjson")`` above ``async def rows(ctx): ... yield {"n": 1}``
    """
    plan = make_plan(
        format,
        methods=methods,
        name=name,
        setup=setup,
        teardown=teardown,
        validate=validate,
        unavailable=unavailable,
        secrets=secrets,
        max_body=max_body,
        keywords=keywords,
    )
    builder = EndpointBuilder(plan)
    return builder if handler is None else builder(handler)
