"""Gemini's streamed arguments: values that come with the JSON path where they belong.

Lives here: the subset of JSON path that it uses, ``$.a.b[0].c``. Stays out: what the values mean.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from penstock.providers.shape import first

__all__ = ("put",)

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")

# How many elements an index may reach past an array's end.
_GAP = 1000


def put(root: dict[str, Any], piece: Any) -> None:
    """Set the value of ``piece`` in ``root``; a string that comes in pieces is appended to."""
    path = str(first(piece, "json_path", "jsonPath") or "$")
    steps: list[str | int] = [
        int(index) if index else name or quoted for name, index, quoted in _STEP.findall(path)
    ]
    if not steps:
        return
    target: Any = root
    for step, following in pairwise(steps):
        target = _child(target, step, [] if isinstance(following, int) else {})
    value = first(
        piece,
        *("string_value", "stringValue", "number_value", "numberValue", "bool_value", "boolValue"),
    )
    old = _child(target, steps[-1], None)
    if isinstance(old, str) and isinstance(value, str):
        value = old + value
    target[steps[-1]] = value


def _child(target: Any, step: str | int, fresh: Any) -> Any:
    if isinstance(step, int):
        if not len(target) <= step + 1 <= len(target) + _GAP and step >= len(target):
            raise ValueError(f"an index far past the end: {step}")
        while len(target) <= step:
            target.append(None)
        if target[step] is None:
            target[step] = fresh
        return target[step]
    if target.get(step) is None:
        target[step] = fresh
    return target[step]
