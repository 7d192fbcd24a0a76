"""Makes logs for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from penstock.core.log import EventLog
from penstock.logs import MemoryLog, RedisLog, SqliteLog

__all__ = ("LOGS", "OpenLog", "memory_opener", "redis_opener", "sqlite_opener")

LOGS = ("memory", "sqlite", "redis")

# Each call gives another log over the same events.
OpenLog: TypeAlias = Callable[[], AbstractAsyncContextManager[EventLog]]


def memory_opener() -> OpenLog:
    """There are no two memory logs over the same events: each call gives the same one."""
    log = MemoryLog()

    @asynccontextmanager
    async def open_log() -> AsyncIterator[EventLog]:
        yield log

    return open_log


def sqlite_opener(path: Path) -> OpenLog:
    """Each call gives a log with a connection of its own to the same file."""

    @asynccontextmanager
    async def open_log() -> AsyncIterator[EventLog]:
        log = SqliteLog(path)
        try:
            yield log
        finally:
            await log.aclose()

    return open_log


def redis_opener(url: str, prefix: str) -> OpenLog:
    """Each call gives a log with connections of its own to the same keys."""

    @asynccontextmanager
    async def open_log() -> AsyncIterator[EventLog]:
        log = RedisLog(url, prefix=prefix)
        try:
            yield log
        finally:
            await log.aclose()

    return open_log
