"""Ids: an epoch, which is one life of one key, and a number within it.

Lives here: how they look, and the arithmetic that tells a known cursor from one that is gone.

An epoch begins with the time it was made, so that a key's ids go on growing when it begins anew,
and ends at random, so that two of them are never alike. Both parts have a fixed width: ids sort as
strings.
"""

from __future__ import annotations

import os
import threading
import time
from typing import NamedTuple

from penstock.core.log import EventId, split_cursor
from penstock.errors import CursorGone

__all__ = ("Span", "make_id", "new_epoch")

_lock = threading.Lock()
_newest = 0


def new_epoch() -> str:
    """Return an epoch: microseconds since 1970, then 24 bits at random."""
    global _newest
    with _lock:  # never one twice, also where the clock is coarse or goes back
        _newest = max(_newest + 1, time.time_ns() // 1000)
        return f"{_newest:014x}{os.urandom(3).hex()}"


def make_id(epoch: str, number: int) -> EventId:
    """Return the id of an epoch's event; number 0 is the cursor before the first."""
    return f"{epoch}-{number:012d}"


class Span(NamedTuple):
    """What a key holds: the events of ``epoch`` from ``first`` to ``last``, both included.

    None is held where ``first`` is ``last + 1``. No epoch: there is no such key.
    """

    epoch: str | None
    first: int
    last: int

    def start(self, after: EventId | None) -> int:
        """Return the number of the event that comes after a cursor.

        Raises:
            CursorGone: It cannot be told.
        """
        if after is None:
            return self.first
        oldest = make_id(self.epoch, self.first) if self.epoch and self.first <= self.last else None
        split = split_cursor(after)
        if split is None or split[0] != self.epoch or split[1] > self.last:
            raise CursorGone(after, "unknown", oldest)
        if split[1] < self.first - 1:
            raise CursorGone(after, "too old", oldest)
        return split[1] + 1
