"""What the conversation with a server asks of whoever does its I/O, and what it is told.

Lives here: the steps and the answers, plain values. Stays out: what they mean (``conversation``),
how they are done (``sync``, ``aio``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = (
    "RESTARTED",
    "Answer",
    "Call",
    "Deliver",
    "Follow",
    "Head",
    "Lost",
    "Open",
    "Read",
    "ReadAll",
    "Reconnect",
    "RequestSpec",
    "Step",
    "Wait",
)


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The stream was lost and is asked for again.

    Attributes:
        attempt: 1 for the first attempt since the stream last brought something.
        delay: Seconds until then.
        last_event_id: What is sent as ``Last-Event-ID``.
        error: Why, or None when the server just ended the stream.
    """

    attempt: int
    delay: float
    last_event_id: str
    error: Exception | None = None

    @property
    def has_cursor(self) -> bool:
        """Whether the server can tell where to resume; if not, events may be lost or repeated."""
        return bool(self.last_event_id)


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """A request to send.

    Attributes:
        method: HTTP method.
        url: Where to; None: where the options say.
        headers: All of them, as bytes, since an id may be any UTF-8.
        content: The body, or None.
    """

    method: str
    url: str | None
    headers: list[tuple[bytes, bytes]]
    content: bytes | None


# Steps: what is to be done. Each is answered as its docstring says.
@dataclass(frozen=True, slots=True)
class Open:
    """Send the request, closing what was open: answered by a ``Head`` or ``Lost``."""

    request: RequestSpec


@dataclass(frozen=True, slots=True)
class Follow:
    """Send what the redirect just received asks for: answered by a ``Head`` or ``Lost``."""


@dataclass(frozen=True, slots=True)
class Read:
    """Read what comes next: answered by bytes, None at the end, or ``Lost``."""


@dataclass(frozen=True, slots=True)
class ReadAll:
    """Read the rest, up to ``limit`` bytes or as far as it goes: answered by bytes."""

    limit: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand out ``items``; then ``cursor`` is the last event ID. Answered by None."""

    items: list[Any]
    cursor: str


@dataclass(frozen=True, slots=True)
class Call:
    """Call ``function(argument)`` and await what it returns, if need be. Answered by None."""

    function: Callable[[Any], object]
    argument: object


@dataclass(frozen=True, slots=True)
class Wait:
    """Close what is open and wait so many seconds. Answered by None."""

    seconds: float


Step = Open | Follow | Read | ReadAll | Deliver | Call | Wait


# Answers.
@dataclass(frozen=True, slots=True)
class Head:
    """A response's head.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        url: Where it came from.
        redirect: Where it sends to, absolute; None: nowhere that can be followed.
    """

    status: int
    headers: Mapping[str, str]
    url: str
    redirect: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection failed, or its reader was told to start again.

    Attributes:
        error: The HTTP library's own error; None when it was told to.
        why: In words, for a message.
        is_final: To try again would fail again: a bad address, say.
    """

    error: Exception | None
    why: str
    is_final: bool = False


RESTARTED = Lost(None, "told to start again")

Answer = Head | Lost | bytes | None
