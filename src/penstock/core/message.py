"""One broadcast on its way to many sessions: written once for all that write alike.

Lives here: the item, who it is for, its id in a log, and its bytes. Stays out: who gets them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from penstock.core.event_writer import EventWriter
from penstock.core.log import Entry, NewEntry
from penstock.core.logged import dump_item, load_item
from penstock.core.match import matches

__all__ = ("Droppable", "Message")


class Droppable(bytes):
    """An event that may be dropped for a slow reader; ``channel`` is whose it is."""

    channel: Any


class Message:
    """One broadcast.

    Attributes:
        item: What is written.
        match: Who it is for, as data; None: everybody.
        id: Its id in the log; None: there is none.
    """

    __slots__ = ("_bytes", "_droppable_of", "id", "item", "match")

    def __init__(
        self,
        item: Any,
        match: Mapping[str, Any] | None = None,
        id: str | None = None,
        droppable_of: Any = None,
    ) -> None:
        self.item, self.match, self.id = item, match, id
        self._droppable_of = droppable_of
        self._bytes: dict[EventWriter, bytes] = {}

    def is_for(self, state: Any, check: Callable[[Any], object] | None, session: Any) -> bool:
        """Whether a session gets it: by ``match`` and by ``check``, the ``filter=`` of a call."""
        if self.match is not None and not matches(state, self.match):
            return False
        return check is None or bool(check(session))

    def encoded(self, writer: EventWriter) -> bytes:
        """Return its bytes as ``writer`` writes it, with its id before it.

        Raises:
            NotSerializable, UnsupportedItem, InvalidField: It has none.
        """
        data = self._bytes.get(writer)
        if data is None:
            data = writer.encode(self.item)
            if self.id is not None:
                data = _with_id(self.id, data)
            data = self._bytes[writer] = self._marked(data)
        return data

    def placed(self, writer: EventWriter, id: str) -> bytes:
        """Return its bytes with another id: the place of one session in several logs."""
        assert self.id is not None
        plain = self.encoded(writer)[len(_with_id(self.id, b"")) :]
        return self._marked(_with_id(id, plain))

    def _marked(self, data: bytes) -> bytes:
        if self._droppable_of is None:
            return data
        marked = Droppable(data)
        marked.channel = self._droppable_of
        return marked

    def to_entry(self) -> NewEntry:
        """Return it as a log keeps it.

        Raises:
            NotSerializable: JSON cannot carry it.
        """
        meta = {} if self.match is None else {"match": json.dumps(self.match)}
        return NewEntry(dump_item(self.item), meta)

    @classmethod
    def from_entry(cls, entry: Entry, droppable_of: Any = None) -> Message:
        """Return what ``to_entry`` made an entry of."""
        match = entry.meta.get("match")
        item = load_item(entry.data)
        return cls(item, None if match is None else json.loads(match), entry.id, droppable_of)


def _with_id(id: str, data: bytes) -> bytes:
    """A block's fields stand in any order."""
    return b"id: %b\n%b" % (id.encode(), data)
