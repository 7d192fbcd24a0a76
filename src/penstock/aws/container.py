"""The event loop of a Lambda execution environment: one for its whole life.

Lives here: running each invocation on it, so that clients and pools opened by one serve the next,
and clearing up the tasks that a handler left behind.
Stays out: what an invocation does.

The loop runs on the thread that calls the handler, only while it does: tracers and loggers that
keep their state by thread see the handler's own. Between invocations the environment is frozen
anyway. It is made by the first invocation, never at import: a SnapStart snapshot holds none.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar, cast
from weakref import WeakSet

__all__ = ("Container", "container")

logger = logging.getLogger("penstock")

T = TypeVar("T")

# Seconds that tasks left behind get to end once they are cancelled.
_CLEANUP = 2.0

_tasks: ContextVar[WeakSet[asyncio.Task[Any]] | None] = ContextVar("penstock_tasks", default=None)


class Container:
    """An event loop that runs one invocation at a time."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._living: dict[Any, Any] = {}

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run one invocation and return its result; tasks it leaves behind are cancelled."""
        if _is_running():
            return self._run_beside(work)  # called from a coroutine, as a test may
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_task_factory(cast(Any, _make_task))
            return self._loop.run_until_complete(_invoke(work))

    async def once(self, key: Any, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what ``make`` made for ``key``, at its first call in this container.

        What it starts outlives the invocation. A failing one is tried again by the next.
        """
        if key not in self._living:
            context = Context()  # no invocation's own
            loop = asyncio.get_running_loop()
            self._living[key] = await loop.create_task(make(), context=context)
        found: T = self._living[key]
        return found

    def close(self) -> None:
        """End the loop and what lives on it; for tests, since Lambda just kills."""
        loop, self._loop = self._loop, None
        self._living.clear()
        if loop is None:
            return
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=_CLEANUP))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    def _run_beside(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        results: list[T] = []
        errors: list[BaseException] = []
        context = copy_context()

        def run() -> None:
            try:
                results.append(context.run(self.run, work))
            except BaseException as exc:
                errors.append(exc)

        thread = threading.Thread(target=run, name="penstock-invocation")
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]


async def _invoke(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
    _tasks.set(tasks)
    try:
        return await work()
    finally:
        if not all(task.done() for task in tasks):
            await _clear(tasks)


async def _clear(tasks: WeakSet[asyncio.Task[Any]]) -> None:
    """Cancel what the invocation left running; it would go on in another's time."""
    for _ in range(3):  # what is about to end may
        await asyncio.sleep(0)
    left = [task for task in tasks if not task.done()]
    if not left:
        return
    names = ", ".join(f"{task.get_name()} ({_place(task)})" for task in left)
    logger.warning("the invocation left %d task(s) running; cancelled: %s", len(left), names)
    for task in left:
        task.cancel()
    _, stubborn = await asyncio.wait(left, timeout=_CLEANUP)
    if stubborn:
        logger.warning("%d task(s) did not end within %g s", len(stubborn), _CLEANUP)


def _place(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", task.get_coro()))


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **options: Any
) -> asyncio.Task[T]:
    """Make a task, and note whose invocation it belongs to."""
    task = asyncio.Task(work, loop=loop, **options)
    context: Context | None = options.get("context")
    tasks = context.get(_tasks) if context is not None else _tasks.get()
    if tasks is not None:
        tasks.add(task)
    return task


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


_container: Container | None = None


def container() -> Container:
    """Return this process's container."""
    global _container
    if _container is None:
        _container = Container()
    return _container


def _forget() -> None:
    """After a fork: a loop is of one process."""
    global _container
    _container = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
