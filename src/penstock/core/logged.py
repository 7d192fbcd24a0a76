"""Items as a log keeps them: any item that a stream takes, to bytes and back.

Lives here: the codec. What comes back is written by every format as the original was: text and
``Event`` and a model's chunks as they were, every other value as the JSON it makes.
Stays out: where the bytes are kept, and how an item looks on a wire.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from penstock import chunk as chunks
from penstock.chunk import Chunk, Usage
from penstock.errors import Problem
from penstock.event import Event, ServerSentEvent
from penstock.formats._json import dumps

__all__ = ("dump_item", "dump_problem", "load_item", "load_problem")

# What the first byte says of the rest.
_JSON, _EVENT, _CHUNK, _BYTES = b"j", b"e", b"c", b"b"

_CHUNKS: dict[str, type[Chunk]] = {
    kind.type: kind
    for kind in vars(chunks).values()
    if isinstance(kind, type) and issubclass(kind, Chunk) and kind is not Chunk
}


def dump_item(item: Any) -> bytes:
    """Return ``item`` as bytes.

    Raises:
        NotSerializable: It holds what JSON cannot carry.
    """
    if isinstance(item, ServerSentEvent):
        item = Event(item.data, item.event, item.id or None, item.retry)
    if isinstance(item, Event):
        return _EVENT + dumps([item.data, item.event, item.id, item.retry, item.comment])
    if isinstance(item, Chunk) and type(item) is _CHUNKS.get(item.type):
        return _CHUNK + dumps(item.to_dict())
    if isinstance(item, (bytes, bytearray, memoryview)):
        return _BYTES + bytes(item)
    return _JSON + dumps(item.to_dict() if isinstance(item, Chunk) else item)


def load_item(data: bytes) -> Any:
    """Return the item that ``dump_item`` made ``data`` of."""
    kind, rest = data[:1], data[1:]
    if kind == _BYTES:
        return rest
    value = json.loads(rest)
    if kind == _EVENT:
        return Event(*value)
    return _load_chunk(value) if kind == _CHUNK else value


def _load_chunk(members: dict[str, Any]) -> Chunk:
    kind = _CHUNKS[members.pop("type")]
    if isinstance(members.get("usage"), dict):
        usage = {name: value for name, value in members["usage"].items() if name != "type"}
        members["usage"] = Usage(**usage)
    # Another version of us may have written more than this one knows.
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    return kind(**{name: value for name, value in members.items() if name in known})


def dump_problem(problem: Problem) -> bytes:
    """Return what readers are told of an error, as bytes."""
    return dumps([problem.status, problem.title, problem.detail])


def load_problem(data: bytes) -> Problem:
    """Return the problem that ``dump_problem`` made ``data`` of."""
    status, title, detail = json.loads(data)
    return Problem(status, title, detail)
