"""JSON Schema of a function's parameters, made of its annotations and docstring.

Lives here: Python's types as a model reads them. Stays out: tools, providers.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from penstock.errors import InvalidOption

__all__ = ("function_schema", "type_schema")

_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_STRING_FORMATS = {"datetime": "date-time", "date": "date", "time": "time", "UUID": "uuid"}
_SECTION = re.compile(
    r"^\s*(Args|Arguments|Returns|Raises|Yields|Example|Examples|Note|Notes):\s*$"
)
_ARGUMENT = re.compile(r"^\s+(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")
_DEEPEST = 16


def function_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return name, description and parameters of ``function``.

    Raises:
        InvalidOption: It takes what a model cannot give by name.
    """
    name = getattr(function, "__name__", type(function).__name__)
    about, documented = _documentation(inspect.getdoc(function) or "")
    hints = _hints(function)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InvalidOption("tools", function, "functions whose arguments all have a name")
        schema = type_schema(hints.get(parameter.name, Any))
        if text := documented.get(parameter.name):
            schema.setdefault("description", text)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif isinstance(parameter.default, (str, int, float, bool)):
            schema.setdefault("default", parameter.default)
        properties[parameter.name] = schema
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"name": name, "description": about, "parameters": parameters}


def type_schema(kind: Any, depth: int = 0) -> dict[str, Any]:
    """Return the JSON Schema of one annotation; ``{}``, anything, where there is none."""
    if depth > _DEEPEST or kind is Any or kind is inspect.Parameter.empty:
        return {}
    if isinstance(kind, type) and kind in _NAMES:
        return {"type": _NAMES[kind]}
    if kind is None:
        return {"type": "null"}
    if get_origin(kind) is not None:
        return _generic(kind, depth)
    if isinstance(kind, type):
        return _class(kind, depth)
    return {}


def _generic(kind: Any, depth: int) -> dict[str, Any]:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        schema = type_schema(args[0], depth + 1)
        texts = [each for each in args[1:] if isinstance(each, str)]
        texts += [text for each in args[1:] if (text := getattr(each, "description", None))]
        return {**schema, "description": texts[0]} if texts else schema
    if origin is Literal:
        kinds = {_NAMES.get(type(each)) for each in args}
        named = {"type": kinds.pop()} if len(kinds) == 1 else {}
        return {**named, "enum": list(args)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [type_schema(each, depth + 1) for each in args]}
    if not isinstance(origin, type):
        return {}
    if issubclass(origin, Mapping):
        values = type_schema(args[1], depth + 1) if len(args) == 2 else {}
        return {"type": "object", "additionalProperties": values or True}
    if origin is tuple and args and args[-1] is not Ellipsis:
        items = [type_schema(each, depth + 1) for each in args]
        return {"type": "array", "prefixItems": items, "minItems": len(items)}
    return {"type": "array", "items": type_schema(args[0], depth + 1) if args else {}}


def _class(kind: type, depth: int) -> dict[str, Any]:
    if issubclass(kind, Enum):
        values = [each.value for each in kind]
        kinds = {_NAMES.get(type(each)) for each in values}
        named = {"type": kinds.pop()} if len(kinds) == 1 else {}
        return {**named, "enum": values}
    own: Any = getattr(kind, "model_json_schema", None)
    if own is not None:  # pydantic's
        made: dict[str, Any] = own()
        return made
    if is_dataclass(kind):
        required = [
            field.name
            for field in fields(kind)
            if field.default is MISSING and field.default_factory is MISSING
        ]
        return _object(kind, required, depth)
    if is_typeddict(kind):
        return _object(kind, sorted(getattr(kind, "__required_keys__", ())), depth)
    if issubclass(kind, Mapping):
        return {"type": "object"}
    if issubclass(kind, (list, tuple, set, frozenset)):
        return {"type": "array", "items": {}}
    text = _STRING_FORMATS.get(kind.__name__)
    return {"type": "string", "format": text} if text else {}


def _object(kind: type, required: list[str], depth: int) -> dict[str, Any]:
    hints = _hints(kind)
    properties = {name: type_schema(each, depth + 1) for name, each in hints.items()}
    return {"type": "object", "properties": properties, "required": required}


def _hints(owner: Any) -> dict[str, Any]:
    try:
        hints = get_type_hints(owner, include_extras=True)
    except (NameError, TypeError):  # a name that only a type checker knows
        hints = {
            name: each
            for name, each in getattr(owner, "__annotations__", {}).items()
            if not isinstance(each, str)
        }
    hints.pop("return", None)
    return hints


def _documentation(text: str) -> tuple[str, dict[str, str]]:
    """Return the docstring's own text, and what it says of each argument."""
    about: list[str] = []
    documented: dict[str, str] = {}
    section, argument = "", ""
    for line in text.splitlines():
        if heading := _SECTION.match(line):
            section, argument = heading[1], ""
        elif not section:
            about.append(line)
        elif section in ("Args", "Arguments"):
            if found := _ARGUMENT.match(line):
                argument = found[1]
                documented[argument] = found[2].strip()
            elif argument and line.strip():
                documented[argument] += f" {line.strip()}"
    return "\n".join(about).strip(), documented
