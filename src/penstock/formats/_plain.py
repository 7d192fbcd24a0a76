"""Values that are not JSON's own, one step closer to it.

Lives here: which types have a JSON form, and which form. Models are told by their shape, so that
neither pydantic nor msgspec is imported for a program that uses neither.
Stays out: text, bytes, and what to do about a value that has no form (``_json``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from penstock._chunk import Chunk

__all__ = ("is_model", "to_builtin")


def is_model(value: object) -> bool:
    """Whether ``value`` is an instance of a model class: a dataclass, pydantic or msgspec."""
    kind = type(value)
    return (
        hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "model_dump")
        or hasattr(kind, "__struct_fields__")
    )


def to_builtin(value: Any) -> Any:
    """Return ``value`` as something plainer; what it holds may need the same again.

    Raises:
        TypeError: It has no JSON form.
    """
    if isinstance(value, Chunk):
        return value.to_dict()
    if isinstance(value, Enum):
        return value.value
    if _is_a(value, "datetime", "date") or _is_a(value, "datetime", "time"):
        return value.isoformat()
    if _is_a(value, "uuid", "UUID") or _is_a(value, "decimal", "Decimal"):
        return str(value)
    for builtin, exact in _EXACT:
        if isinstance(value, builtin):
            return exact(value)
    if is_model(value):
        return _from_model(value)
    if isinstance(value, Mapping):
        return dict(value.items())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _is_a(value: object, module: str, name: str) -> bool:
    """Whether ``value`` is of the class ``module.name``.

    Without importing it, which is paid in every cold start: while nobody has, there are none.
    """
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name, ()))


def _from_model(value: Any) -> Any:
    kind = type(value)
    if hasattr(kind, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(kind, "__struct_fields__"):
        import msgspec  # loaded already, by whoever made the value

        return msgspec.to_builtins(value, enc_hook=to_builtin)
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{kind.__name__} has no JSON form")


# Subclasses of what JSON knows, as the standard library's encoder sees them: by their content,
# whatever their own __str__, __int__ or __iter__ say. A numpy.float64 is one of these.
_EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (list, list.copy),
    (tuple, lambda value: list(tuple.__iter__(value))),
    (dict, lambda value: dict(value.items())),
)
