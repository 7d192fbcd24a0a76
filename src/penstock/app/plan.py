"""What an endpoint was defined to do, checked when it is defined.

Lives here: the definition as a value, and every mistake that can be seen in it.
Stays out: running it (``endpoint.py``).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from penstock.app.context import Context
from penstock.app.lifecycle import Guard, Step, as_guards, as_steps
from penstock.aws.secrets import check_names, load_secrets
from penstock.core.format import Format
from penstock.core.options import StreamKeywords, StreamOptions, resolve
from penstock.core.response import Response, stream_head
from penstock.errors import InvalidOption

__all__ = ("CallNext", "Handler", "HandlerKind", "Middleware", "Plan", "Route", "Wrap", "make_plan")

# AsyncIterable | Iterable | Mapping | Response | str | bytes | None, or an awaitable of one
Handler: TypeAlias = Callable[[Context], Any]
CallNext: TypeAlias = Callable[[Context], Awaitable[Response]]
Middleware: TypeAlias = Callable[[Context, CallNext], Awaitable[Response]]
HandlerKind: TypeAlias = Literal["generator", "function"]

# What endpoint() takes besides a stream's options.
_OPTIONS = (
    "format",
    "max_body",
    "methods",
    "name",
    "secrets",
    "setup",
    "teardown",
    "unavailable",
    "validate",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


# Named tuples here, not dataclasses: these take a cold start several times as long to define.
class Route(NamedTuple):
    """A handler, and whether calling it only makes a generator."""

    handler: Handler
    kind: HandlerKind


class Wrap(NamedTuple):
    """An ASGI middleware around the endpoint, and how to make it."""

    factory: Callable[..., Any]
    args: tuple[Any, ...]
    options: Mapping[str, Any]


class Plan(NamedTuple):
    """An endpoint's definition."""

    name: str | None
    format: Format
    options: StreamOptions
    keywords: StreamKeywords
    methods: tuple[str, ...]
    unavailable: bool
    max_body: int
    validate: tuple[Guard, ...]
    setup: tuple[Step, ...]
    teardown: tuple[Step, ...]
    guards: tuple[Guard, ...] = ()
    middleware: tuple[Middleware, ...] = ()
    wraps: tuple[Wrap, ...] = ()
    routes: Mapping[str, Route] = MappingProxyType({})


def make_plan(
    format: str | Format,
    *,
    methods: Any,
    name: str | None,
    setup: Any,
    teardown: Any,
    validate: Any,
    unavailable: bool,
    secrets: Any,
    max_body: int,
    keywords: StreamKeywords,
) -> Plan:
    """Return the plan that ``endpoint(...)``'s arguments ask for.

    Raises:
        InvalidOption: One of them cannot mean anything.
        InvalidField: A header cannot be sent.
    """
    chosen, options = resolve(format, keywords, also=_OPTIONS)
    stream_head(chosen, keywords)  # refuses a status or a header that cannot be sent
    if isinstance(max_body, bool) or not isinstance(max_body, int) or max_body < 0:
        raise InvalidOption("max_body", max_body, "a number of bytes")
    if name is not None and not isinstance(name, str):
        raise InvalidOption("name", name, "a str, for log lines")
    if not isinstance(unavailable, bool):
        raise InvalidOption("unavailable", unavailable, "True or False")
    return Plan(
        name=name,
        format=chosen,
        options=options,
        keywords=keywords,
        methods=check_methods(methods),
        unavailable=unavailable,
        max_body=max_body,
        validate=as_guards("validate", validate, 400),
        setup=(*_secret_steps(secrets), *as_steps("setup", setup)),
        teardown=as_steps("teardown", teardown),
    )


def _secret_steps(secrets: Any) -> tuple[Step, ...]:
    names = check_names(secrets)
    return (Step(partial(load_secrets, names), False),) if names else ()


def make_route(handler: Any) -> Route:
    """Return ``handler`` as a route.

    Raises:
        InvalidOption: It cannot be called with one context.
    """
    if not callable(handler) or isinstance(handler, type):
        raise InvalidOption("handler", handler, "a function of one Context")
    try:
        inspect.signature(handler).bind(None)
    except TypeError as exc:
        raise InvalidOption("handler", handler, f"a function of one Context ({exc})") from exc
    is_generator = inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler)
    return Route(handler, "generator" if is_generator else "function")


def check_middleware(middleware: Any) -> Middleware:
    """Return ``middleware`` when it can be one.

    Raises:
        InvalidOption: It is no coroutine function of (ctx, call_next).
    """
    call = getattr(middleware, "__call__", None)  # noqa: B004  # an instance's own, to look at
    if not (inspect.iscoroutinefunction(middleware) or inspect.iscoroutinefunction(call)):
        raise InvalidOption("use", middleware, "async def middleware(ctx, call_next)")
    checked: Middleware = middleware
    return checked


def check_methods(methods: Any) -> tuple[str, ...]:
    """Return ``methods`` in capitals.

    Raises:
        InvalidOption: It is no list of HTTP methods.
    """
    if isinstance(methods, str) or not isinstance(methods, (list, tuple, set, frozenset)):
        raise InvalidOption("methods", methods, 'a list of methods, such as ("GET", "POST")')
    names = tuple(str(method).upper() for method in methods)
    for name in names:
        if name not in METHODS:
            raise InvalidOption("methods", name, f"among {', '.join(METHODS)}")
    if not names:
        raise InvalidOption("methods", methods, "at least one method")
    return names
