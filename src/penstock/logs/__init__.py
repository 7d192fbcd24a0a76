"""Logs: in memory, in an SQLite file, in Redis. Each fills the core's ``EventLog``.

Importing this package loads neither redis nor sqlite3: each log is loaded when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.logs.memory import MemoryLog
    from penstock.logs.redis import RedisLog
    from penstock.logs.sqlite import SqliteLog

_EXPORTS = {
    "MemoryLog": "penstock.logs.memory",
    "RedisLog": "penstock.logs.redis",
    "SqliteLog": "penstock.logs.sqlite",
}

__all__ = ("MemoryLog", "RedisLog", "SqliteLog")


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'penstock.logs' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
