"""Notices that code has changed.

Lives here: the look at the files' times, a few times a second. Stays out: what is done about it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

__all__ = ("changes", "snapshot")

_SECONDS = 0.5
# Others' code, and what tools write: not what somebody edits.
_SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages", "venv", "build", "dist"))
# Past so many files it is not a function's directory: the rest is not looked at.
_MOST_FILES = 5_000


def snapshot(directory: Path) -> dict[str, int]:
    """Return the Python files under ``directory`` and when each was changed (nanoseconds)."""
    found: dict[str, int] = {}
    for folder, folders, files in os.walk(directory):
        folders[:] = [each for each in folders if each not in _SKIPPED and each[0] != "."]
        for name in files:
            if not name.endswith(".py"):
                continue
            path = os.path.join(folder, name)
            try:
                found[path] = os.stat(path).st_mtime_ns
            except FileNotFoundError:
                continue  # an editor writes beside it and renames
            if len(found) >= _MOST_FILES:
                return found
    return found


async def changes(directory: Path, before: dict[str, int]) -> AsyncGenerator[list[str], None]:
    """Yield the paths that have changed since ``before``, then since the last time, for ever."""
    while True:
        await asyncio.sleep(_SECONDS)
        after = await asyncio.to_thread(snapshot, directory)
        if after != before:
            different = before.items() ^ after.items()
            before = after
            yield sorted({path for path, _ in different})
