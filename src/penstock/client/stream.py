"""What both kinds of stream have in common.

Lives here: the state that a reader may look at, and the listeners.
Stays out: I/O, and so iterating.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from penstock.client.conversation import Conversation, Steps
from penstock.client.http_library import HttpLibrary
from penstock.client.options import Options
from penstock.client.steps import Head, Step
from penstock.clock import Clock, current_clock
from penstock.errors import InvalidOption, StreamClosed, UsageError
from penstock.event import ServerSentEvent

__all__ = ("BaseStream",)

T = TypeVar("T")


class BaseStream(Generic[T]):
    """A stream being read; see ``EventStream`` and ``AsyncEventStream``."""

    _kind: str

    def __init__(self, url: str, options: Options) -> None:
        given = url
        url = "" if url is None else str(url)  # an httpx.URL, a pydantic one
        if not url.strip():
            raise InvalidOption("url", given, "an address")
        self._url, self._options = url, options
        self._clock: Clock = options.clock or current_clock()
        self._conversation = Conversation(url, options, now=self._clock.now)
        self._listeners: dict[str | None, list[Callable[[T], object]]] = {}
        self._library: HttpLibrary | None = None
        self._response: Any = None
        self._head: Head | None = None
        self._steps: Steps = self._conversation.steps()
        self._step: Step | None = None  # the next one to do; None: none is left
        self._entered = False
        self._closing = False
        self._restarting = False
        self._item: Any = None  # being looked at by the reader
        self._cursor = self._conversation.cursor

    @property
    def url(self) -> str:
        """Where the stream came from last, after redirects."""
        return self._url if self._head is None else self._head.url

    @property
    def status(self) -> int | None:
        """HTTP status of the last response; None before the first."""
        return None if self._head is None else self._head.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the last response, names in lower case."""
        return {} if self._head is None else self._head.headers

    @property
    def last_event_id(self) -> str:
        """Where to resume from after the event now in hand: what to keep for ``last_event_id=``."""
        if isinstance(self._item, ServerSentEvent):
            return self._item.id
        return self._cursor

    @property
    def end(self) -> ServerSentEvent | None:
        """The event that ended the stream, by its id, ``[DONE]`` or ``until=``; None: none has."""
        return self._conversation.end

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closing or (self._entered and self._step is None)

    def on(self, event: str | None, listener: Callable[[T], object]) -> None:
        """Have ``run`` call ``listener`` with each event of that type; None: with each item."""
        if not callable(listener):
            raise InvalidOption("listener", listener, "a function of one item")
        self._listeners.setdefault(event, []).append(listener)

    def _wanted_by(self, item: T) -> list[Callable[[T], object]]:
        name = item.event if isinstance(item, ServerSentEvent) else "message"
        return [*self._listeners.get(name, ()), *self._listeners.get(None, ())]

    def _begin(self) -> HttpLibrary:
        if self._entered:
            raise StreamClosed("this stream was opened before; call connect() again")
        self._entered = True
        options = self._options
        self._library = HttpLibrary(options.client, self._kind, options.read_timeout)
        return self._library

    def _check_entered(self, keyword: str) -> None:
        if not self._entered:
            raise UsageError(f"open the stream first: {keyword} connect(...) as events")
