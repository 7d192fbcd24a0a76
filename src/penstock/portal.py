"""The event loop beside synchronous code: one a process, in a thread of its own.

Lives here: how a WSGI worker's thread waits for something that runs on that loop.
Stays out: what runs there.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

__all__ = ("Portal", "portal")

T = TypeVar("T")


class Portal:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="penstock-loop", daemon=True).start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop and wait for its result.

        Raises:
            RuntimeError: Called on the loop's own thread, which would wait for itself.
        """
        if _running() is self.loop:
            work.close()
            raise RuntimeError("a synchronous stream was read on penstock's own event loop")
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def start(self, work: Coroutine[Any, Any, T], context: Context) -> asyncio.Task[T]:
        """Start ``work`` on the loop, in ``context``, and return its task."""

        async def begin() -> asyncio.Task[T]:
            return self.loop.create_task(work, context=context)

        return self.call(begin())


_portal: Portal | None = None
_lock = threading.Lock()


def portal() -> Portal:
    """Return this process's portal, starting it at the first call."""
    global _portal
    with _lock:
        if _portal is None:
            _portal = Portal()
        return _portal


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _forget() -> None:
    """After a fork: the thread did not come along."""
    global _portal, _lock
    _portal, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
