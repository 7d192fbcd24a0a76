"""A referee for UI message streams that is stricter than the AI SDK's own client.

Lives here: the rules of a whole stream. The client does not mind a part that is left open, a
missing finish or a missing end; a reader would take a cut answer for a whole one.
Stays out: sockets; making streams (``formats``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from penstock.formats import SseDecoder

__all__ = ("check_ui_message_stream",)

# What may be null: values of the application's and the model's own.
_VALUES = ("data", "input", "output", "messageMetadata")
_REASONS = ("stop", "length", "content-filter", "tool-calls", "error", "other")

# Members that must be there, and those that may; the keys that every client since 5.0.100 takes.
_MEMBERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "start": ((), ("messageId", "messageMetadata")),
    "start-step": ((), ()),
    "text-start": (("id",), ()),
    "text-delta": (("id", "delta"), ()),
    "text-end": (("id",), ()),
    "reasoning-start": (("id",), ()),
    "reasoning-delta": (("id", "delta"), ("providerMetadata",)),
    "reasoning-end": (("id",), ()),
    "tool-input-start": (("toolCallId", "toolName"), ("dynamic", "providerExecuted")),
    "tool-input-delta": (("toolCallId", "inputTextDelta"), ()),
    "tool-input-available": (
        ("toolCallId", "toolName", "input"),
        ("dynamic", "providerExecuted", "providerMetadata"),
    ),
    "tool-input-error": (("toolCallId", "toolName", "input", "errorText"), ("dynamic",)),
    "tool-output-available": (("toolCallId", "output"), ("dynamic", "preliminary")),
    "tool-output-error": (("toolCallId", "errorText"), ("dynamic",)),
    "source-url": (("sourceId", "url"), ("title",)),
    "source-document": (("sourceId", "mediaType", "title"), ("filename",)),
    "file": (("url", "mediaType"), ()),
    "message-metadata": (("messageMetadata",), ()),
    "finish-step": ((), ()),
    "finish": ((), ("finishReason", "messageMetadata")),
    "abort": ((), ("reason",)),
    "error": (("errorText",), ()),
}
_DATA = (("data",), ("id", "transient"))
_TYPES: dict[str, type] = {
    **dict.fromkeys(("dynamic", "preliminary", "transient", "providerExecuted"), bool),
    "providerMetadata": dict,
}
_LAST = ("finish", "abort", "error")


def check_ui_message_stream(body: bytes) -> list[dict[str, Any]]:
    """Return the chunks of a whole UI message stream, if all is well with it.

    One ``start`` comes first; every text, reasoning and tool input is opened, closed and in order,
    before its step ends; exactly one ``finish``, ``error`` or ``abort`` comes last, then ``[DONE]``
    and the end of the body; nothing is null but the application's own values; no key is one that
    AI SDK 5 does not know (but for ``abort``'s reason).

    Args:
        body: The response's body, from its first byte to its last.

    Raises:
        AssertionError: Something is wrong; it says what, and at which chunk.
    """
    referee = _Referee()
    for event in SseDecoder().feed(body):
        referee.take(event.event, event.data)
    referee.end(body)
    return referee.chunks


class _Referee:
    def __init__(self) -> None:
        self.chunks: list[dict[str, Any]] = []
        self._is_done = False  # [DONE] has come
        self._in_step = False
        self._parts: dict[str, str] = {}  # those that are open, by id
        self._used: set[str] = set()
        self._inputs: set[str] = set()  # calls whose input streams
        self._calls: set[str] = set()  # calls whose input is known
        self._rules: dict[str, Callable[[dict[str, Any]], None]] = {
            "start-step": self._start_step,
            "finish-step": self._finish_step,
            "tool-input-start": self._input_start,
            "tool-input-delta": self._input_delta,
            "tool-input-available": self._input_end,
            "tool-input-error": self._input_end,
            "tool-output-available": self._output,
            "tool-output-error": self._output,
        }

    def take(self, name: str, data: str) -> None:
        """Take one event."""
        self._claim(name in ("", "message"), f"an event has no name here, this is {name!r}")
        self._claim(not self._is_done, "nothing follows [DONE]")
        if data == "[DONE]":
            self._is_done = True
            return
        try:
            chunk = json.loads(data)
        except ValueError:
            self._fail(f"the data is not JSON: {data!r}")
        self._claim(isinstance(chunk, dict), f"a chunk is an object, this is {data}")
        last = self.chunks[-1]["type"] if self.chunks else None
        self.chunks.append(chunk)
        self._claim(last not in _LAST, f"nothing but [DONE] follows {last}")
        self._members(chunk)
        kind: str = chunk["type"]
        self._claim((kind == "start") == (last is None), "one start comes first")
        if kind.startswith(("text-", "reasoning-")):
            part, _, edge = kind.rpartition("-")
            self._part(part, edge, chunk["id"])
        elif kind in _LAST:
            self._end_of_message(chunk)
        elif kind in self._rules:
            self._rules[kind](chunk)

    def end(self, body: bytes) -> None:
        """The body has ended."""
        self._claim(self._is_done, "it does not end with [DONE]")
        self._claim(body.endswith(b"\n\n"), "the last event is not complete")
        last = self.chunks[-1]["type"] if self.chunks else None
        self._claim(last in _LAST, f"it ends with {last}, not with one of {', '.join(_LAST)}")

    def _members(self, chunk: dict[str, Any]) -> None:
        kind = chunk.get("type")
        self._claim(isinstance(kind, str), "a chunk has a type")
        is_data = str(kind).startswith("data-")
        needed, optional = _DATA if is_data else _MEMBERS.get(str(kind), ((), ()))
        self._claim(is_data or kind in _MEMBERS, f"no such chunk: {kind}")
        for name in needed:
            self._claim(name in chunk, f"{name} is missing")
        for name, value in chunk.items():
            self._claim(name in ("type", *needed, *optional), f"{name} is no member of it")
            self._claim(value is not None or name in _VALUES, f"{name} is null")
            expected = _TYPES.get(name, str)
            self._claim(name in _VALUES or isinstance(value, expected), f"{name} is {value!r}")

    def _part(self, kind: str, edge: str, id: str) -> None:
        if edge == "start":
            self._claim(id not in self._used, f"the id {id!r} was used before")
            self._claim(self._in_step, "no step is open")
            self._used.add(id)
            self._parts[id] = kind
            return
        self._claim(self._parts.get(id) == kind, f"no {kind} part {id!r} is open")
        if edge == "end":
            del self._parts[id]

    def _start_step(self, chunk: dict[str, Any]) -> None:
        self._claim(not self._in_step, "the last step has not ended")
        self._in_step = True

    def _finish_step(self, chunk: dict[str, Any]) -> None:
        self._claim(self._in_step, "no step is open")
        self._closed()
        self._in_step = False

    def _input_start(self, chunk: dict[str, Any]) -> None:
        id = chunk["toolCallId"]
        self._claim(id not in self._inputs | self._calls, f"the call {id!r} was made before")
        self._claim(self._in_step, "no step is open")
        self._inputs.add(id)

    def _input_delta(self, chunk: dict[str, Any]) -> None:
        self._claim(chunk["toolCallId"] in self._inputs, "its call is not open")

    def _input_end(self, chunk: dict[str, Any]) -> None:
        id = chunk["toolCallId"]
        self._claim(id not in self._calls, f"the input of {id!r} was complete before")
        self._inputs.discard(id)
        self._calls.add(id)

    def _output(self, chunk: dict[str, Any]) -> None:
        id = chunk["toolCallId"]
        self._claim(id in self._calls, f"the call {id!r} is not known")

    def _end_of_message(self, chunk: dict[str, Any]) -> None:
        self._closed()
        if chunk["type"] == "finish":
            self._claim(not self._in_step, "the last step has not ended")
            reason = chunk.get("finishReason", "stop")
            self._claim(reason in _REASONS, f"no such finish reason: {reason}")

    def _closed(self) -> None:
        self._claim(not self._parts, f"still open: {', '.join(self._parts)}")
        self._claim(not self._inputs, f"inputs still open: {', '.join(self._inputs)}")

    def _claim(self, is_true: bool, otherwise: str) -> None:
        if not is_true:
            self._fail(otherwise)

    def _fail(self, what: str) -> NoReturn:
        chunk = f" {self.chunks[-1]}" if self.chunks else ""
        raise AssertionError(f"UI message stream, chunk {len(self.chunks)}{chunk}: {what}")
