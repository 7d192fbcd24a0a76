"""From whatever an SDK gave to one async iterator of events, opened in the task that reads it.

Lives here: callables, coroutines, managers and boto3's responses, and that each is closed.
Stays out: what the events mean.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

from penstock.core.source import aiterate, check_source, discard, in_thread_of_its_own
from penstock.core.upstream import close_upstream, is_provider_stream
from penstock.core.upstream import unwrapped as unwrapped_stream

__all__ = ("Opened", "check_stream", "discard_stream", "open_stream")


def check_stream(source: Any) -> None:
    """Refuse at once what can never be a provider's stream.

    Raises:
        TypeError: It is text, a mapping that is no boto3 response, or nothing to iterate.
    """
    check_source(_unwrapped(source))


def _unwrapped(source: Any) -> Any:
    """Return the event stream of a boto3 response, of a recorded one too; else ``source``."""
    stream = unwrapped_stream(source)
    if stream is source and isinstance(source, Mapping):
        for name in ("stream", "body"):
            if isinstance(source.get(name), (list, tuple)):
                return source[name]
    return stream


async def discard_stream(source: Any) -> None:
    """Close a stream that was never read, so that the provider stops."""
    source = _unwrapped(source)
    if hasattr(source, "__aiter__") and is_provider_stream(source):
        await close_upstream(source.__aiter__(), source)
    else:
        await discard(source)


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream that is ready to be read.

    Attributes:
        events: What it yields.
        is_sdk: It is an SDK's own object, not a generator of the application's.
        is_answered: And the provider has answered: what fails now fails inside the answer.
    """

    events: AsyncIterator[Any]
    is_sdk: bool
    is_answered: bool


async def open_stream(source: Any, stack: AsyncExitStack) -> Opened:
    """Return ``source``, ready to be read; leaving ``stack`` closes everything.

    A callable that is no coroutine function is called in a thread: with a sync SDK it sends the
    request and waits for the answer's head, for which the loop must not wait.

    Raises:
        TypeError: What a callable, an awaitable or a context manager gave is no source.
    """
    while True:
        source = _unwrapped(source)
        check_source(source)
        if isinstance(source, AbstractAsyncContextManager) and not _is_open(source):
            manager: Any = source
            entered = await stack.enter_async_context(manager)
            if entered is not source:
                source = entered
                continue
        if hasattr(source, "__aiter__"):
            return _opened(aiterate(source, stack), source)
        if hasattr(source, "__await__"):  # before __iter__: a Future has both
            awaitable: Any = source
            source = await awaitable
        elif isinstance(source, (list, tuple, range)):
            return Opened(_each(source), False, False)
        elif hasattr(source, "__iter__") or isinstance(source, AbstractContextManager):
            return _opened(await in_thread_of_its_own(source, stack), source)
        else:
            function: Any = source
            source = await _call(function)


def _is_open(source: Any) -> bool:
    """Whether it can be read as it is: an SDK's stream is its own manager, and closed anyway."""
    return hasattr(source, "__aiter__") and is_provider_stream(source)


def _opened(events: AsyncIterator[Any], source: Any) -> Opened:
    is_sdk = is_provider_stream(source)
    # google-genai's generators send the request at the first read; a manager, when it is entered.
    lazy = inspect.isasyncgen(source) or inspect.isgenerator(source)
    lazy = lazy or not (hasattr(source, "__aiter__") or hasattr(source, "__iter__"))
    return Opened(events, is_sdk, is_sdk and not lazy)


async def _each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def _call(function: Callable[[], Any]) -> Any:
    """Call ``function``, in a thread if it may block; what comes too late is closed."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return function()
    if inspect.isgeneratorfunction(function):
        return function()
    try:
        return await _in_thread(function)
    except RuntimeError as exc:
        if "no running event loop" not in str(exc) and "no current event loop" not in str(exc):
            raise
    return function()  # it needs the loop: then it does not block it


async def _in_thread(function: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    called: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def tell(result: Any, error: BaseException | None) -> None:
        if called.done():  # the one who waited has left
            if error is None:
                loop.create_task(discard_stream(result))  # noqa: RUF006 (it holds itself)
        elif error is None:
            called.set_result(result)
        elif isinstance(error, StopIteration):
            called.set_exception(RuntimeError("the callable raised StopIteration"))
        else:
            called.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = context.run(function)
        except BaseException as exc:  # travels to the loop's side, whatever it is
            error = exc
        try:
            loop.call_soon_threadsafe(tell, result, error)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            close = getattr(_unwrapped(result), "close", None)
            if close is not None and not inspect.iscoroutinefunction(close):
                close()

    threading.Thread(target=run, name="penstock-call", daemon=True).start()
    return await called
