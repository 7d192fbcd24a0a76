"""Where a response goes, and what went there.

Lives here: the Protocol a host fills, and the figures of one stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from penstock.core.head import Head

__all__ = ("Sink", "Stats")


class Sink(Protocol):
    """Where a response goes: what a host provides. One task uses it at a time."""

    async def open(self, head: Head) -> None:
        """Send the head.

        Raises:
            ClientDisconnected: The reader is gone, and this host says so.
        """

    async def write(self, data: bytes, more: bool) -> None:
        """Send body bytes; return when there is room for more. Not ``more``: it is the end.

        Raises:
            ClientDisconnected: The reader is gone, and this host says so.
        """

    def watch(self, left: Callable[[], object]) -> None:
        """Call ``left`` when the reader leaves, if this host can tell."""

    def unwatch(self) -> None:
        """Stop watching."""


class Stats:
    """What went through a stream.

    Attributes:
        events: Items that were put.
        bytes: Bytes of body written.
        keep_alives: Keep-alives written.
        first_byte: Seconds from the start to the first byte of the body, or None.
    """

    __slots__ = ("bytes", "events", "first_byte", "keep_alives")

    def __init__(self) -> None:
        self.events = self.bytes = self.keep_alives = 0
        self.first_byte: float | None = None
