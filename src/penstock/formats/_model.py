"""What the chat front ends' wires have in common: items, tool calls, usage, errors.

Lives here: the meaning of chunks that is the same on each of these wires.
Stays out: any one wire's JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from penstock.chunk import Usage
from penstock.errors import HttpError, InvalidOption, Problem, UnsupportedItem
from penstock.formats._json import utf8
from penstock.types import MessageId, OnError

__all__ = (
    "ToolInput",
    "check_flags",
    "check_message_id",
    "check_on_error",
    "check_text",
    "error_text",
    "is_silent",
    "sum_of",
    "text_of",
    "tool_input",
)

_NO_JSON = "The tool was called with arguments that are not JSON."


class ToolInput:
    """What is known of one tool call's arguments so far.

    Args:
        id: What the call is named on the wire.
        name: The tool's name.
    """

    __slots__ = ("_pieces", "id", "is_answered", "is_known", "name")

    def __init__(self, id: str, name: str) -> None:
        self.id, self.name = id, name
        self.is_known = False  # all of them
        self.is_answered = False
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """Take one more piece of the JSON text."""
        self._pieces.append(piece)

    @property
    def arguments(self) -> str:
        """The JSON text, as far as it has come."""
        return "".join(self._pieces)


def is_silent(tools: Mapping[str, ToolInput]) -> bool:
    """Whether no call's arguments are still on their way."""
    return all(tool.is_known for tool in tools.values())


def tool_input(arguments: str, input: Any = None) -> tuple[Any, str | None]:
    """Return a call's input, and what is wrong with it, or None.

    A tool without arguments gets an empty text from some providers: that is an empty object.
    """
    if input is not None:
        return input, None
    if not arguments.strip():
        return {}, None
    try:
        return json.loads(arguments), None
    except ValueError:
        return arguments, _NO_JSON


def text_of(item: Any, format: str) -> str:
    """Return an item that is text by itself.

    Raises:
        UnsupportedItem: It is not.
    """
    if isinstance(item, str):
        return item
    raise UnsupportedItem(item, format, "yield str, or the chunks of penstock.chunk")


def sum_of(one: Usage | None, other: Usage | None) -> Usage | None:
    """Return the tokens of both, of rounds with a model that make one answer."""
    if one is None or other is None:
        return one or other
    return Usage(**{field.name: _added(one, other, field.name) for field in fields(Usage)})


def _added(one: Usage, other: Usage, name: str) -> int | None:
    counts: Iterable[int | None] = (getattr(one, name), getattr(other, name))
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def error_text(problem: Problem, on_error: OnError | None) -> str:
    """Return what a reader is shown of ``problem``; ``on_error`` sees the exception itself.

    Raises:
        TypeError: ``on_error`` returned no str.
    """
    if on_error is not None:
        error = problem.cause
        if error is None:
            status = min(max(problem.status, 400), 599)
            error = HttpError(status, problem.title, problem.detail)
        text: object = on_error(error)  # whatever its annotation says
        if not isinstance(text, str):
            raise TypeError(f"on_error= must return a str, returned {type(text).__name__}")
        return _sendable(text)
    return _sendable(problem.detail or problem.title)


def _sendable(text: str) -> str:
    """An error must not fail to be told, such as one cut out of bad UTF-8."""
    return text.encode("utf-8", "replace").decode()


def check_on_error(on_error: OnError | None) -> None:
    """Refuse an ``on_error`` that cannot be called.

    Raises:
        InvalidOption: It is neither callable nor None.
    """
    if on_error is not None and not callable(on_error):
        raise InvalidOption("on_error", on_error, "a function from an exception to a str")


def check_message_id(message_id: MessageId | None) -> None:
    """Refuse what is neither an id nor makes one.

    Raises:
        InvalidOption: It is neither a str, nor callable, nor None.
    """
    if message_id is not None and not callable(message_id):
        check_text("message_id", message_id)


def check_flags(**flags: bool) -> None:
    """Refuse what is neither True nor False.

    Raises:
        InvalidOption: One of them is.
    """
    for option, value in flags.items():
        if not isinstance(value, bool):
            raise InvalidOption(option, value, "True or False")


def check_text(option: str, value: object) -> None:
    """Refuse what cannot stand on the wire as text.

    Raises:
        InvalidOption: It is no str, or an empty one.
    """
    if not isinstance(value, str) or not value:
        raise InvalidOption(option, value, "a str that is not empty")
    utf8(value)
