"""``endpoint``: one function, or a few verbs, as an app for every host.

Lives here: the chain around the handler, its order, and what each kind of reply becomes.
Stays out: what a stream does (``core``), what a host does with it.

Order: wrap, use, method check, unavailable, validate, guards, set-up, handler, body, tear-down,
on_finish.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Self, Unpack, overload

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
from penstock.asgi import AsgiSink, run_lifespan
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.inbox import Inbox
from penstock.core.options import StreamKeywords
from penstock.core.problem import problem_of, report
from penstock.core.producer import Reading
from penstock.core.request import MAX_BODY, Request, is_over
from penstock.core.response import RenderError, Response, Streaming, problem_response, stream_head
from penstock.errors import HttpError, InvalidOption
from penstock.types import ASGIApp, Receive, Scope, Send
from penstock.wsgi import WsgiApp

__all__ = ("Endpoint", "EndpointBuilder", "endpoint")


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
        return type(self)(replace(self._plan, wraps=(*self._plan.wraps, wrap)))

    def use(self, *middleware: Middleware) -> Self:
        """Add ``async def middleware(ctx, call_next) -> Response``; the first is the outermost.

        ``call_next(ctx)`` returns the response before its body is produced: what must happen
        after the last byte goes to ``response.on_finish``.
        """
        added = tuple(check_middleware(one) for one in middleware)
        return type(self)(replace(self._plan, middleware=(*self._plan.middleware, *added)))

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
        return type(self)(replace(self._plan, guards=(*self._plan.guards, *added)))

    def route(self, methods: Iterable[str], handler: Handler) -> Endpoint:
        """Answer ``methods`` with ``handler``."""
        route = make_route(handler)
        routes = {**self._plan.routes, **dict.fromkeys(check_methods(methods), route)}
        name = self._plan.name or getattr(handler, "__name__", None)
        return Endpoint(replace(self._plan, routes=MappingProxyType(routes), name=name))

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
    """An ASGI app; ``.wsgi`` is the same as a WSGI app."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._wrapped: ASGIApp | None = None  # what stands around it, and around it alone
        if plan.wraps:
            self._wrapped = _as_function(Endpoint(replace(plan, wraps=())))
            for wrap in reversed(plan.wraps):
                self._wrapped = wrap.factory(self._wrapped, *wrap.args, **wrap.options)
        self._call: CallNext = self._answer
        for middleware in reversed(plan.middleware):
            self._call = partial(_call_middleware, middleware, self._call)
        self._allow = _allow(plan.routes)
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
            await _serve_other(scope, receive, send)
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
        if not plan.options.throw:
            response.render_error = self._on_error
        sink = AsgiSink(inbox, send)
        ending = await response.send(sink, head_only=ctx.method == "HEAD")
        await sink.conclude(ending)

    @cached_property
    def wsgi(self) -> WsgiApp:
        """The endpoint as a WSGI app, its wrapping included."""
        return WsgiApp(self)

    def __repr__(self) -> str:
        return f"<Endpoint {self.name or ''} {self._allow}>"

    # --- one request

    async def _first_response(self, ctx: Context) -> Response:
        if is_over(ctx.scope, self._plan.format):
            return Response(None, 204)
        try:
            return await self._call(ctx)
        except Exception as exc:
            if self._plan.options.throw:
                raise
            return self._render(exc, ctx)

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
            if plan.options.throw and not plan.teardown:
                raise
            response = self._failed(exc, ctx)
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
        if not self._plan.options.throw:
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
        if isinstance(reply, (AsyncIterable, Iterable)):
            plan = self._plan
            head = stream_head(plan.format, plan.keywords, ctx.head)
            return Streaming(Reading(reply), plan.format, plan.options, head, end_mark=True)
        raise TypeError(
            f"{self.name or 'the handler'} returned {type(reply).__name__}; expected a Response, "
            "an async or sync iterable, a mapping, str, bytes, or None"
        )


def _as_function(app: ASGIApp) -> ASGIApp:
    """Return ``app`` as what a middleware that looks closer takes for an ASGI 3 app.

    Sentry's takes a bound method for ASGI 2: it looks at ``__call__`` of all but functions.
    """

    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return function


async def _serve_other(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})  # before accept: 403
    else:
        raise ValueError(f"an endpoint answers HTTP, got a scope of type {scope['type']!r}")


async def _call_middleware(middleware: Middleware, call_next: CallNext, ctx: Context) -> Response:
    inner: Response | None = None

    async def call_and_keep(ctx: Context) -> Response:
        nonlocal inner
        inner = await call_next(ctx)
        return inner

    response: Any = None
    try:
        response = await middleware(ctx, call_and_keep)
        if not isinstance(response, Response):
            raise TypeError(
                f"middleware {getattr(middleware, '__qualname__', middleware)} returned "
                f"{type(response).__name__}; it must return the Response of call_next, or its own"
            )
    finally:
        if inner is not None and inner is not response:
            await inner.drop()  # nobody will send it, and its tear-down is owed
    return response if response is inner else response.fresh()


def _allow(routes: Mapping[str, Route]) -> str:
    names = dict.fromkeys(routes)
    if "GET" in names:
        names["HEAD"] = None
    names["OPTIONS"] = None
    return ", ".join(names)


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
    max_body: int = MAX_BODY,
    **keywords: Unpack[StreamKeywords],
) -> EndpointBuilder | Endpoint:
    """Make an endpoint of a function, or a builder that waits for one.

    Args:
        handler: A function of one ``Context``: an async generator, a generator (read in a thread
            of its own), a coroutine or a function. What it yields is streamed in ``format``;
            what it returns may be a Response, an iterable to stream, a mapping (JSON), str,
            bytes or None (204).
        format: "sse", "ndjson", "text", or a format object.
        methods: HTTP methods answered. EventSource in a browser needs GET.
        name: What the log calls it; by default the handler's name.
        setup: Functions run before the handler, after the guards, in order.
        teardown: Functions run after the last byte, in reverse order, once set-up has begun.
        validate: Guards whose False is a 400.
        unavailable: Answer 503 and run nothing else.
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
        max_body=max_body,
        keywords=keywords,
    )
    builder = EndpointBuilder(plan)
    return builder if handler is None else builder(handler)
