"""What ends a stream, as the caller says it.

Lives here: ``until=`` to a function of one item. Stays out: what happens then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from penstock.event import ServerSentEvent

__all__ = ("make_until",)


def make_until(
    until: str | Mapping[str, Any] | Callable[[Any], object] | None,
) -> Callable[[Any], object] | None:
    """Return whether an item ends the stream, as a function; None when nothing was said.

    A str is an event's name or its whole data, and in NDJSON a record's ``type``, or the record. A
    mapping is members that the record (or the event's data, as JSON) must have.
    """
    if until is None or callable(until):
        return until
    if isinstance(until, str):
        return _named(until)
    return _with_members(dict(until))


def _named(name: str) -> Callable[[Any], object]:
    def is_it(item: Any) -> bool:
        if isinstance(item, ServerSentEvent):
            return name in (item.event, item.data)
        kind = item.get("type") if isinstance(item, dict) else item
        return isinstance(kind, str) and kind == name

    return is_it


def _with_members(members: dict[str, Any]) -> Callable[[Any], object]:
    def is_it(item: Any) -> bool:
        if isinstance(item, ServerSentEvent):
            try:
                item = json.loads(item.data)
            except ValueError:
                return False  # text, such as OpenAI's [DONE], has no members
        return isinstance(item, dict) and members.items() <= item.items()

    return is_it
