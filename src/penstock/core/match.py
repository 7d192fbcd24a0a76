"""``match=``: who gets a broadcast, as data that can be kept and sent to other processes.

Lives here: comparing it with a session's state. Both sides are compared as the JSON they make, so
a UUID, an Enum or a date in the state matches wherever the event comes from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock.errors import InvalidOption, NotSerializable
from penstock.formats._json import dumps

__all__ = ("check_match", "matches")

_MISSING = object()


def check_match(match: Any) -> dict[str, Any] | None:
    """Return ``match`` as JSON values; None where there is none.

    Raises:
        InvalidOption: It is no mapping of names to values, or it is empty.
        NotSerializable: It holds what JSON cannot carry.
    """
    if match is None:
        return None
    if (
        not isinstance(match, Mapping)
        or not match
        or not all(isinstance(key, str) for key in match)
    ):
        raise InvalidOption("match", match, 'names of the state to their values: {"user": "ada"}')
    plain: dict[str, Any] = json.loads(dumps(dict(match)))
    return plain


def matches(state: Any, match: Mapping[str, Any]) -> bool:
    """Whether ``state``, a mapping or an object with attributes, has every value of ``match``."""
    return all(_is_same(_member(state, name), wanted) for name, wanted in match.items())


def _member(state: Any, name: str) -> Any:
    if isinstance(state, Mapping):
        return state.get(name, _MISSING)
    return getattr(state, name, _MISSING)


def _is_same(value: Any, wanted: Any) -> bool:
    if value is _MISSING:
        return False
    if type(value) is type(wanted):
        return bool(value == wanted)
    try:
        return bool(json.loads(dumps(value)) == wanted) and not _is_bool_and_number(value, wanted)
    except NotSerializable:
        return False


def _is_bool_and_number(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) is not isinstance(wanted, bool)
