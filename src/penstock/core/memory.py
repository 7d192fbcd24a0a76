"""A sink that keeps what it is given: for ``to_bytes()`` and buffered hosts."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.head import Head

__all__ = ("MemorySink",)


class MemorySink:
    """Keeps the head and the whole body. Its reader never leaves and never stalls."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.is_complete = False
        self._pieces: list[bytes] = []

    @property
    def body(self) -> bytes:
        """All bytes so far."""
        return b"".join(self._pieces)

    async def open(self, head: Head) -> None:
        self.head = head

    async def write(self, data: bytes, more: bool) -> None:
        self._pieces.append(data)
        self.is_complete = not more

    def watch(self, left: Callable[[], object]) -> None:
        """Nobody to watch."""

    def unwatch(self) -> None:
        """Nobody was watched."""
