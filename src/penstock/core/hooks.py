"""Callbacks by name: what sessions and channels tell those who asked.

Lives here: the names that exist, and calling everybody though some fail. Stays out: what is told.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from penstock.errors import InvalidOption

__all__ = ("Hook", "Hooks")

logger = logging.getLogger("penstock")

Hook = Callable[..., Any]
H = TypeVar("H", bound=Hook)

# The loop holds tasks weakly.
_running: set[asyncio.Task[None]] = set()


class Hooks:
    """The callbacks of one object.

    Args:
        names: What may be asked for.
    """

    __slots__ = ("_by_name", "_names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._by_name: dict[str, list[Hook]] = {}

    def add(self, name: str, hook: H) -> H:
        """Add ``hook`` behind those that are there.

        Raises:
            InvalidOption: There is no such name, or ``hook`` cannot be called.
        """
        if name not in self._names:
            raise InvalidOption("on", name, f"one of {', '.join(self._names)}")
        if not callable(hook):
            raise InvalidOption(name, hook, "a function")
        self._by_name.setdefault(name, []).append(hook)
        return hook

    def fire(self, name: str, *args: Any) -> None:
        """Call the hooks of ``name`` now; what is awaitable of it runs in a task of its own.

        One that fails is reported and keeps no other from its turn.
        """
        for hook in self._by_name.get(name, ()):
            try:
                result = hook(*args)
            except Exception as exc:
                _report(name, exc)
                continue
            if inspect.isawaitable(result):
                task = asyncio.ensure_future(_guarded(name, result))
                _running.add(task)
                task.add_done_callback(_running.discard)

    async def run(self, name: str, *args: Any) -> None:
        """Call the hooks of ``name`` in turn, and wait for each."""
        for hook in self._by_name.get(name, ()):
            try:
                result = hook(*args)
                if inspect.isawaitable(result):
                    await result
            except Exception as exc:
                _report(name, exc)


async def _guarded(name: str, result: Any) -> None:
    try:
        await result
    except Exception as exc:
        _report(name, exc)


def _report(name: str, error: Exception) -> None:
    logger.error("a hook for %r failed", name, exc_info=error)
