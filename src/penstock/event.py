"""An event to send, and an event received.

Lives here: the two values and the checks that hold wherever an event is made.
Stays out: how an event looks on a wire (``formats/``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from penstock.errors import InvalidField

__all__ = ("Event", "Numbered", "ServerSentEvent", "check_line", "check_retry")


def check_line(field: str, value: str) -> None:
    """Refuse a ``value`` that would forge a field or an event of its own.

    Raises:
        InvalidField: It holds CR, LF or NUL.
    """
    if not isinstance(value, str):
        raise InvalidField(field, value, "a str")
    if "\n" in value or "\r" in value or "\0" in value:
        raise InvalidField(field, value)


def check_retry(value: int) -> None:
    """Refuse a reconnection time that is not a whole number of milliseconds.

    Raises:
        InvalidField: It is a bool, a float, or negative.
    """
    if type(value) is not int or value < 0:
        raise InvalidField("retry", value, "a whole number of milliseconds, 0 or more")


# Names that passed: a stream has few of them and sends each often.
_MAX_CHECKED = 1024
_checked_names: set[str] = set()


@dataclass(slots=True, init=False, eq=True)
class Event:
    """One event to send.

    Args:
        data: Payload. A ``str`` travels raw, everything else as compact JSON. With neither data
            nor event, only what else is given is written.
        event: Event type; None and "message" are the wire's default type and are not written.
        id: Last event ID for the reader to resume from; an int is taken for its digits.
        retry: The reader's reconnection time, in milliseconds.
        comment: Text the reader's API never shows; each of its lines becomes a comment line.

    Raises:
        InvalidField: ``event`` or ``id`` holds CR, LF or NUL, or ``retry`` is no whole number.

    Source: WHATWG HTML, section 9.2, "Server-sent events".
    """

    data: Any
    event: str | None
    id: str | None
    retry: int | None
    comment: str | None

    # By hand, not generated: the check is at the making, and makes half of what it costs.
    def __init__(
        self,
        data: Any = None,
        event: str | None = None,
        id: str | int | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> None:
        if event is not None and (event.__class__ is not str or event not in _checked_names):
            check_line("event", event)
            if len(_checked_names) < _MAX_CHECKED:
                _checked_names.add(event)
        if id is not None:
            if type(id) is int:
                id = str(id)
            check_line("id", id)  # type: ignore[arg-type]  # it is what refuses other types
        if retry is not None:
            check_retry(retry)
        if comment is not None and not isinstance(comment, str):
            raise InvalidField("comment", comment, "a str")
        self.data = data
        self.event = event
        self.id = id  # type: ignore[assignment]  # a str since check_line
        self.retry = retry
        self.comment = comment

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing to dispatch: no data and no name, but something else."""
        return (
            self.data is None
            and self.event is None
            and (self.id is not None or self.retry is not None or self.comment is not None)
        )


class Numbered:
    """An item that a log gave an id: only for encoders that say ``takes_ids``.

    Attributes:
        item: What would be written without it, an ``Event`` or any other item.
        id: Last event ID, in place of one that the item brings.
    """

    __slots__ = ("id", "item")

    def __init__(self, item: Any, id: str) -> None:
        self.item, self.id = item, id


# Not frozen: the generated frozen __init__ takes three times as long, most of a decoder's time.
@dataclass(slots=True)
class ServerSentEvent:
    """One event as received.

    Attributes:
        event: Event type; "message" when the wire named none.
        data: Payload, its lines joined by LF.
        id: Last event ID as of this event; it persists from earlier events.
        retry: Reconnection time that stood in this event's block, in milliseconds, or None.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """Return ``data`` decoded as JSON.

        Raises:
            json.JSONDecodeError: It is not JSON.
        """
        return json.loads(self.data)
