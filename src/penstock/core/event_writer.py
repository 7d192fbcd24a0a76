"""One way of writing server-sent events: what a session's options make of ``push(...)``.

Lives here: serializer, sanitizer and the name rule put together, and sharing one such way between
all sessions that have it, so that a broadcast is written once.
Stays out: the grammar (``formats``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from penstock.core.producer import item_of
from penstock.errors import InvalidOption
from penstock.formats import Sse
from penstock.formats._items import check_serializer, serialized
from penstock.formats._json import dumps
from penstock.types import Serializer

__all__ = ("DEFAULT", "EventWriter", "Sanitizer", "writer_of")

# A field's text to the text that is sent in its place.
Sanitizer: TypeAlias = Callable[[str], str]


class EventWriter:
    """Turns ``push(...)`` into bytes.

    Args:
        serializer: Makes a value's text; None: str as it is, all else as compact JSON.
        sanitizer: Sees the text of data, event name, id and comment before it is checked.
        name_from: Member of a mapping that names its event; None: no name.

    Raises:
        InvalidOption: One of them cannot be meant.
    """

    __slots__ = ("_sanitizer", "encode")

    def __init__(
        self,
        serializer: Serializer | None = None,
        sanitizer: Sanitizer | None = None,
        name_from: str | None = "type",
    ) -> None:
        if sanitizer is not None and not callable(sanitizer):
            raise InvalidOption("sanitizer", sanitizer, "a function from str to str")
        check_serializer(serializer)
        self._sanitizer = sanitizer
        if sanitizer is not None:
            serializer = _sanitized(serializer, sanitizer)
        format = Sse(serializer=serializer, name_from=name_from)
        #: One item to its bytes.
        self.encode: Callable[[Any], bytes] = format.encoder(end_mark=False).item

    def item(
        self,
        data: Any,
        event: str | None,
        id: str | int | None,
        retry: int | None,
        comment: str | None,
    ) -> Any:
        """Return the item that ``push(...)`` means.

        Raises:
            InvalidField: A field that would forge another.
        """
        sanitizer = self._sanitizer
        if sanitizer is not None:
            event = event if event is None else sanitizer(event)
            id = sanitizer(id) if isinstance(id, str) else id
            comment = comment if comment is None else sanitizer(comment)
        return item_of(data, event, id, retry, comment)


def _sanitized(serializer: Serializer | None, sanitizer: Sanitizer) -> Serializer:
    def text_of(value: Any) -> str:
        if serializer is not None:
            return sanitizer(serialized(value, serializer))
        return sanitizer(value if isinstance(value, str) else dumps(value).decode())

    return text_of


DEFAULT = EventWriter()


def writer_of(
    serializer: Serializer | None, sanitizer: Sanitizer | None, name_from: str | None
) -> EventWriter:
    """Return the writer for these options: the same one for the same options."""
    if serializer is None and sanitizer is None and name_from == "type":
        return DEFAULT
    try:
        return _shared(serializer, sanitizer, name_from)
    except TypeError:  # a callable that cannot be hashed
        return EventWriter(serializer, sanitizer, name_from)


_shared = lru_cache(maxsize=64)(EventWriter)
