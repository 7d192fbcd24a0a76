"""``open_stream``: an app, a request, and the response in a test's hands."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from typing import Any

from penstock.clock import Clock, use_clock
from penstock.errors import InvalidOption
from penstock.testing._asgi import AsgiHost, lifespan_of
from penstock.testing._request import Body, Pairs, make_body, make_scope
from penstock.testing._wire import Wire
from penstock.testing.stream import Decoder, OpenStream
from penstock.types import ASGIApp

__all__ = ("check_buffer", "lend", "open_stream")


@asynccontextmanager
async def open_stream(
    app: ASGIApp,
    path: str = "/",
    *,
    method: str = "GET",
    params: Pairs | None = None,
    headers: Pairs | None = None,
    cookies: Mapping[str, str] | None = None,
    json: Any = None,
    data: Pairs | None = None,
    body: Body | None = None,
    scope: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    decoder: Decoder | None = None,
    lifespan: bool = False,
    wait: bool = True,
    gone: bool = False,
    timeout: float = 5.0,
    buffer: int = 64 * 1024,
    spec_version: str = "2.3",
) -> AsyncGenerator[OpenStream]:
    """Run one request of ``app`` on this event loop; enter with its head, leave with its end.

    Leaving disconnects, if the response has not ended, and waits for the app to return.

    Args:
        app: An ASGI app: an endpoint, a Starlette or FastAPI app, any other.
        path: Path, with a query or without.
        method: HTTP method.
        params: Query parameters.
        headers: Request headers.
        cookies: Request cookies.
        json: Body, as JSON.
        data: Body, as a urlencoded form.
        body: Body, as it is; a list of bytes arrives in as many messages.
        scope: Entries that replace those of the ASGI scope.
        clock: The clock in force in the app, such as a ``FakeClock``.
        decoder: Makes events of chunks; by default what the content type asks for.
        lifespan: Run the app's start-up before, and its shut-down after.
        wait: Enter when the head has arrived. False: at once; for streams whose head leaves only
            when the clock is advanced.
        gone: The reader has left before the app was called; then no head is waited for.
        timeout: Seconds, in real time, that any wait may take.
        buffer: Bytes that may arrive ahead of the reading; past it the app's ``send`` waits.
            With 1 it waits until the one chunk before was read.
        spec_version: ASGI version announced. From "2.4" on ``send`` raises OSError once the
            reader has left; before, it does nothing.

    Raises:
        Exception: What the app raised instead of a head; or later, unless the test looked at
            ``stream.app_error``.
        RuntimeError: The app returned without a response.
        TimeoutError: No head came in time, or the app did not return.

    Example:
        ``async with open_stream(app, params={"n": 3}) as stream: await stream.next_event()``
    """
    pieces, defaults = make_body(json, data, body)
    request = make_scope(
        path,
        method=method,
        params=params,
        headers=headers,
        cookies=cookies,
        defaults={"host": "testserver", **defaults},
        spec_version=spec_version,
    )
    context = copy_context()
    if clock is not None:
        context.run(use_clock, clock)
    async with AsyncExitStack() as stack:
        if lifespan:
            request["state"] = await stack.enter_async_context(lifespan_of(app, context))
        request.update(scope or {})
        wire = Wire(check_buffer(buffer))
        if gone:
            wire.leave()
        raises = tuple(map(int, spec_version.split("."))) >= (2, 4)
        host = AsgiHost(app, request, pieces, wire, raises=raises)
        task = host.start(context.copy())
        stream = OpenStream(wire, task, timeout=timeout, decoder=decoder)
        await lend(stack, stream, wait=wait and not gone)
        yield stream


async def lend(stack: AsyncExitStack, stream: OpenStream, *, wait: bool) -> None:
    """Have ``stream`` closed when ``stack`` is left, and its head awaited."""

    async def close(kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            await stream.close()
        except BaseException as exc:
            if error is None or error is exc:
                raise
            error.add_note(f"also, when the stream was closed: {exc!r}")

    stack.push_async_exit(close)
    if wait:
        await stream.head()


def check_buffer(buffer: int) -> int:
    if type(buffer) is not int or buffer < 1:
        raise InvalidOption("buffer", buffer, "a number of bytes, 1 or more")
    return buffer
