"""Server-sent events: bytes to events.

Lives here: the grammar and its meaning. Source: WHATWG HTML, section 9.2.5, "Parsing an event
stream", and 9.2.6, "Interpreting an event stream".
Stays out: writing them (``sse``); sockets, reconnecting, JSON.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Callable

from penstock.errors import InvalidOption, LineTooLong
from penstock.event import ServerSentEvent

__all__ = ("SseDecoder",)

_utf8_decoder = getincrementaldecoder("utf-8")

# More digits than Python turns into an int; what such a line says is not a time.
_MAX_DIGITS = 4000

# A whole block in its plainest shape, as most servers write most of theirs, or else one line with
# its end: finding these at once takes half the time of going line by line. "." stops at LF only.
_TOKEN = re.compile(r"(?:event: (.++)\n)?(?:id: (.++)\n)?data: (.*+)\n\n|(.*+\n)")


class SseDecoder:
    """Decodes one ``text/event-stream`` body, however its bytes are cut.

    Args:
        last_event_id: Where an earlier connection left off; events report it until one brings
            an id of its own.
        max_size: Bound, in characters, of one line and of one event's data.
        on_comment: Called with each comment's text, all that follows the colon.

    Example:
        ``for event in SseDecoder().feed(chunk): print(event.event, event.json())``
    """

    def __init__(
        self,
        *,
        last_event_id: str = "",
        max_size: int = 16 * 1024 * 1024,
        on_comment: Callable[[str], object] | None = None,
    ) -> None:
        if type(max_size) is not int or max_size < 1:
            raise InvalidOption("max_size", max_size, "a number of characters, 1 or more")
        self._max_size = max_size
        self._on_comment = on_comment
        self._retry: int | None = None
        self._last_event_id = last_event_id

        self._decode = _utf8_decoder(errors="replace").decode
        self._at_start = True  # a byte order mark counts only there
        self._after_cr = False  # a CR has ended its line; a LF that follows belongs to it
        self._pieces: list[str] = []  # of the unfinished line; joined once, so n pieces cost O(n)
        self._held = 0  # characters in them
        self._failed = False

        self._id = last_event_id  # the last event ID once the block ends
        self._end_block()

    @property
    def last_event_id(self) -> str:
        """Last event ID as of the last complete block: where to resume from."""
        return self._last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time last given, in milliseconds; None: none yet."""
        return self._retry

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that ``chunk`` completes.

        Raises:
            LineTooLong: A line or an event's data is past ``max_size``. Events completed before
                it are returned first; the error comes with the next call, and all later ones.
        """
        self._raise_if_failed()
        events: list[ServerSentEvent] = []
        whole, rest = self._cut(self._decode(chunk))
        if whole:
            self._interpret(whole, events)
        if rest and not self._failed:
            self._hold(rest)
        if not events:
            self._raise_if_failed()
        return events

    def close(self) -> list[ServerSentEvent]:
        """End the body: an unfinished block is dropped, its id too. Returns no events.

        Raises:
            LineTooLong: As ``feed``.
        """
        self._raise_if_failed()
        self._pieces, self._held = [], 0
        self._id = self._last_event_id
        self._end_block()
        return []

    def _end_block(self) -> None:
        self._in_block = False
        self._event = ""
        self._data: list[str] = []
        self._data_size = 0
        self._block_retry: int | None = None

    def _cut(self, text: str) -> tuple[str, str]:
        """Return the lines that ``text`` ends, each ended by LF, and what is left of it."""
        if not text:
            return "", ""  # half a character, which says nothing about the CR before it either
        if self._at_start:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        if self._after_cr:
            self._after_cr = False
            text = text.removeprefix("\n")
        if "\r" in text:
            self._after_cr = text[-1] == "\r"
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        end = text.rfind("\n") + 1
        if not end:
            return "", text
        self._pieces.append(text[:end])
        whole = "".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        return whole, text[end:]

    def _hold(self, rest: str) -> None:
        self._pieces.append(rest)
        self._held += len(rest)
        if self._held > self._max_size:
            self._fail()

    def _fail(self) -> None:
        self._failed = True
        self._pieces.clear()  # up to max_size of it, that nobody will ask for again

    def _raise_if_failed(self) -> None:
        if self._failed:
            raise LineTooLong(self._max_size)

    def _interpret(self, text: str, events: list[ServerSentEvent]) -> None:
        """Take in whole lines of ``text``; add the events they complete to ``events``."""
        for event, id, data, line in self._tokens(text):
            if self._failed:
                return
            if line:
                self._take_line(line[:-1], events)
            elif self._in_block or "\0" in id:  # it goes on with what stood before
                self._take_block(event, id, data, events)
            else:
                if id:
                    self._id = self._last_event_id = id
                events.append(ServerSentEvent(event or "message", data, self._id))

    def _tokens(self, text: str) -> list[tuple[str, str, str, str]]:
        if len(text) <= self._max_size:
            return _TOKEN.findall(text)
        # Some line may be past the bound: each is looked at by itself.
        return [("", "", "", line + "\n") for line in text[:-1].split("\n")]

    def _take_block(self, event: str, id: str, data: str, events: list[ServerSentEvent]) -> None:
        if event:
            self._take_line(f"event: {event}", events)
        if id:
            self._take_line(f"id: {id}", events)
        self._take_line(f"data: {data}", events)
        if not self._failed:
            self._take_line("", events)

    def _take_line(self, line: str, events: list[ServerSentEvent]) -> None:
        if not line:
            if self._data:
                events.append(self._dispatched())
            self._last_event_id = self._id  # also when nothing was dispatched
            self._end_block()
            return
        self._in_block = True
        name, _, value = line.partition(":")
        if value[:1] == " ":
            value = value[1:]
        if len(line) > self._max_size or (name == "data" and not self._has_room(value)):
            self._fail()
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        else:
            self._rare_field(name, value, line)

    def _dispatched(self) -> ServerSentEvent:
        data = "\n".join(self._data)
        return ServerSentEvent(self._event or "message", data, self._id, self._block_retry)

    def _rare_field(self, name: str, value: str, line: str) -> None:
        if not name:
            if self._on_comment is not None:
                self._on_comment(line[1:])
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
            self._retry = self._block_retry = int(value)

    def _has_room(self, value: str) -> bool:
        """Count one more data line in; say whether the event may have it."""
        self._data_size += len(value) + 1  # its LF; the last one's is not part of the data
        return self._data_size <= self._max_size + 1
