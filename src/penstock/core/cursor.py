"""A session's place in the channels it is registered in, as one last event ID.

Lives here: how the ids of several logs become one, and back. Stays out: what an id means to a log.

One log's id travels as it is. Several travel as ``tag.id_tag.id``, a tag being eight hex digits of
the channel's name: nothing in it makes a browser ask first (Fetch, "CORS-unsafe request-header
byte"), up to three channels it stays within the 128 bytes that are allowed without asking, too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

__all__ = ("Unnamed", "join_cursors", "split_cursors", "tag_of")

_COMPOSITE = re.compile(r"[0-9a-f]{8}\.[0-9a-f-]+(?:_[0-9a-f]{8}\.[0-9a-f-]+)+", re.ASCII)


def tag_of(name: str) -> str:
    """Return what stands for a channel in a composite id."""
    from hashlib import blake2s  # late: it loads OpenSSL, and only channels with a log have ids

    return blake2s(name.encode(), digest_size=4).hexdigest()


def join_cursors(cursors: Mapping[str, str]) -> str:
    """Return one id for the places in ``cursors``, by tag."""
    if len(cursors) == 1:
        return next(iter(cursors.values()))
    return "_".join(f"{tag}.{id}" for tag, id in cursors.items())


def split_cursors(id: str) -> dict[str, str]:
    """Return the places by tag; one that names no channel stands under ``""``."""
    if not id:
        return {}
    if _COMPOSITE.fullmatch(id) is None:
        return {"": id}
    parts = (part.partition(".") for part in id.split("_"))
    return {tag: place for tag, _, place in parts}


class Unnamed:
    """Whose a last event ID is that names no channel: those that are given it tell each other.

    Attributes:
        is_known: Whether the log of one of them knows it.
    """

    __slots__ = ("_asked", "_settled", "is_known")

    def __init__(self) -> None:
        self.is_known = False
        self._asked: set[object] = set()  # those that do not know yet
        self._settled: asyncio.Event | None = None  # None: nobody was ever asked

    def ask(self, who: object) -> bool:
        """``who`` will look whether it is its own; return whether it is the first to."""
        is_first = self._settled is None
        if self._settled is None:
            self._settled = asyncio.Event()
        self._asked.add(who)
        if not self.is_known:
            self._settled.clear()
        return is_first

    def settle(self, who: object, is_known: bool) -> None:
        """``who`` has looked, or left; only its first word counts."""
        if who not in self._asked or self._settled is None:
            return
        self._asked.discard(who)
        self.is_known = self.is_known or is_known
        if self.is_known or not self._asked:
            self._settled.set()

    async def settled(self) -> bool:
        """Return whether it is known, once one knows it or all have looked."""
        if self._settled is not None:
            await self._settled.wait()
        return self.is_known
