"""What the kernel knows about a process tree: its processor time, its memory, its core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ("LOAD_CORE", "SERVER_CORE", "cpu_seconds", "pinned", "rss_bytes", "tree")

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]
_PAGE = os.sysconf("SC_PAGE_SIZE")


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run on ``core`` only; a process started in here inherits it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(pid: int) -> list[int]:
    """Return ``pid`` and all its descendants."""
    found = [pid]
    for known in found:  # it grows while it is walked
        for task in _tasks(known):
            found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """Return the time that a process tree has run, in user and in kernel mode.

    From the scheduler's own count: /proc/PID/stat counts in steps of 10 ms.
    """
    tasks = [task for member in tree(pid) for task in _tasks(member)]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process tree."""
    sizes = (Path(f"/proc/{member}/statm").read_text().split()[1] for member in tree(pid))
    return _PAGE * sum(map(int, sizes))


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())
