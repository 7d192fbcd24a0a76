"""What the demo's server has to say about its streams, for the page and for the terminal.

Lives here: the lines, kept and followed. Stays out: when they are said (``app``), and how they
travel.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from penstock import Event

__all__ = ("Journal", "Kind", "Line", "Run")

Kind: TypeAlias = Literal["start", "first", "stop", "clean", "end", "error"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened.

    Attributes:
        number: Counts from 1.
        at: Seconds since the epoch.
        run: Which stream it happened to.
        kind: What kind of thing it is; the page colours by it.
        text: What is shown.
    """

    number: int
    at: float
    run: int
    kind: Kind
    text: str


class Journal:
    """Keeps the last lines and tells followers of new ones.

    Args:
        echo: Called with each line as well.
        keep: How many lines a late follower still gets.
    """

    def __init__(self, *, echo: Callable[[Line], object] | None = None, keep: int = 200) -> None:
        self._lines: deque[Line] = deque(maxlen=keep)
        self._numbers = itertools.count(1)
        self._runs = itertools.count(1)
        self._changed = asyncio.Event()
        self._echo = echo
        # In the ids, so that a browser that outlives the server does not resume in the new log.
        self._epoch = f"{time.time_ns():x}"

    def run(self) -> Run:
        """Return a new stream's way to write here."""
        return Run(self, next(self._runs))

    def add(self, run: int, kind: Kind, text: str) -> None:
        """Add a line; followers get it at the next turn of the loop."""
        line = Line(next(self._numbers), time.time(), run, kind, text)
        self._lines.append(line)
        if self._echo is not None:
            self._echo(line)
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, last_event_id: str) -> AsyncGenerator[Event, None]:
        """Yield what came after ``last_event_id``, then what comes, for ever."""
        seen = self._number_of(last_event_id)
        while True:
            changed = self._changed  # before looking, so that no line falls in between
            for line in [line for line in self._lines if line.number > seen]:
                yield Event(asdict(line), event="log", id=f"{self._epoch}-{line.number}")
                seen = line.number
            await changed.wait()

    def _number_of(self, event_id: str) -> int:
        epoch, _, number = event_id.partition("-")
        return int(number) if epoch == self._epoch and number.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Run:
    """One stream's way to write into the journal."""

    journal: Journal
    number: int

    def say(self, kind: Kind, text: str) -> None:
        """Add a line about this stream."""
        self.journal.add(self.number, kind, text)
