"""What the local Lambda has to say: the function's log, and what became of each invocation.

Lives here: the lines, kept and followed. Stays out: how they are shown.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

__all__ = ("Journal", "Line")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was said.

    Attributes:
        number: Counts from 1.
        at: Seconds since the epoch.
        kind: ``log`` (the function's), ``init``, ``start``, ``end``, ``report``, ``error``,
            ``reload`` (the service's).
        text: What was said.
        request_id: Of the invocation it belongs to, where that is known.
    """

    number: int
    at: float
    kind: str
    text: str
    request_id: str | None


class Journal:
    """Keeps the last lines and tells followers of new ones.

    Args:
        echo: Called with each line as well.
        keep: How many lines are kept.
    """

    def __init__(self, echo: Callable[[Line], object] | None = None, *, keep: int = 1000) -> None:
        self._lines: deque[Line] = deque(maxlen=keep)
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()
        self._echo = echo

    @property
    def lines(self) -> list[Line]:
        """The lines that are kept, oldest first."""
        return list(self._lines)

    def say(self, kind: str, text: str, request_id: str | None = None) -> None:
        """Add a line."""
        line = Line(next(self._numbers), time.time(), kind, text, request_id)
        self._lines.append(line)
        if self._echo is not None:
            self._echo(line)
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, after: int = 0) -> AsyncGenerator[Line, None]:
        """Yield the lines after number ``after``, then what comes, for ever."""
        while True:
            changed = self._changed  # before looking, so that no line falls in between
            for line in [line for line in self._lines if line.number > after]:
                yield line
                after = line.number
            await changed.wait()
