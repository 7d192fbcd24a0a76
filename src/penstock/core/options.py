"""How a stream behaves: the options every way of making one accepts.

Lives here: their names, units, defaults, and the checks that fail where they are written, not
where they are used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from penstock.clock import Clock
from penstock.core.format import Format
from penstock.core.problem import Scrub
from penstock.errors import InvalidOption
from penstock.formats import get_format
from penstock.types import HeaderValues, MessageId, OnError, Serializer

__all__ = ("StreamKeywords", "StreamOptions", "check_seconds", "resolve")

_MAX_SECONDS = 3600.0


class StreamKeywords(TypedDict, total=False):
    """Keyword options of a stream. Durations are float seconds; ``retry`` is milliseconds.

    ``StreamOptions`` describes those of the flow and of the end.

    Attributes:
        content_type: Names the body; by default the format's own.
        status: HTTP status.
        headers: Header name to value, list of values, or None to remove a default.
        retry: SSE: the reader's reconnection time, in whole milliseconds.
        done: SSE: name of the event that ends a finished answer; None: no such event.
        error_event: SSE: name of the event that tells of an error.
        name_from: SSE: member of a mapping or model that names its event; None: no name.
        serializer: SSE, NDJSON: makes a value's text, in place of compact JSON.
        target: UI message stream: oldest major version of the AI SDK among the readers.
        on_error: UI message stream, OpenAI: makes the text that a reader is shown of an error.
        message_id: UI message stream, OpenAI: the answer's id, or what makes one for each.
        model: OpenAI: name of the model.
        send_reasoning, send_sources, send_usage: UI message stream, OpenAI: what is sent.
    """

    # the wire
    content_type: str
    status: int
    headers: HeaderValues
    retry: int | None
    done: str | None
    error_event: str
    name_from: str | None
    serializer: Serializer | None
    target: int
    on_error: OnError | None
    message_id: MessageId | None
    model: str
    send_reasoning: bool
    send_sources: bool
    send_usage: bool
    # the flow
    keep_alive: float | None
    commit: Literal["first", "start"] | float
    timeout: float | None
    idle_timeout: float | None
    # the end
    throw: bool
    scrub: Scrub | None
    cleanup_timeout: float
    on_shutdown: Literal["end", "drain"]
    clock: Clock | None


_WIRE = (
    *("retry", "done", "error_event", "name_from", "serializer"),
    *("target", "on_error", "message_id", "model", "send_reasoning", "send_sources", "send_usage"),
)
_HEAD = ("content_type", "status", "headers")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How one stream flows and ends.

    Attributes:
        keep_alive: Idle seconds before a keep-alive; None: none.
        commit: When the head leaves: with the "first" item, at the "start", or after so many
            seconds at the latest.
        timeout: Seconds the whole stream may take; None: no limit.
        idle_timeout: Seconds between two items; None: no limit.
        throw: Re-raise the producer's error to the host instead of writing an error event.
        scrub: Decides what of an error is shown; None: 4xx details are, 5xx details are not.
        cleanup_timeout: Seconds a producer's cleanup may take after the stream was stopped.
        on_shutdown: "end" the producer at once, or let it "drain" within the grace.
        clock: Where time comes from; None: the clock in force where the stream runs.
        raise_cuts: Re-raise to the host an error that this wire has no words for: some hosts can
            tell their reader more than that the body was cut.
    """

    keep_alive: float | None = None
    commit: Literal["first", "start"] | float = "first"
    timeout: float | None = None
    idle_timeout: float | None = None
    throw: bool = False
    scrub: Scrub | None = None
    cleanup_timeout: float = 5.0
    on_shutdown: Literal["end", "drain"] = "end"
    clock: Clock | None = None
    raise_cuts: bool = False

    def __post_init__(self) -> None:
        for name in ("keep_alive", "timeout", "idle_timeout"):
            if getattr(self, name) is not None:
                check_seconds(name, getattr(self, name))
        check_seconds("cleanup_timeout", self.cleanup_timeout)
        if self.commit not in ("first", "start"):
            check_seconds("commit", self.commit, 'or "first" or "start"', zero=True)
        if self.on_shutdown not in ("end", "drain"):
            raise InvalidOption("on_shutdown", self.on_shutdown, '"end" or "drain"')
        if not isinstance(self.throw, bool):
            raise InvalidOption("throw", self.throw, "True or False")
        if self.scrub is not None and not callable(self.scrub):
            raise InvalidOption("scrub", self.scrub, "a function of (error, problem)")


def check_seconds(option: str, value: Any, more: str = "", *, zero: bool = False) -> None:
    """Refuse what cannot be a duration in seconds.

    Raises:
        InvalidOption: Not a number, not positive, or over an hour, as milliseconds would be.
    """
    expected = f"seconds, as a number above 0 {more}".rstrip()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidOption(option, value, expected)
    if value < 0 or (value == 0 and not zero):
        raise InvalidOption(option, value, expected)
    if value > _MAX_SECONDS:
        raise InvalidOption(option, value, f"at most {_MAX_SECONDS:g}: is it in seconds?")


def resolve(
    format: str | Format, keywords: StreamKeywords, also: Iterable[str] = ()
) -> tuple[Format, StreamOptions]:
    """Return the format and the flow options that ``keywords`` ask for.

    Args:
        format: A name, or a format object.
        keywords: As the caller gave them.
        also: Options that the caller has besides, to be named where one was misspelt.

    Raises:
        InvalidOption: An unknown format or option, or a value it cannot take.
    """
    given: dict[str, Any] = dict(keywords)
    wire = {name: given.pop(name) for name in _WIRE if name in given}
    chosen: Format = get_format(format, **wire)
    for name in _HEAD:
        given.pop(name, None)
    flow = set(StreamOptions.__dataclass_fields__) - {"raise_cuts"}  # a host's, not a user's
    unknown = sorted(set(given) - flow)
    if unknown:
        known = sorted({*_WIRE, *_HEAD, *flow, *also})
        raise InvalidOption(unknown[0], given[unknown[0]], _unknown(unknown[0], known))
    if "keep_alive" not in given:
        given["keep_alive"] = chosen.keep_alive
    elif given["keep_alive"] is not None and not chosen.encoder(end_mark=False).keep_alive():
        raise InvalidOption("keep_alive", given["keep_alive"], f"None: {chosen.name} has none")
    return chosen, StreamOptions(**given)


def _unknown(option: str, known: list[str]) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    meant = get_close_matches(option.lower(), known, 1)
    hint = f"did you mean {meant[0]}=?" if meant else f"there are {', '.join(known)}"
    return f"left out: there is no such option ({hint})"
