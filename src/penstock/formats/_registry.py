"""Formats by the names users type.

Lives here: the one table of names, and the check of options at definition.
Stays out: the formats themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, Union, overload

from penstock.errors import InvalidOption

if TYPE_CHECKING:
    from penstock.formats.ndjson import Ndjson
    from penstock.formats.openai_chunks import OpenAIChunks
    from penstock.formats.sse import Sse
    from penstock.formats.text import Text
    from penstock.formats.ui_message_stream import UiMessageStream

__all__ = ("UNSET", "NamedFormat", "Unset", "get_format")

NamedFormat: TypeAlias = Union["Sse", "Ndjson", "Text", "UiMessageStream", "OpenAIChunks"]


class _MakesEncoders(Protocol):
    def encoder(self, *, end_mark: bool) -> Any: ...


_F = TypeVar("_F", bound=_MakesEncoders)


class Unset(Enum):
    """The type of ``UNSET``: an option that was not given, where None would mean something."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


# Each loads its own when it is named: every cold start would pay for those that it does not use.
def _sse() -> NamedFormat:
    from penstock.formats.sse import Sse

    return Sse()


def _ndjson() -> NamedFormat:
    from penstock.formats.ndjson import Ndjson

    return Ndjson()


def _text() -> NamedFormat:
    from penstock.formats.text import Text

    return Text()


def _ui_message_stream() -> NamedFormat:
    from penstock.formats.ui_message_stream import UiMessageStream

    return UiMessageStream()


def _openai() -> NamedFormat:
    from penstock.formats.openai_chunks import OpenAIChunks

    return OpenAIChunks()


_FORMATS: dict[str, Callable[[], NamedFormat]] = {
    "sse": _sse,
    "ndjson": _ndjson,
    "jsonl": _ndjson,
    "nljson": _ndjson,
    "text": _text,
    "ui-message-stream": _ui_message_stream,
    "openai": _openai,
}


@overload
def get_format(format: str, **options: Any) -> NamedFormat: ...
@overload
def get_format(format: _F, **options: Any) -> _F: ...
def get_format(format: Any, **options: Any) -> Any:
    """Return the format called ``format``, or that object itself, with ``options`` set.

    Args:
        format: A name, such as ``"sse"``, or a format object.
        options: The format's own; one that is ``UNSET`` is left as it is.

    Raises:
        InvalidOption: No such format, an option that it does not have, or a value that this
            option cannot take.
        InvalidField: An option that goes on the wire cannot be written there.
    """
    chosen = _by_name(format) if isinstance(format, str) else format
    if isinstance(chosen, type) or not callable(getattr(chosen, "encoder", None)):
        raise InvalidOption("format", format, f"one of {_names()}, or a format object")
    given = {name: value for name, value in options.items() if value is not UNSET}
    if not given:
        return chosen
    known = _option_names(chosen)
    for name, value in given.items():
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            expected = f"left out: the {chosen.name} format has no such option ({has})"
            raise InvalidOption(name, value, expected)
    return replace(chosen, **given)


def _by_name(name: str) -> NamedFormat:
    if name not in _FORMATS:
        raise InvalidOption("format", name, f"one of {_names()}, or a format object")
    return _FORMATS[name]()


def _names() -> str:
    return ", ".join(repr(name) for name in _FORMATS)


def _option_names(format: Any) -> list[str]:
    if not is_dataclass(format):
        return []
    return [field.name for field in fields(format) if field.init]
