"""Plain text, and our own chunks: what needs no mapping.

Lives here: str items and ``Chunk`` items. Terminal event: none; the source's own end is the end.
"""

from __future__ import annotations

from typing import Any

from penstock.chunk import Chunk, Done
from penstock.chunk import Text as TextChunk

__all__ = ("PlainText",)


class PlainText:
    """A source that knows what it says, such as a generator of the application's own."""

    def feed(self, event: Any) -> list[Chunk]:
        if isinstance(event, str):
            return [TextChunk(event)] if event else []
        raise TypeError(f"expected str after str, got {type(event).__name__}")

    def end(self) -> list[Chunk]:
        return [Done()]
