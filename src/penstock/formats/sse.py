"""Server-sent events: values to bytes.

Lives here: which fields an item gets, and how they are written so that nothing in a value can
forge a field or an event. Source: WHATWG HTML, section 9.2, "Server-sent events".
Stays out: reading them (``sse_decoder``); time, tasks and sockets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock._chunk import Chunk, is_done, is_error
from penstock.errors import InvalidField, InvalidOption, Problem, UnsupportedItem
from penstock.event import Event, Numbered, ServerSentEvent, check_line, check_retry
from penstock.formats import _json
from penstock.formats._items import (
    END_ID,
    STREAM_HEADERS,
    check_serializer,
    fixed,
    http_error,
    problem_json,
    problem_of,
    serialized,
)
from penstock.formats._json import dumps, utf8
from penstock.formats._plain import is_model, to_builtin
from penstock.types import HeaderValues, Serializer

if TYPE_CHECKING:
    from penstock.chunk import Done

__all__ = ("Sse", "SseEncoder", "format_sse")

_DATA = b"data: "
_KIND = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# EventSource dispatches these itself: a payload's type must not pass for one of them.
_RESERVED = ("error", "message")

# What stands before the data, by event name. Names are few and return often, so that a name is
# checked and encoded once; bounded, for names that a caller makes up as it goes.
_CACHED = 512
_heads: dict[str | None, bytes] = {None: _DATA, "": _DATA, "message": _DATA}
_kind_heads: dict[str, bytes] = {}


def format_sse(
    item: Any, *, serializer: Serializer | None = None, name_from: str | None = "type"
) -> bytes:
    """Return one item as a server-sent event.

    Args:
        item: An ``Event``, whose fields are written as they stand; a str, which travels raw; or
            any other value, as compact JSON.
        serializer: Makes the data's text of every value, in place of both.
        name_from: Member of a mapping or model that names the event; None: no name.

    Raises:
        InvalidField: An event name or id that would forge a field.
        NotSerializable: The item holds what JSON cannot carry.
        UnsupportedItem: The item is bytes.
    """
    if is_error(item):
        return _error_event("error", None, problem_of(item))
    return _encode(item, serializer, name_from)


@dataclass(frozen=True)
class Sse:
    """The ``text/event-stream`` format.

    Args:
        name_from: Member of a mapping or model that names the event; None: no name.
        retry: The reader's reconnection time, in milliseconds.
        done: Name of the event that ends a finished answer, so that EventSource does not ask
            again; None: no such event.
        error_event: Name of the event that tells of an error.
        serializer: Makes the data's text of every value, in place of raw str and compact JSON.

    Raises:
        InvalidField: A name with a line end in it, or a ``retry`` that is no whole number.
        InvalidOption: Another option that cannot be meant.
    """

    name: str = fixed("sse")
    # No charset: the standard fixes it, and some tools compare the whole value.
    content_type: str = fixed("text/event-stream")
    keep_alive: float | None = fixed(15.0)

    name_from: str | None = "type"
    retry: int | None = None
    done: str | None = "done"
    error_event: str = "error"
    serializer: Serializer | None = None

    def __post_init__(self) -> None:
        if self.name_from is not None and not isinstance(self.name_from, str):
            raise InvalidOption("name_from", self.name_from, "the name of a member, or None")
        if self.retry is not None:
            check_retry(self.retry)
        if self.done is not None:
            _head("done", self.done)
        _head("error_event", self.error_event)
        check_serializer(self.serializer)

    @property
    def headers(self) -> HeaderValues:
        return STREAM_HEADERS

    def encoder(self, *, end_mark: bool) -> SseEncoder:
        """Return the encoder of one stream; ``end_mark``: it is an answer that finishes."""
        return SseEncoder(self, end_mark=end_mark and self.done is not None)


class SseEncoder:
    """Turns one stream's items into server-sent events."""

    __slots__ = ("_end_mark", "_format", "_name_from", "_serializer")

    takes_ids = True  # ``Numbered`` items

    def __init__(self, format: Sse, *, end_mark: bool) -> None:
        self._format = format
        self._serializer = format.serializer
        self._name_from = format.name_from
        self._end_mark = end_mark  # still owed

    def open(self) -> bytes:
        # No blank line: it rides in the first event's block. Some clients dispatch an empty
        # message for a block of its own.
        return b"" if self._format.retry is None else b"retry: %d\n" % self._format.retry

    def item(self, item: Any) -> bytes:
        # What most streams are made of, without a call of ours in between; all else, and what
        # cannot be written, is _encode's.
        if self._serializer is None:
            kind = type(item)
            if kind is str:
                if "\n" not in item and "\r" not in item:
                    try:  # one text, encoded once: two thirds of what joining bytes takes
                        return f"data: {item}\n\n".encode()
                    except UnicodeEncodeError:
                        pass
            elif kind is Event and type(item.data) is dict:
                head = _heads.get(item.event)
                if head and item.id is item.retry is item.comment is None:
                    try:  # dumps(), in line
                        data = _json.fast_dumps(item.data, to_builtin, _json.options)
                        return head + data + b"\n\n"
                    except Exception:  # noqa: S110  # _encode meets it again, and says where
                        pass
        if isinstance(item, Chunk):
            if is_error(item):
                raise http_error(item)
            if self._end_mark and is_done(item):
                encoded = _encode_done(item, self._serializer, self._name_from)
                self._end_mark = False
                return encoded
        elif type(item) is Numbered:
            return self._numbered(item.item, item.id)
        return _encode(item, self._serializer, self._name_from)

    def _numbered(self, item: Any, id: str) -> bytes:
        if isinstance(item, Event):
            return _encode_event(
                Event(item.data, item.event, id, item.retry, item.comment), self._serializer
            )
        owed = self._end_mark
        encoded = self.item(item)
        if owed is not self._end_mark:
            return encoded  # it carries the end mark's
        return b"id: %b\n" % id.encode() + encoded  # a block's fields stand in any order

    def control(self, kind: str) -> bytes:
        return _comment(kind)

    def keep_alive(self) -> bytes:
        return b": keep-alive\n"  # no blank line: as for retry

    def error(self, problem: Problem) -> bytes:
        id = END_ID if self._end_mark else None
        return _error_event(self._format.error_event, id, problem)

    def close(self, ending: str) -> bytes:
        if ending == "shutdown":
            retry = 1000 if self._format.retry is None else self._format.retry
            return b": shutdown\nretry: %d\n" % retry
        if ending == "completed" and self._end_mark:
            return _block(Event("", event=self._format.done, id=END_ID), b"")
        if ending == "stopped" and self._end_mark:  # asked for again, it would only stop again
            return _block(Event("", event="stopped", id=END_ID), b"")
        return b""


def _encode(item: Any, serializer: Serializer | None, name_from: str | None) -> bytes:
    kind = type(item)
    if kind is dict:
        head = _DATA if name_from is None else _kind_head(item.get(name_from))
        return b"%b%b\n\n" % (head, _payload(item, serializer))
    if kind is Event:
        return _encode_event(item, serializer)
    if kind is str:
        return b"data: %b\n\n" % _payload(item, serializer)
    return _encode_other(item, serializer, name_from)


def _encode_event(event: Event, serializer: Serializer | None) -> bytes:
    if event.id is None and event.retry is None and event.comment is None:
        try:
            head = _heads[event.event]
        except (KeyError, TypeError):
            head = _head("event", event.event)
        return b"%b%b\n\n" % (head, _payload(event.data, serializer))
    if event.is_bare:
        return _bare(event)
    return _block(event, _payload(event.data, serializer))


def _encode_other(item: Any, serializer: Serializer | None, name_from: str | None) -> bytes:
    if isinstance(item, (bytes, bytearray, memoryview)):
        raise UnsupportedItem(item, "sse", "decode it, or use the text format")
    if isinstance(item, Event):
        return _encode_event(item, serializer)
    if isinstance(item, ServerSentEvent):
        received = Event(item.data, item.event, item.id or None, item.retry)
        return _encode_event(received, serializer)
    if isinstance(item, Chunk):
        return _encode(item.to_dict(), serializer, name_from)
    head = _DATA if name_from is None else _kind_head(_kind_of(item, name_from))
    return b"%b%b\n\n" % (head, _payload(item, serializer))


def _encode_done(chunk: Done, serializer: Serializer | None, name_from: str | None) -> bytes:
    members = chunk.to_dict()
    name = None if name_from is None else members.get(name_from)
    return _block(Event(None, event=name, id=END_ID), _payload(members, serializer))


def _kind_of(item: Any, name_from: str) -> Any:
    """Return what names ``item``'s event, whatever it is; None when it has no such member."""
    if isinstance(item, Mapping):
        return item.get(name_from)
    if not is_model(item):
        return None
    try:
        plain = to_builtin(item)
    # Of a model's own code; writing the data meets it again, and says where.
    except Exception:
        return None
    # On the class, too: a tag there often is no field.
    return plain[name_from] if name_from in plain else getattr(type(item), name_from, None)


def _kind_head(kind: Any) -> bytes:
    if type(kind) is not str:
        kind = getattr(kind, "value", None)  # an Enum's; anything else names nothing
        if type(kind) is not str:
            return _DATA
    head = _kind_heads.get(kind)
    if head is None:
        named = _KIND.fullmatch(kind) is not None and kind not in _RESERVED
        head = b"event: %b\ndata: " % kind.encode() if named else _DATA
        if named:
            _remember(_kind_heads, kind, head)
    return head


def _head(field: str, name: Any) -> bytes:
    """Return what stands before the data of an event called ``name``, once it is checked."""
    check_line(field, name)
    try:
        head = _heads.get(name) or b"event: %b\ndata: " % name.encode()
    except UnicodeEncodeError:
        raise InvalidField(field, name, "text without lone surrogates") from None
    if len(name) <= 64:
        _remember(_heads, name, head)
    return head


def _remember(cache: dict[Any, bytes], name: str, head: bytes) -> None:
    if len(cache) >= _CACHED:
        del cache[next(reversed(cache))]  # the newest: the lasting names came first
    cache[name] = head


def _payload(value: Any, serializer: Serializer | None) -> bytes:
    """Return the data, its inner line ends turned into further ``data:`` fields."""
    if serializer is not None:
        value = serialized(value, serializer)
    elif not isinstance(value, str):
        return dumps(value)
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    if "\n" in value:
        value = value.replace("\n", "\ndata: ")
    return utf8(value)


def _fields(event: Event) -> bytes:
    """Return the fields that need not stand in every event: id and retry, checked again.

    Again, because an event's attributes can be set after it was made.
    """
    lines = b""
    if event.id is not None:
        check_line("id", event.id)
        try:
            lines = b"id: %b\n" % event.id.encode()
        except UnicodeEncodeError:
            raise InvalidField("id", event.id, "text without lone surrogates") from None
    if event.retry is not None:
        check_retry(event.retry)
        lines += b"retry: %d\n" % event.retry
    return lines


def _block(event: Event, payload: bytes) -> bytes:
    comment = b"" if event.comment is None else _comment(event.comment)
    name = _head("event", event.event)[: -len(_DATA)] if event.event is not None else b""
    return b"%b%b%bdata: %b\n\n" % (comment, name, _fields(event), payload)


def _bare(event: Event) -> bytes:
    """Return an event that dispatches nothing: an id, a reconnection time, a comment."""
    comment = b"" if event.comment is None else _comment(event.comment)
    fields = _fields(event)
    if event.id is not None:
        return comment + fields + b"\n"  # a reader takes the id at the blank line
    # No blank line, and never retry by itself: some clients dispatch an empty message for it.
    return (comment or b":\n") + fields


def _comment(text: str) -> bytes:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return utf8("".join(f": {line}\n" if line else ":\n" for line in lines))


def _error_event(name: str, id: str | None, problem: Problem) -> bytes:
    return _block(Event(None, event=name, id=id), problem_json(problem))
