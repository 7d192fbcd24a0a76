"""What a chunk is, without the fifteen kinds: every format asks, few streams have any.

Lives here: the base, and the kinds that formats tell apart. Stays out: the kinds
(``chunk.py``), whose definition would cost every cold start several milliseconds.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

if TYPE_CHECKING:
    from penstock.chunk import Done, Error, Text

__all__ = ("Chunk", "is_done", "is_error", "is_text")


class Chunk:
    """Base of every chunk."""

    __slots__ = ()
    __module__ = "penstock.chunk"  # where users know it from
    type: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the chunk as JSON knows it: its type, then its fields; None is left out."""
        result: dict[str, Any] = {"type": self.type}
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if value is not None:
                result[field.name] = value.to_dict() if isinstance(value, Chunk) else value
        return result


def is_done(item: object) -> TypeGuard[Done]:
    """Whether ``item`` ends an answer well."""
    return isinstance(item, Chunk) and item.type == "done"


def is_error(item: object) -> TypeGuard[Error]:
    """Whether ``item`` is a model's error."""
    return isinstance(item, Chunk) and item.type == "error"


def is_text(item: object) -> TypeGuard[Text]:
    """Whether ``item`` is a piece of the answer's text."""
    return isinstance(item, Chunk) and item.type == "text"
