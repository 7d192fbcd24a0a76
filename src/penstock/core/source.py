"""What a stream can be made of, opened into one async iterator and surely closed.

Lives here: iterables, awaitables, context managers and callables of them, resolved in the task
that will read them. Stays out: threads (``threads.py``) and what the items mean.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import Any

from penstock.core.threads import in_thread
from penstock.core.unreturnable import Unreturnable
from penstock.core.upstream import close_upstream, interrupt, is_provider_stream, unwrapped

__all__ = (
    "aiterate",
    "check_source",
    "close_iterator",
    "discard",
    "in_thread_of_its_own",
    "open_source",
)

logger = logging.getLogger("penstock")

# How often a generator may yield instead of ending.
_CLOSE_TRIES = 8


def check_source(source: Any) -> None:
    """Refuse at once what can never be a source.

    Raises:
        TypeError: It is text, bytes, a mapping, or nothing that can be iterated.
    """
    source = unwrapped(source)
    if isinstance(source, (str, bytes, bytearray, Mapping)):
        raise TypeError(
            f"a source is an iterable of items, got one {type(source).__name__}: "
            "wrap it in a list to send it as a single item"
        )
    if isinstance(source, Unreturnable):
        source.refuse()
    if isinstance(source, type) or not (
        callable(source)
        or any(
            hasattr(source, name)
            for name in ("__aiter__", "__iter__", "__await__", "__aenter__", "__enter__")
        )
    ):
        raise TypeError(
            f"a source is an async or sync iterable, an awaitable, a context manager, or a "
            f"zero-argument callable of one; got {source!r}"
        )


async def open_source(source: Any, stack: AsyncExitStack) -> AsyncIterator[Any]:
    """Return an iterator over ``source``; leaving ``stack`` closes everything it opened.

    Raises:
        TypeError: What a callable, an awaitable or a context manager gave is no source.
    """
    while True:
        check_source(source)
        source = unwrapped(source)
        manager = source  # a name of its own: it may be an iterable or a callable too
        if isinstance(manager, AbstractAsyncContextManager):
            entered = await stack.enter_async_context(manager)
            if entered is not source:
                source = entered
                continue
        if hasattr(source, "__aiter__"):
            return aiterate(source, stack)
        if hasattr(source, "__await__"):  # before __iter__: a Future has both
            source = await source
        elif isinstance(source, (list, tuple, range)):
            return _each(source)
        elif hasattr(source, "__iter__") or isinstance(source, AbstractContextManager):
            return await in_thread_of_its_own(source, stack)
        else:
            source = source()


async def in_thread_of_its_own(source: Any, stack: AsyncExitStack) -> AsyncIterator[Any]:
    """Return an async iterator over a sync source; leaving ``stack`` closes it."""
    way = interrupt if is_provider_stream(source) else None
    return await stack.enter_async_context(in_thread(source, interrupt=way))


def aiterate(source: Any, stack: AsyncExitStack) -> AsyncIterator[Any]:
    """Return an iterator over an async iterable; leaving ``stack`` closes both."""
    iterator: AsyncIterator[Any] = source.__aiter__()
    if is_provider_stream(source) or is_provider_stream(iterator):
        stack.push_async_callback(close_upstream, iterator, source)
        return iterator
    if iterator is not source and hasattr(source, "aclose"):
        stack.push_async_callback(source.aclose)
    if hasattr(iterator, "aclose"):
        stack.push_async_callback(close_iterator, iterator)
    return iterator


async def close_iterator(iterator: Any) -> None:
    """Close an async iterator, also one that goes on yielding instead of ending."""
    if inspect.isasyncgen(iterator) and iterator.ag_frame is not None:
        # Not aclose(), which works once: a generator that yields after it can never be closed.
        for _ in range(_CLOSE_TRIES):
            try:
                await iterator.athrow(GeneratorExit)
            except (GeneratorExit, StopAsyncIteration):
                return
            logger.warning("%r yielded while it was being closed; closing it again", iterator)
    await iterator.aclose()


async def _each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def discard(source: Any) -> None:
    """Close a source that was never opened, so that nothing it holds stays open.

    A coroutine that is never awaited, a provider's stream that was opened before it came here.
    """
    source = unwrapped(source)
    if inspect.iscoroutine(source):
        source.close()
        return
    close: Callable[[], Awaitable[None] | None] | None = getattr(
        source, "aclose", getattr(source, "close", None)
    )
    if close is None or callable(source) or isinstance(source, type):
        return
    closing = close()
    if inspect.isawaitable(closing):
        await closing
