"""``create_session`` and ``create_response``, for whichever request they are given.

Lives here: telling requests apart. Stays out: what is then made (``app/session``, the faces).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, Unpack, cast, overload

from penstock.app.context import Context
from penstock.app.session import (
    SessionCallback,
    SessionContext,
    SessionKeywords,
    SessionResponse,
    make_session,
)
from penstock.core.inbox import Inbox
from penstock.core.request import Request
from penstock.core.session import Session
from penstock.errors import UsageError
from penstock.types import Receive, Scope, Send

__all__ = ("create_response", "create_session")

State = TypeVar("State")

# Frameworks that take no ASGI app from a view: a session could not be returned there.
_WITHOUT_APPS = ("django", "flask", "quart")


@overload
def create_session(
    scope: Scope, receive: Receive, send: Send, /, **keywords: Unpack[SessionKeywords]
) -> SessionContext[Any]: ...


@overload
def create_session(
    scope: Scope,
    receive: Receive,
    send: Send,
    /,
    *,
    state: State,
    **keywords: Unpack[SessionKeywords],
) -> SessionContext[State]: ...


@overload
def create_session(request: Any, /, **keywords: Unpack[SessionKeywords]) -> Session[Any]: ...


@overload
def create_session(
    request: Any, /, *, state: State, **keywords: Unpack[SessionKeywords]
) -> Session[State]: ...


def create_session(
    request: Any,
    receive: Receive | None = None,
    send: Send | None = None,
    /,
    *,
    state: Any = None,
    **keywords: Unpack[SessionKeywords],
) -> SessionContext[Any] | Session[Any]:
    """Make a session of a request.

    Over bare ASGI, ``async with create_session(scope, receive, send) as session``: it is connected
    in the block, and ends with it. Of a framework's request, ``session = create_session(request)``:
    write to it, register it, and return ``session.response`` from the view.

    Args:
        request: ASGI scope; or the request of Starlette, FastAPI, an endpoint (its ``Context``), or
            any other that has a ``scope``.
        receive: ASGI's, with a scope.
        send: ASGI's, with a scope.
        state: Yours, as ``session.state``.
        **keywords: See ``SessionKeywords``.

    Raises:
        InvalidOption: An unknown option, or a value it cannot take.
        UsageError: It is no request that could become a session.
    """
    if receive is None and send is None:
        return _make(request, None, state, keywords)
    if receive is None or send is None or not isinstance(request, Mapping):
        raise UsageError("create_session takes scope, receive and send, or a framework's request")
    scope = cast(Scope, request)
    if scope["type"] != "http":
        raise UsageError(f"a session answers HTTP requests, not a {scope['type']}")
    ours = Request(scope, Inbox(receive))
    session = make_session(ours, scope, None, state, keywords)
    return SessionContext(session, scope, receive, send)


def create_response(
    request: Any,
    callback: SessionCallback[Any],
    /,
    *,
    state: Any = None,
    **keywords: Unpack[SessionKeywords],
) -> Any:
    """Return a response that carries a session, for the framework that ``request`` is of.

    ``callback(session)``, a function or a coroutine function, is called when the reader is
    connected. The response ends when it returns, unless the session was registered in a channel,
    or work that it ``spawn()``ed still runs.

    Args:
        request: The request of Starlette, FastAPI or an endpoint; an ASGI scope; or any other
            request that has a ``scope``: then the response is an ASGI app.
        callback: Is given the session.
        state: Yours, as ``session.state``.
        **keywords: See ``SessionKeywords``.

    Raises:
        InvalidOption, UsageError: As ``create_session``.

    Example:
        ``return create_response(request, lambda session: room.register(session))``
    """
    if callback is None:
        raise UsageError("create_response needs a function of the session; see create_session")
    return _make(request, callback, state, keywords).response


def _make(
    request: Any, callback: SessionCallback[Any] | None, state: Any, keywords: SessionKeywords
) -> Session[Any]:
    if isinstance(request, Context):
        return request.session(callback, state=state, **keywords)
    framework = _framework_of(request)
    if framework in _WITHOUT_APPS:
        raise UsageError(
            f"a view of {framework.title()} cannot return a session: return "
            f"penstock.{framework}.StreamResponse(channel.subscribe()), or mount an endpoint"
        )
    scope = request if isinstance(request, Mapping) else getattr(request, "scope", None)
    if not isinstance(scope, Mapping) or scope.get("type") != "http":
        raise UsageError(
            f"expected an HTTP request with an ASGI scope, got {type(request).__name__}; "
            "under WSGI return a framework's StreamResponse(channel.subscribe())"
        )
    session = make_session(request, cast(Scope, scope), callback, state, keywords)
    if framework == "starlette":
        from penstock.starlette import SessionResponse as StarletteSessionResponse

        carried = session.response
        assert isinstance(carried, SessionResponse)
        session.response = StarletteSessionResponse(carried)
    return session


def _framework_of(request: Any) -> str:
    """Return the package of the framework whose request it is; "" when it is none of those."""
    kinds = request.__class__.__mro__  # not its type's: Flask's and Quart's are proxies
    packages = [kind.__module__.partition(".")[0] for kind in kinds]
    known = ("starlette", *_WITHOUT_APPS)
    return next((package for package in packages if package in known), "")
