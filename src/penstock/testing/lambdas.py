"""``open_lambda``: a Lambda handler, an event, and the response in a test's hands."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from itertools import count
from typing import Any

from penstock.aws.app_handler import AsgiHandler
from penstock.aws.invocation import Invocation, begin, end, is_answered
from penstock.aws.runtime_api import HTTP_INTEGRATION, PRELUDE_END, FunctionError
from penstock.clock import Clock, current_clock, use_clock
from penstock.errors import InvalidOption
from penstock.testing._wire import Wire
from penstock.testing.opening import check_buffer, lend
from penstock.testing.stream import Decoder, OpenStream

__all__ = ("LambdaContext", "open_lambda")

_NUMBERS = count(1)


class LambdaContext:
    """A context as Lambda gives it.

    Args:
        seconds: Until the function's deadline.
        clock: Where time comes from.

    Attributes:
        aws_request_id: Made up, another for each.
    """

    response_stream: Any

    def __init__(self, seconds: float = 60.0, *, clock: Clock | None = None) -> None:
        self.aws_request_id = f"test-{next(_NUMBERS)}"
        self.function_name, self.function_version = "test", "$LATEST"
        self.invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:test"
        self.memory_limit_in_mb = "128"
        self.log_group_name, self.log_stream_name = "/aws/lambda/test", "test"
        self._clock = clock or current_clock()
        self._deadline = self._clock.now() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the deadline, 0 at least."""
        return max(0, round((self._deadline - self._clock.now()) * 1000))


@asynccontextmanager
async def open_lambda(
    handler: AsgiHandler,
    event: Any = None,
    *,
    context: Any = None,
    clock: Clock | None = None,
    decoder: Decoder | None = None,
    wait: bool = True,
    timeout: float = 5.0,
    buffer: int = 64 * 1024,
) -> AsyncGenerator[OpenStream]:
    """Run one invocation of ``handler`` on this event loop; enter with its head.

    What a front door makes of the response is what the test sees: status, headers and cookies of
    the prelude, and the body; of a direct invoke the body. Leaving cancels the invocation, if it
    has not ended; the reader of a Lambda never leaves.

    Args:
        handler: What ``stream_handler``, ``streamify_response``, ``asgi_handler``, ``wsgi_handler``
            or ``Endpoint.aws_lambda`` made.
        event: The event.
        context: By default a ``LambdaContext()`` with 60 seconds to its deadline.
        clock: The clock in force in the handler, such as a ``FakeClock``.
        decoder: As of ``open_stream``.
        wait: As of ``open_stream``.
        timeout: As of ``open_stream``.
        buffer: As of ``open_stream``.

    Raises:
        InvalidOption: ``handler`` is none of ours.
        Exception: What the handler raised to Lambda, unless the test looked at
            ``stream.app_error``.

    Example:
        ``async with open_lambda(handler, {"n": 3}) as stream: await stream.next_event()``
    """
    if not isinstance(handler, AsgiHandler):
        raise InvalidOption("handler", handler, "a handler of penstock.aws, undecorated")
    if context is None:
        context = LambdaContext(clock=clock)
    wire = Wire(check_buffer(buffer))
    variables = copy_context()
    if clock is not None:
        variables.run(use_clock, clock)
    work = _invoke(handler, event, context, wire)
    async with AsyncExitStack() as stack:
        task = asyncio.get_running_loop().create_task(work, context=variables)
        stream = OpenStream(wire, task, timeout=timeout, decoder=decoder)
        await lend(stack, stream, wait=wait)
        yield stream


async def _invoke(handler: AsgiHandler, event: Any, context: Any, wire: Wire) -> None:
    async def connect(content_type: str) -> _LambdaWire:
        return await _LambdaWire(wire).open(content_type)

    request_id = context.aws_request_id
    begin(Invocation(request_id, connect))
    error: BaseException | None = None
    answer = asyncio.ensure_future(handler.answer(event, context))
    left = asyncio.ensure_future(wire.until(lambda: wire.has_left))
    both: list[asyncio.Future[Any]] = [answer, left]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():  # the test has seen enough
            answer.cancel()
            await asyncio.wait([answer])
        elif not is_answered(request_id):
            await _put_whole(wire, answer.result())
        else:
            answer.result()
    except BaseException as exc:
        error = exc
        if not isinstance(exc, Exception):
            raise
    finally:
        left.cancel()
        answer.cancel()
        end(request_id)
        wire.finish(error)


class _LambdaWire:
    """The wire of an invocation, up to the front door that reads the prelude."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._held: bytes | None = None  # of the prelude
        self._ending: asyncio.Task[None] | None = None

    @property
    def was_refused(self) -> bool:
        return False

    async def open(self, content_type: str) -> _LambdaWire:
        if content_type == HTTP_INTEGRATION:
            self._held = b""
        else:
            await self._wire.open(200, [("content-type", content_type)])
        return self

    async def write(self, data: bytes) -> None:
        if self._held is not None:
            head, found, data = (self._held + data).partition(PRELUDE_END)
            if not found:
                self._held = head
                return
            self._held = None
            await self._wire.open(*_read_metadata(json.loads(head)))
        if data:
            await self._wire.put(data, True)

    def finish(self, error: FunctionError | None = None, data: bytes = b"") -> None:
        if error is None:
            self._ending = asyncio.ensure_future(self._wire.put(data, False))

    async def accepted(self) -> None:
        if self._ending is not None:
            await self._ending

    async def close(self) -> None:
        if self._ending is not None:
            self._ending.cancel()


async def _put_whole(wire: Wire, result: Any) -> None:
    """What a front door makes of a buffered reply."""
    if isinstance(result, dict) and "statusCode" in result:
        await wire.open(*_read_metadata(result))
        body = result.get("body") or ""
        data = b64decode(body) if result.get("isBase64Encoded") else body.encode()
    else:
        await wire.open(200, [])
        data = result.encode() if isinstance(result, str) else json.dumps(result).encode()
    await wire.put(data, False)


def _read_metadata(metadata: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    headers = list((metadata.get("headers") or {}).items())
    for name, values in (metadata.get("multiValueHeaders") or {}).items():
        headers += [(name, value) for value in values]
    headers += [("set-cookie", cookie) for cookie in metadata.get("cookies") or ()]
    return metadata["statusCode"], [(name.lower(), value) for name, value in headers]
