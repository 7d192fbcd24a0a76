"""The Lambda Runtime API, as strict as the service's.

Lives here: the routes under /2018-06-01/runtime, which call is allowed when, and which status says
that it was not. Stays out: processes, deadlines, callers.

Sources: AWS, "Using the Lambda runtime API", and what AWS's Runtime Interface Emulator was seen to
answer.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from penstock.aws.emulator.http import Aborted, Exchange, HttpServer, TooLarge, bind
from penstock.aws.emulator.invocation import Invocation
from penstock.aws.emulator.limits import BUFFERED_LIMIT, STREAMED_LIMIT, TRAILER_LIMIT
from penstock.aws.emulator.reply import Failure, Gone, Head

__all__ = ("RuntimeApi",)

_PREFIX = "/2018-06-01/runtime"
_ERROR_TYPE = "lambda-runtime-function-error-type"
_ERROR_BODY = "lambda-runtime-function-error-body"
_MODE = "lambda-runtime-function-response-mode"
# A process that dies leaves a body that is cut; its death is the better word for it.
_DYING_SECONDS = 0.5

_log = logging.getLogger("penstock.aws.emulator")

Listener: TypeAlias = Callable[[], object]


class RuntimeApi:
    """What one function process talks to.

    Args:
        arn: The function's ARN, sent with each invocation.
        concurrent: Managed instances: several invocations at once, 410 for one that is gone.

    Attributes:
        init_failure: What the runtime posted to /init/error.
        exited: Set by whoever runs the process, once that has ended.
    """

    def __init__(self, arn: str, *, concurrent: bool = False) -> None:
        self._arn = arn
        self._concurrent = concurrent
        self._server = HttpServer(self._handle, bind())
        self._waiting: deque[Invocation] = deque()
        self._current: dict[str, Invocation] = {}
        self._changed = asyncio.Event()
        self._idle = 0  # runtimes that wait in /next
        self._stuck = False  # an answer was refused for good; only a restart helps
        self.init_failure: Failure | None = None
        self.exited = asyncio.Event()

    @property
    def address(self) -> str:
        """AWS_LAMBDA_RUNTIME_API."""
        return self._server.address

    @property
    def is_ready(self) -> bool:
        """A runtime waits for an invocation."""
        return self._idle > 0

    @property
    def is_concurrent(self) -> bool:
        return self._concurrent

    @property
    def is_stuck(self) -> bool:
        """An answer was refused for good: only a new process helps."""
        return self._stuck

    async def start(self) -> None:
        """Begin to listen."""
        await self._server.start()

    async def aclose(self) -> None:
        """Cut every connection."""
        await self._server.aclose()

    def submit(self, invocation: Invocation) -> None:
        """Give ``invocation`` to the next runtime that asks."""
        self._waiting.append(invocation)
        self.notify()

    def withdraw(self, invocation: Invocation) -> None:
        """Take ``invocation`` back: it has ended, whatever its runtime says later is refused."""
        if invocation in self._waiting:
            self._waiting.remove(invocation)
        self._current.pop(invocation.id, None)
        self.notify()

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready()``; looked at whenever a runtime did something."""
        while not ready():
            await self._changed.wait()

    def notify(self) -> None:
        """Let those who wait in ``until`` look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    # Routes

    async def _handle(self, exchange: Exchange) -> None:
        method, path = exchange.method, exchange.path
        if not path.startswith(f"{_PREFIX}/"):
            await _refuse(exchange, 404, "NotFound", f"no such path: {path}")
            return
        match method, path.removeprefix(f"{_PREFIX}/").split("/"):
            case "GET", ["invocation", "next"]:
                await self._next(exchange)
            case "POST", ["invocation", request_id, "response"]:
                await self._answer(exchange, request_id, self._response)
            case "POST", ["invocation", request_id, "error"]:
                await self._answer(exchange, request_id, self._error)
            case "POST", ["init", "error"]:
                await self._init_error(exchange)
            case _:
                await _refuse(exchange, 404, "NotFound", f"no such path: {method} {path}")

    async def _next(self, exchange: Exchange) -> None:
        await exchange.body(BUFFERED_LIMIT)
        if not self._concurrent:
            if self._stuck or any(each.phase != "answered" for each in self._current.values()):
                await _invalid_state(exchange, "the last invocation has not been answered")
                return
            self._current.clear()
        self._idle += 1
        self.notify()
        try:
            await self.until(lambda: bool(self._waiting))
        finally:
            self._idle -= 1
        invocation = self._waiting.popleft()
        invocation.phase = "running"
        self._current[invocation.id] = invocation
        self.notify()
        await exchange.respond(200, self._next_headers(invocation), invocation.payload)

    def _next_headers(self, invocation: Invocation) -> list[tuple[str, str]]:
        headers = [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", invocation.id),
            ("Lambda-Runtime-Deadline-Ms", str(int(invocation.deadline * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", self._arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
            ("Lambda-Runtime-Invocation-Id", invocation.echo),
        ]
        if invocation.client_context is not None:
            headers.append(("Lambda-Runtime-Client-Context", invocation.client_context))
        if invocation.tenant_id is not None:
            headers.append(("Lambda-Runtime-Aws-Tenant-Id", invocation.tenant_id))
        return headers

    async def _answer(
        self,
        exchange: Exchange,
        request_id: str,
        answer: Callable[[Exchange, Invocation], object],
    ) -> None:
        invocation = self._current.get(request_id)
        if invocation is None:
            if self._concurrent:
                await _refuse(exchange, 410, "InvokeTimeout", "the invocation is gone")
            else:
                await _refuse(exchange, 400, "InvalidRequestID", f"not running: {request_id}")
            return
        echo = exchange.header("lambda-runtime-invocation-id")
        if echo is not None and echo != invocation.echo:
            _log.error("Cross-wiring detected: %s is not the invocation id of %s", echo, request_id)
            await _refuse(exchange, 410, "InvokeTimeout", "Cross-wiring detected")
            return
        if invocation.phase != "running" or self._stuck:
            await _invalid_state(exchange, f"the invocation is {invocation.phase} already")
            return
        try:
            await answer(exchange, invocation)  # type: ignore[misc]  # the two methods below
        except Gone:
            if self._concurrent:
                await _refuse(exchange, 410, "InvokeTimeout", "the invocation is gone")
            else:
                exchange.abort()

    async def _response(self, exchange: Exchange, invocation: Invocation) -> None:
        mode = exchange.header(_MODE)
        if mode not in (None, "streaming"):
            self._stuck = True
            message = f"{_MODE} is {mode!r}, not 'streaming'"
            self._fail(invocation, "Runtime.InvalidFunctionResponseMode", message)
            await _refuse(exchange, 400, "InvalidFunctionResponseMode", message)
            return
        invocation.phase = "responding"
        content_type = exchange.header("content-type") or "application/octet-stream"
        head = Head(content_type, streamed=mode is not None)
        try:
            if mode is None:
                body = await exchange.body(BUFFERED_LIMIT)
                invocation.reply.start(head)
                await invocation.reply.put(body)
            else:
                await self._stream(exchange, invocation, head)
            failure = _failure_in(exchange.trailers)
        except TooLarge:
            await self._too_large(exchange, invocation)
            return
        except (Aborted, _TrailersTooLong) as exc:
            await self._truncated(exchange, invocation, exc)
            return
        invocation.reply.end(failure)
        await invocation.reply.drained()
        self._answered(invocation)
        await _accept(exchange)

    async def _stream(self, exchange: Exchange, invocation: Invocation, head: Head) -> None:
        # A caller who takes the answer whole gets no more of it than of one that is not streamed.
        limit = STREAMED_LIMIT if invocation.streamed else BUFFERED_LIMIT
        reply, size, held = invocation.reply, 0, []
        if invocation.streamed:
            reply.start(head)
        async for chunk in exchange.chunks():
            size += len(chunk)
            if size > limit:
                continue  # read to its end, as RAPID does
            if invocation.streamed:
                await reply.put(chunk)
            else:
                held.append(chunk)
        if size > limit:
            raise TooLarge
        if not invocation.streamed:
            reply.start(head)
            await reply.put(b"".join(held))

    async def _error(self, exchange: Exchange, invocation: Invocation) -> None:
        type_ = exchange.header(_ERROR_TYPE)
        invocation.phase = "responding"
        try:
            body = await exchange.body(BUFFERED_LIMIT)
        except TooLarge:
            await self._too_large(exchange, invocation)
            return
        except Aborted as exc:
            await self._truncated(exchange, invocation, exc)
            return
        invocation.reply.end(Failure(type_ or _type_in(body) or "Function.Unknown", body))
        self._answered(invocation)
        await _accept(exchange)

    async def _init_error(self, exchange: Exchange) -> None:
        type_, body = exchange.header(_ERROR_TYPE), await exchange.body(BUFFERED_LIMIT)
        self.init_failure = Failure(type_ or _type_in(body) or "Runtime.Unknown", body)
        self.notify()
        await _accept(exchange)

    async def _too_large(self, exchange: Exchange, invocation: Invocation) -> None:
        limit = STREAMED_LIMIT if invocation.streamed and exchange.header(_MODE) else BUFFERED_LIMIT
        message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
        self._fail(invocation, "Function.ResponseSizeTooLarge", message)
        await _refuse(exchange, 413, "RequestEntityTooLarge", message)

    async def _truncated(
        self, exchange: Exchange, invocation: Invocation, error: Exception
    ) -> None:
        if isinstance(error, Aborted):
            try:
                await asyncio.wait_for(self.exited.wait(), _DYING_SECONDS)
            except TimeoutError:
                pass  # it lives: the body was cut by its own hand
            else:
                await asyncio.sleep(0)  # whoever told us names the failure first
        self._fail(invocation, "Runtime.TruncatedResponse", f"the response was cut: {error}")
        try:
            await _refuse(exchange, 400, "TruncatedHTTPRequest", str(error))
        finally:
            exchange.abort()

    def _fail(self, invocation: Invocation, type_: str, message: str) -> None:
        text = f"RequestId: {invocation.id} Error: {message}"
        invocation.reply.end(Failure.of(type_, text))
        self._answered(invocation)

    def _answered(self, invocation: Invocation) -> None:
        invocation.phase = "answered"
        if self._concurrent:
            self._current.pop(invocation.id, None)
        self.notify()


class _TrailersTooLong(Exception):
    """Go's server gives up on the request."""


def _failure_in(trailers: list[tuple[str, str]]) -> Failure | None:
    size = sum(len(name) + len(value) + 4 for name, value in trailers)
    if size > TRAILER_LIMIT:
        raise _TrailersTooLong(f"trailers of {size} bytes, at most {TRAILER_LIMIT}")
    values = dict(trailers)
    type_, encoded = values.get(_ERROR_TYPE), values.get(_ERROR_BODY)
    if type_ is None and encoded is None:
        return None
    try:
        body = base64.b64decode(encoded or "", validate=True)
    except binascii.Error:
        body = (encoded or "").encode()
    return Failure(type_ or "Runtime.Unknown", body)


def _type_in(body: bytes) -> str | None:
    try:
        return str(json.loads(body)["errorType"])
    except (ValueError, KeyError, TypeError):
        return None


async def _accept(exchange: Exchange) -> None:
    body = b'{"status":"OK"}\n'
    await exchange.respond(202, [("Content-Type", "application/json")], body)


async def _invalid_state(exchange: Exchange, why: str) -> None:
    message = f"State transition failed for runtime: {why}. Error: State transition is not allowed"
    await _refuse(exchange, 403, "InvalidStateTransition", message)


async def _refuse(exchange: Exchange, status: int, type_: str, message: str) -> None:
    body = json.dumps({"errorMessage": message, "errorType": type_}).encode()
    await exchange.respond(status, [("Content-Type", "application/json")], body)
