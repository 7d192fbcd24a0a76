"""The error tree: whose mistake it was is told by the branch.

    StreamError
    ├── UsageError               the caller's code: fix it
    │   ├── InvalidField         (ValueError) a field its wire cannot carry
    │   ├── UnsupportedItem      (TypeError) an item this format does not write
    │   ├── NotSerializable      (TypeError) a value JSON cannot carry
    │   ├── InvalidOption        (ValueError) an option that cannot mean what it says
    │   ├── BodyNotAllowed       a body under a status that forbids one
    │   ├── HeadAlreadySent      status or headers set after the commit
    │   ├── StreamClosed         a write after the end
    │   ├── Overflow             writes past the bound that nobody awaited
    │   ├── CursorGone           a log no longer, or never, held what came after a cursor
    │   ├── LogClosed            an append to a key that has ended
    │   ├── LogFull              an append past a bound that may not be trimmed
    │   ├── StaleFence           a writer that another has taken over from
    │   ├── AlreadyRunning       a second start of an answer that runs
    │   ├── ConfigurationError   the deployment is missing something
    │   └── ExtraNotInstalled    (ImportError) an optional dependency is missing
    ├── PeerError                the other end broke the protocol
    │   ├── LineTooLong          (ValueError) an unfinished line past the decoder's bound
    │   ├── ResponseError        a status or content type that is no stream
    │   ├── InvalidEvent         (ValueError) an event that is not what the reader asked for
    │   └── StreamCut            a stream ended without the record that ends it
    ├── TransportError           the connection
    │   ├── ClientDisconnected   the reader left
    │   ├── ConnectionLost       the server cannot be reached, or went silent or away
    │   └── LogUnavailable       a log's own server or file does not answer
    └── HttpError                an answer: a status for the reader

Lives here: every exception this package raises. Stays out: what a reader is told of one
(``problem.py``), and how that is written to a wire.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.problem import Problem, phrase

__all__ = (
    "AlreadyRunning",
    "BodyNotAllowed",
    "ClientDisconnected",
    "ConfigurationError",
    "ConnectionLost",
    "CursorGone",
    "ExtraNotInstalled",
    "HeadAlreadySent",
    "HttpError",
    "InvalidEvent",
    "InvalidField",
    "InvalidOption",
    "LineTooLong",
    "LogClosed",
    "LogFull",
    "LogUnavailable",
    "NotSerializable",
    "Overflow",
    "PeerError",
    "Problem",
    "ResponseError",
    "StaleFence",
    "StreamClosed",
    "StreamCut",
    "StreamError",
    "TransportError",
    "UnsupportedItem",
    "UsageError",
)


class StreamError(Exception):
    """Base of the tree: ``except StreamError`` catches this package's errors and nothing else."""


class UsageError(StreamError):
    """The caller's code asked for something that cannot be done."""


class InvalidField(UsageError, ValueError):
    """A field holds what its wire format cannot carry, such as a line end in an event name.

    Attributes:
        field: Name of the field.
        value: What it held.
    """

    def __init__(self, field: str, value: object, expected: str = "one line without NUL") -> None:
        super().__init__(f"{field} must be {expected}, got {value!r}")
        self.field, self.value = field, value


class UnsupportedItem(UsageError, TypeError):
    """A format was given an item that it does not write.

    Attributes:
        item: The item.
        format: Name of the format.
    """

    def __init__(self, item: object, format: str, hint: str = "") -> None:
        more = f": {hint}" if hint else ""
        super().__init__(f"the {format} format does not write {type(item).__name__}{more}")
        self.item, self.format = item, format


class NotSerializable(UsageError, TypeError):
    """A value that JSON cannot carry.

    The message names the type and the path to it, which belong in a log and never on the wire.

    Attributes:
        path: Where the value stands, as ``$.rows[3].when``.
        kind: Name of its type.
    """

    def __init__(self, path: str, kind: str, reason: str = "") -> None:
        more = f" ({reason})" if reason else ""
        super().__init__(
            f"cannot write {kind} at {path} as JSON{more}; "
            "convert it before yielding it, or pass serializer="
        )
        self.path, self.kind = path, kind


class InvalidOption(UsageError, ValueError):
    """An option was given a value that it cannot take.

    Attributes:
        option: Name of the option.
        value: What it was given.
    """

    def __init__(self, option: str, value: object, expected: str) -> None:
        super().__init__(f"{option}= must be {expected}, got {value!r}")
        self.option, self.value = option, value


class BodyNotAllowed(UsageError):
    """An item was produced for a response whose status forbids a body (204, 205, 304).

    Attributes:
        status: The status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status} forbids a body: yield nothing, or set another status")
        self.status = status


class HeadAlreadySent(UsageError):
    """Status or headers were changed after the head was committed."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} cannot change any more: the head left with the first item "
            "(or keep-alive, or commit()); set it before that"
        )


class StreamClosed(UsageError):
    """Something was written to a stream that has ended."""


class Overflow(UsageError):
    """Writes went past the stream's bound without being awaited.

    ``emit``, ``push``, ``write`` and ``broadcast`` enqueue at the call; what they return must be
    awaited for the reader's pace to reach the writer.
    """


class CursorGone(UsageError, LookupError):
    """What came after a cursor cannot be told: a reader must begin anew.

    Attributes:
        cursor: What was asked for.
        reason: "unknown" (never an id of this key, or of an earlier life of it) or "too old"
            (trimmed or expired since).
        oldest: Id of the oldest event that is held; None when none is.
    """

    def __init__(self, cursor: str, reason: str, oldest: str | None = None) -> None:
        super().__init__(
            f"the cursor {cursor!r} is {reason}: read from the oldest event that is held, {oldest}"
        )
        self.cursor, self.reason, self.oldest = cursor, reason, oldest


class LogClosed(UsageError):
    """Something was appended to a key that has ended.

    Attributes:
        key: The key.
        ending: How it ended.
    """

    def __init__(self, key: str, ending: str) -> None:
        super().__init__(f"{key!r} has ended ({ending}): nothing can be appended to it")
        self.key, self.ending = key, ending


class LogFull(UsageError):
    """Something was appended past a bound that may not be trimmed.

    Attributes:
        key: The key.
        limit: The bound.
    """

    def __init__(self, key: str, limit: int, what: str = "events") -> None:
        super().__init__(f"{key!r} would go past its {limit} {what}: raise the bound")
        self.key, self.limit = key, limit


class StaleFence(UsageError):
    """A writer's claim has run out, or another writer took over.

    Attributes:
        key: What it had claimed.
        run: Its number.
    """

    def __init__(self, key: str, run: int) -> None:
        super().__init__(f"the claim on {key!r} of run {run} is over: this writer must stop")
        self.key, self.run = key, run


class AlreadyRunning(UsageError):
    """An answer was started under a key whose answer still runs.

    Attributes:
        key: The key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(
            f'{key!r} is running already: on_running="join" follows it, "replace" stops it'
        )
        self.key = key


class ConfigurationError(UsageError):
    """The deployment lacks something the code was told to rely on."""


class ExtraNotInstalled(UsageError, ImportError):
    """A feature needs an optional dependency that is not installed.

    Attributes:
        extra: What to install it by: ``pip install "penstock[extra]"``.
    """

    def __init__(self, extra: str) -> None:
        super().__init__(f'not installed: run  pip install "penstock[{extra}]"')
        self.extra = extra


class PeerError(StreamError):
    """The other end broke the protocol; not the caller's bug."""


class LineTooLong(PeerError, ValueError):
    """A peer's unfinished line or event grew past the decoder's bound.

    Attributes:
        limit: The bound, in characters for SSE and bytes for NDJSON.
    """

    def __init__(self, limit: int, unit: str = "characters") -> None:
        super().__init__(
            f"the peer sent an unfinished line or event of more than {limit} {unit}; "
            "raise max_size= if that is expected"
        )
        self.limit = limit


class ResponseError(PeerError):
    """A server answered with an error status, or another content type; the message has its words.

    Attributes:
        status: HTTP status.
        headers: Of the response, names in lower case.
        body: Its first 64 KiB, as text.
        url: Where the answer came from, after redirects.
    """

    def __init__(
        self, message: str, *, status: int, headers: Mapping[str, str], body: str, url: str
    ) -> None:
        super().__init__(message)
        self.status, self.headers, self.body, self.url = status, headers, body, url


class InvalidEvent(PeerError, ValueError):
    """An event's data is not what the reader asked for; the cause says where."""


class StreamCut(PeerError):
    """A stream ended, or was cut, without the record that ends it (``until=``)."""


class TransportError(StreamError):
    """The connection failed."""


class ClientDisconnected(TransportError):
    """The reader left before the stream had ended."""


class ConnectionLost(TransportError):
    """The server cannot be reached, went silent past ``read_timeout=``, or cut the stream.

    Attributes:
        retries: Attempts in vain.
        last_event_id: Where to resume from, or "".
    """

    def __init__(self, message: str, *, retries: int = 0, last_event_id: str = "") -> None:
        super().__init__(message)
        self.retries, self.last_event_id = retries, last_event_id


class LogUnavailable(TransportError):
    """A log's server or file did not answer in time; what was to be kept may or may not be."""


class HttpError(StreamError):
    """Answer the request with ``status``.

    Before the first byte it is the response's own status and an ``{"errors": [...]}`` body; after
    it, the one error event of the stream's format.

    Args:
        status: HTTP status, 400 to 599.
        title: Short summary of the kind of problem; by default the status's own phrase.
        detail: What happened this time. Kept for 4xx; replaced by a generic one for 5xx.
        headers: Response headers, such as ``Retry-After``, when the head is still unsent.

    Attributes:
        was_reported: Its cause has been logged where it happened, and is not logged again.

    Example:
        ``raise HttpError(404, detail="no such export")``
    """

    def __init__(
        self,
        status: int,
        title: str | None = None,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(status, bool) or not isinstance(status, int) or not 400 <= status <= 599:
            raise InvalidOption("status", status, "an HTTP error status, 400 to 599")
        self.status = int(status)
        self.title = title if title is not None else phrase(self.status)
        self.detail = detail
        self.headers = dict(headers or {})
        self.was_reported = False
        super().__init__(f"{self.status} {self.title}" + (f": {detail}" if detail else ""))
