"""Looking at processes from outside: memory, children, and waiting for a condition.

Linux only (``/proc``), like the servers' tests.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

__all__ = (
    "children",
    "cpu_seconds",
    "descendants",
    "in_some_try",
    "in_some_tries",
    "rss",
    "tree_rss",
    "wait_until",
)

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


def wait_until(
    condition: Callable[[], object],
    timeout: float = 10.0,
    message: str | Callable[[], str] = "the condition did not come true",
    *,
    fail: bool = True,
) -> bool:
    """Look at ``condition()`` every 10 ms until it is true.

    Past ``timeout`` seconds raise TimeoutError, or return False with ``fail=False``. Between two
    looks one second counts at most: while the machine stood still, nothing could come true.
    """
    waited, last = 0.0, time.monotonic()
    while not condition():
        if waited >= timeout:
            if not fail:
                return False
            raise TimeoutError(message if isinstance(message, str) else message())
        time.sleep(0.01)
        now = time.monotonic()
        waited, last = waited + min(now - last, 1.0), now
    return True


def in_some_try(attempt: Callable[[], _T], tries: int = 5) -> _T:
    """Return what ``attempt()`` returns, the first time that its assertions hold.

    For what a busy machine can hide but never fake: that events which were made apart came apart,
    that nothing more was made after the reader had left.
    """
    for _ in range(tries - 1):
        try:
            return attempt()
        except AssertionError as failed:
            print(f"once more, since: {failed}")
    return attempt()


def in_some_tries(test: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a test, ``async`` or not, that is ``in_some_try`` as a whole."""
    if not inspect.iscoroutinefunction(test):
        return wraps(test)(lambda *args, **named: in_some_try(lambda: test(*args, **named)))

    @wraps(test)
    async def tried(*args: _P.args, **named: _P.kwargs) -> Any:
        for _ in range(4):
            try:
                return await test(*args, **named)
            except AssertionError as failed:
                print(f"once more, since: {failed}")
        return await test(*args, **named)

    return cast("Callable[_P, _T]", tried)


def rss(pid: int) -> int:
    """Return the resident memory of ``pid``, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def tree_rss(pid: int) -> int:
    """Return the resident memory of ``pid`` and everything it started, in bytes."""
    return sum(rss(each) for each in (pid, *descendants(pid)))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that ``pid`` has used, user and system."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICK


def children(pid: int) -> list[int]:
    """Return the processes that ``pid`` started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            if parent == pid:
                found.append(int(entry.name))
    return found


def descendants(pid: int) -> list[int]:
    """Return everything that ``pid`` started, directly or not."""
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def _stat(pid: int) -> list[str]:
    # The name in parentheses may hold spaces: count from behind it. [0] is the state.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
