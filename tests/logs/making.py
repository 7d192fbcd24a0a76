"""Makes logs for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from penstock.core.log import EventLog
from penstock.logs import MemoryLog

__all__ = ("LOGS", "OpenLog", "memory_opener")

LOGS = ("memory",)

# Each call gives another log over the same events.
OpenLog: TypeAlias = Callable[[], AbstractAsyncContextManager[EventLog]]


def memory_opener() -> OpenLog:
    """There are no two memory logs over the same events: each call gives the same one."""
    log = MemoryLog()

    @asynccontextmanager
    async def open_log() -> AsyncIterator[EventLog]:
        yield log

    return open_log
