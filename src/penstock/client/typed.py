"""Events as the caller's own types.

Lives here: JSON to a pydantic model, a msgspec struct or a dataclass. Neither library is imported:
a model of theirs brings it along.
Stays out: reading.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from penstock.errors import InvalidEvent, InvalidOption
from penstock.event import ServerSentEvent
from penstock.formats._json import dumps

__all__ = ("make_converter",)

M = TypeVar("M")


def make_converter(model: type[M], event: str | None) -> Callable[[Any], tuple[M, ...]]:
    """Return a function from an item to one ``model``, or to none when it is of another type.

    Raises:
        InvalidOption: ``model`` is of none of the three kinds.
    """
    from_json, from_value = _readers(model)

    def convert(item: Any) -> tuple[M, ...]:
        is_event = isinstance(item, ServerSentEvent)
        if event is not None and event != (item.event if is_event else _type_of(item)):
            return ()
        try:
            return (from_json(item.data) if is_event else from_value(item),)
        # Each library has errors of its own; pydantic's and msgspec's are ValueErrors.
        except (ValueError, TypeError) as exc:
            what = f"event {item.event!r}" if is_event else "a value"
            raise InvalidEvent(f"{what} is no {model.__name__}: {exc}") from exc

    return convert


def _type_of(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else None


def _readers(model: Any) -> tuple[Callable[[str], Any], Callable[[Any], Any]]:
    if hasattr(model, "model_validate_json"):
        return model.model_validate_json, model.model_validate
    if hasattr(model, "__struct_fields__"):
        msgspec = sys.modules["msgspec"]
        decoder = msgspec.json.Decoder(model)
        return decoder.decode, lambda value: decoder.decode(dumps(value))
    if isinstance(model, type) and dataclasses.is_dataclass(model):
        return (
            lambda text: _to(model, json.loads(text), "$"),
            lambda value: _to(model, value, "$"),
        )
    raise InvalidOption("model", model, "a pydantic model, a msgspec struct or a dataclass")


def _to(kind: Any, value: Any, path: str) -> Any:
    """Return ``value`` as ``kind``; what is not spoken of here is taken as it is."""
    if dataclasses.is_dataclass(kind):
        return _to_dataclass(kind, value, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _to_one_of(arguments, value, path)
    if origin is typing.Literal:
        return _checked(value in arguments, value, f"one of {arguments}", path)
    if origin in (list, set, frozenset):
        _checked(isinstance(value, list), value, "a list", path)
        of = arguments[0] if arguments else Any
        return origin(_to(of, each, f"{path}[{i}]") for i, each in enumerate(value))
    if origin is dict:
        _checked(isinstance(value, dict), value, "an object", path)
        return {key: _to(arguments[1], each, f"{path}.{key}") for key, each in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if kind in (str, int, float, bool, list, dict, types.NoneType):
        return _checked(type(value) is kind, value, kind.__name__, path)
    return value


def _checked(is_right: bool, value: Any, expected: str, path: str) -> Any:
    if not is_right:
        raise TypeError(f"{path} must be {expected}, got {type(value).__name__}")
    return value


def _to_one_of(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    problems = []
    for kind in kinds:
        try:
            return _to(kind, value, path)
        except TypeError as exc:
            problems.append(str(exc))
    raise TypeError("; ".join(problems))


def _to_dataclass(kind: Any, value: Any, path: str) -> Any:
    _checked(isinstance(value, dict), value, "an object", path)
    hints = typing.get_type_hints(kind)
    members = {
        field.name: _to(hints[field.name], value[field.name], f"{path}.{field.name}")
        for field in dataclasses.fields(kind)
        if field.init and field.name in value
    }
    try:
        return kind(**members)
    except TypeError as exc:
        raise TypeError(f"{path}: {exc}") from exc
