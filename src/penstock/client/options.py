"""What can be said about a stream to be read.

Lives here: the options of ``connect`` and ``aconnect``, their units and checks.
Stays out: what is done with them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypedDict

from penstock.client.steps import Reconnect
from penstock.clock import Clock
from penstock.core.options import check_seconds
from penstock.errors import InvalidOption
from penstock.event import check_line

__all__ = (
    "FormatName",
    "Headers",
    "NdjsonName",
    "Options",
    "ReadKeywords",
    "Until",
    "make_options",
)

NdjsonName = Literal["ndjson", "jsonl", "nljson"]
FormatName = Literal["sse", "ndjson", "jsonl", "nljson"]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Until = str | Mapping[str, Any] | Callable[[Any], object]


class ReadKeywords(TypedDict, total=False):
    """Keyword options of ``connect`` and ``aconnect``; ``Options`` describes them."""

    method: str | None
    params: Any
    headers: Headers | None
    auth: Any
    json: Any
    content: str | bytes | None
    client: Any
    last_event_id: str | int | None
    reconnect: bool | None
    max_retries: int | None
    retry_delay: float
    max_delay: float
    healthy_after: float
    read_timeout: float | None
    until: Until | None
    max_size: int
    on_open: Callable[[Mapping[str, str]], object] | None
    on_comment: Callable[[str], object] | None
    on_reconnect: Callable[[Reconnect], object] | None
    clock: Clock | None
    sleep: Callable[[float], Any] | None
    uniform: Callable[[float, float], float]


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2

# Not None: ``json=None`` is a body, the JSON null.
_NO_JSON: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of ``connect`` and ``aconnect``. Durations are float seconds.

    Attributes:
        method: HTTP method; by default POST with a body, else GET.
        params: Query parameters, as httpx takes them.
        headers: Request headers, sent with every attempt.
        auth: As httpx takes it: a pair, or an ``Auth`` that may renew its token.
        json: Request body, as JSON. Sent again when the stream is asked for again.
        content: Request body as it is, str or bytes.
        client: An httpx or httpx2 client to use; it is not closed. None: one of our own.
        format: "sse" or "ndjson"; None: as the response's content type says.
        last_event_id: Where to resume from; None or "" for the start.
        reconnect: Ask again when the stream ends without its end mark, or is cut. None: for GET,
            HEAD and REPORT always, but for what ended in ``[DONE]``; else only a cut, and only
            with an id to resume from.
        max_retries: Attempts in vain before ``ConnectionLost``, those for the first connection
            included. None: no bound, but the first connection must succeed.
        retry_delay: Reconnection time until the server gives one with ``retry``.
        max_delay: Bound of the delay, which grows with each attempt that brings no event.
        healthy_after: A connection that lasted as long as this sets ``max_retries`` back.
        read_timeout: Silence after which the connection counts as lost; keep-alives are no silence.
        until: What ends the stream: the name or the data of an event, members of a mapping, or a
            function of the item. The item is still delivered. Without it a stream that ends is cut.
        max_size: Bound of one line and one event.
        on_open: Called with the response's headers, names in lower case, for each connection.
        on_comment: Called with each comment's text, in its place between the events.
        on_reconnect: Called with a ``Reconnect`` before the wait for it.
        clock: Where time comes from; None: the one in force.
        sleep: Waits so many seconds in place of the clock; a coroutine function with ``aconnect``.
        uniform: Source of chance, as ``random.uniform``.
    """

    method: str | None = None
    params: Any = None
    headers: Headers | None = None
    auth: Any = None
    json: Any = field(default_factory=lambda: _NO_JSON)
    content: str | bytes | None = None
    client: Any = None
    format: str | None = None
    last_event_id: str | int | None = None
    reconnect: bool | None = None
    max_retries: int | None = None
    retry_delay: float = 1.0
    max_delay: float = 30.0
    healthy_after: float = 10.0
    read_timeout: float | None = None
    until: Until | None = None
    max_size: int = 16 * 1024 * 1024
    on_open: Callable[[Mapping[str, str]], object] | None = None
    on_comment: Callable[[str], object] | None = None
    on_reconnect: Callable[[Reconnect], object] | None = None
    clock: Clock | None = None
    sleep: Callable[[float], Any] | None = None
    uniform: Callable[[float, float], float] = random.uniform

    def __post_init__(self) -> None:
        for name in ("retry_delay", "max_delay", "healthy_after"):
            check_seconds(name, getattr(self, name), zero=True)
        if self.read_timeout is not None:
            check_seconds("read_timeout", self.read_timeout)
        if self.max_retries is not None and (
            type(self.max_retries) is not int or self.max_retries < 0
        ):
            raise InvalidOption("max_retries", self.max_retries, "a number, 0 or more, or None")
        if self.format not in (None, "sse", "ndjson", "jsonl", "nljson"):
            raise InvalidOption("format", self.format, '"sse", "ndjson" or None')
        if self.content is not None and not isinstance(self.content, (str, bytes)):
            raise InvalidOption("content", self.content, "str or bytes: it may be sent again")
        if self.content is not None and self.has_json:
            raise InvalidOption("json", self.json, "left out when content= is given")
        check_line("last_event_id", self.cursor)
        self._check_kinds()

    def _check_kinds(self) -> None:
        if self.method is not None and not (
            isinstance(self.method, str) and _TOKEN.fullmatch(self.method.strip())
        ):
            raise InvalidOption("method", self.method, "an HTTP method")
        if self.reconnect not in (None, True, False):
            raise InvalidOption("reconnect", self.reconnect, "True, False or None")
        for name in ("on_open", "on_comment", "on_reconnect", "sleep"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise InvalidOption(name, getattr(self, name), "a function")
        if self.until is not None and not (
            callable(self.until) or isinstance(self.until, (str, Mapping))
        ):
            raise InvalidOption("until", self.until, "a str, a mapping or a function")

    @property
    def cursor(self) -> str:
        """The initial last event ID; "" when there is none."""
        return "" if self.last_event_id is None else str(self.last_event_id)

    @property
    def has_json(self) -> bool:
        """Whether a JSON body was given; None is one."""
        return self.json is not _NO_JSON


def make_options(given: Mapping[str, Any]) -> Options:
    """Return the options that were ``given``.

    Raises:
        InvalidOption: There is no such option, or it cannot be what was given.
    """
    known = [each.name for each in fields(Options)]
    for name in given:
        if name not in known:
            raise InvalidOption(name, given[name], f"left out: there are {', '.join(known)}")
    return Options(**given)
