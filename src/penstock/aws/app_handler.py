"""A whole ASGI or WSGI app as a Lambda handler that streams.

Lives here: the handler, how it chooses between streaming and buffering, the app's lifespan.
Stays out: one request's course (``exchange.py``).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast

from penstock.aws.container import container
from penstock.aws.exchange import Exchange
from penstock.aws.http_events import (
    FrontDoor,
    HttpRequest,
    UnknownEvent,
    direct_scope,
    front_door,
    read_event,
)
from penstock.aws.http_replies import BufferedReply, Reply, StreamedReply
from penstock.aws.invocation import current
from penstock.aws.ric_hook import install
from penstock.core.options import check_seconds
from penstock.errors import ConfigurationError, ExtraNotInstalled, InvalidOption, StreamError
from penstock.formats._json import dumps
from penstock.types import ASGIApp, Message, Scope

__all__ = ("AsgiHandler", "InvokeMode", "Lifespan", "asgi_handler", "wsgi_handler")

logger = logging.getLogger("penstock")

InvokeMode: TypeAlias = Literal["stream", "buffered"]
Lifespan: TypeAlias = Literal["auto", "on", "off"]

MARGIN = 2.0

# AWS's own words for it are taken too.
_MODES = {
    "stream": True,
    "streaming": True,
    "response_stream": True,
    "buffered": False,
    "buffer": False,
}
_STREAMED_BY_DEFAULT = (FrontDoor.FUNCTION_URL, FrontDoor.DIRECT)


class AsgiHandler:
    """A Lambda handler: ``handler(event, context)``.

    Args:
        app: An ASGI app.
        invoke_mode: See ``asgi_handler``.
        deadline_margin: Seconds before the function's deadline at which it is ended.
        lifespan: Whether the app has a start-up to run.
        direct_method: Method by which a direct invoke's event is given to the app; None: such an
            event is refused.
        throw: An error before the head is raised to Lambda.
        ours: The app is an ``Endpoint``, which is told that it runs on Lambda.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        invoke_mode: str | None = None,
        deadline_margin: float = MARGIN,
        lifespan: Lifespan = "auto",
        direct_method: str | None = None,
        throw: bool = False,
        ours: bool = False,
    ) -> None:
        if not callable(app):
            raise InvalidOption("app", app, "an ASGI app")
        if lifespan not in ("auto", "on", "off"):
            raise InvalidOption("lifespan", lifespan, '"auto", "on" or "off"')
        check_seconds("deadline_margin", deadline_margin)
        self.app = app
        self._streams = _read_mode("invoke_mode", invoke_mode) if invoke_mode is not None else None
        self._margin, self._lifespan = deadline_margin, lifespan
        self._direct_method, self._throw = direct_method, throw
        self._ours = ours
        self._warned = False
        dumps(None)  # loads the JSON writer: a start has more processor time than an invocation
        install()

    def __call__(self, event: Any, context: Any) -> Any:
        """Answer one invocation; a streamed answer has left when this returns."""
        install()  # a handler may have been made before awslambdaric was there; it is a look
        return container().run(lambda: self.answer(event, context))

    async def answer(self, event: Any, context: Any) -> Any:
        """Answer one invocation, on a loop that is there; see ``__call__``."""
        door = front_door(event)
        if door is FrontDoor.COMPLETION:
            logger.debug("a streamed response was completed: %s", event)
            return {}
        request = self._request(event, context, door)
        if self._ours:
            request.scope["penstock.lambda"] = request.about
        invocation = current(context)
        reply: Reply
        if invocation is not None and self._is_streamed(door):
            reply = StreamedReply(invocation, request)
        else:
            reply = BufferedReply(request)
        if self._lifespan != "off":
            state = await container().once(self, self._start_up)
            request.scope["state"] = dict(state)
        request_id = str(getattr(context, "aws_request_id", None) or "no request id")
        raises = self._throw or door is FrontDoor.DIRECT
        exchange = Exchange(self.app, request, reply, request_id, raises=raises)
        seconds, margin = _time_left(context, self._margin)
        return await exchange.run(seconds, margin)

    def _request(self, event: Any, context: Any, door: FrontDoor) -> HttpRequest:
        if door is not FrontDoor.DIRECT:
            return read_event(event, context)
        if self._direct_method is None:
            raise UnknownEvent(event)
        return direct_scope(event, context, self._direct_method)

    def _is_streamed(self, door: FrontDoor) -> bool:
        if self._streams is not None:
            return self._streams
        if mode := os.environ.get("PENSTOCK_INVOKE_MODE"):
            return _read_mode("PENSTOCK_INVOKE_MODE", mode)
        if door is FrontDoor.REST_API and not self._warned:
            self._warned = True
            logger.warning(
                "a REST API does not say whether it streams: this reply is buffered; where its "
                'integration has response transfer mode STREAM, say invoke_mode="stream" or set '
                "PENSTOCK_INVOKE_MODE=stream, and where not, =buffered"
            )
        return door in _STREAMED_BY_DEFAULT

    async def _start_up(self) -> dict[str, Any]:
        """Run the app's start-up; what it holds lives as long as the container."""
        self._startup = _StartUp(self.app)
        return await self._startup.run(required=self._lifespan == "on")


class _StartUp:
    """The lifespan of an app: its start-up. Lambda kills, so there is no shut-down."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._state: dict[str, Any] = {}
        self._answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked = False

    async def run(self, *, required: bool) -> dict[str, Any]:
        """Return the state it made.

        Raises:
            ConfigurationError: The app said that its start-up failed.
            Exception: It raised, and it is ``required``.
        """
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        self._task = asyncio.ensure_future(self._app(scope, self._receive, self._send))
        both: list[asyncio.Future[Any]] = [self._task, self._answer]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if self._answer.done():
            message = self._answer.result()
            if message["type"] == "lifespan.startup.failed":
                raise ConfigurationError(f"the app's start-up failed: {message.get('message')}")
            return self._state
        error = None if self._task.cancelled() else self._task.exception()
        if required:
            raise error or StreamError("the app returned from its lifespan without a start-up")
        logger.debug("the app has no lifespan", exc_info=error)
        return self._state

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await asyncio.get_running_loop().create_future()  # for ever
        raise AssertionError

    async def _send(self, message: Message) -> None:
        if not self._answer.done():
            self._answer.set_result(message)


def asgi_handler(
    app: ASGIApp,
    *,
    invoke_mode: InvokeMode | None = None,
    deadline_margin: float = MARGIN,
    lifespan: Lifespan = "auto",
) -> AsgiHandler:
    """Return a Lambda handler that answers HTTP events by an ASGI app, streaming.

    The app's start-up runs once for each container, at its first invocation; a shut-down never.

    Args:
        app: A FastAPI or Starlette app, an ``Endpoint``, any other.
        invoke_mode: "stream" or "buffered"; by default what the environment variable
            PENSTOCK_INVOKE_MODE says, else streamed for function URLs and buffered for others.
        deadline_margin: Seconds before the function's deadline at which a running response is
            ended: penstock's streams by a 504, others by error trailers.
        lifespan: "on": the app must have a start-up; "off": it is not run; "auto": it may.

    Raises:
        InvalidOption: One of these cannot mean anything.

    Example:
        ``handler = asgi_handler(app)``
    """
    lambda_handler = getattr(app, "lambda_handler", None)
    if lambda_handler is not None:  # an Endpoint: it knows more of itself than ASGI says
        made: AsgiHandler = lambda_handler(
            AsgiHandler, invoke_mode=invoke_mode, deadline_margin=deadline_margin
        )
        return made
    return AsgiHandler(
        app, invoke_mode=invoke_mode, deadline_margin=deadline_margin, lifespan=lifespan
    )


def wsgi_handler(
    app: Callable[..., Any],
    *,
    invoke_mode: InvokeMode | None = None,
    deadline_margin: float = MARGIN,
) -> AsgiHandler:
    """Return a Lambda handler that answers HTTP events by a WSGI app, streaming.

    Args:
        app: A Flask or Django app, any other.
        invoke_mode: As of ``asgi_handler``.
        deadline_margin: As of ``asgi_handler``.

    Raises:
        ExtraNotInstalled: a2wsgi is missing.
        InvalidOption: One of these cannot mean anything.
    """
    try:
        from a2wsgi import WSGIMiddleware
    except ImportError as exc:
        raise ExtraNotInstalled("aws") from exc
    asgi = cast(ASGIApp, WSGIMiddleware(app))
    return AsgiHandler(
        asgi, invoke_mode=invoke_mode, deadline_margin=deadline_margin, lifespan="off"
    )


def _read_mode(option: str, mode: str) -> bool:
    if not isinstance(mode, str) or mode.lower() not in _MODES:
        raise InvalidOption(option, mode, '"stream" or "buffered"')
    return _MODES[mode.lower()]


def _time_left(context: Any, margin: float) -> tuple[float | None, float]:
    """Return the seconds until the answer must begin to end, and those it then has."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if remaining is None:
        return None, margin
    left: float = remaining() / 1000
    margin = min(margin, left / 2)  # a function of a second gets half of it
    return left - margin, margin
