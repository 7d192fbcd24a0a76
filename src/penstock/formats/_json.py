"""Any value to compact JSON in UTF-8.

Lives here: the fast path (orjson when it is installed, else the standard library), and the
careful one, which a value takes only when the fast path refused it: it writes what the fast one
cannot, and otherwise says where in the value the trouble is.
Stays out: what lines, fields and events look like.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import Any

from penstock.errors import NotSerializable
from penstock.formats._plain import to_builtin

__all__ = ("dumps", "utf8")

_Default = Callable[[Any], Any]

# Not orjson's own forms: dates, dataclasses and subclasses go through to_builtin, so that the
# same value has the same JSON with and without it.
options: int | None = None

_standard = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=to_builtin
)


def _standard_dumps(value: Any, default: _Default, flags: int | None) -> bytes:
    return _standard.encode(value).encode()


def _first_dumps(value: Any, default: _Default, flags: int | None) -> bytes:
    """Find the fast writer, and write by it: from then on it is called itself."""
    global fast_dumps, options
    try:
        import orjson  # late: it loads uuid, datetime and more
    except ImportError:
        fast_dumps = _standard_dumps  # it writes the same values
    else:
        # The options first: another thread may be about to call it.
        options = (
            orjson.OPT_PASSTHROUGH_DATACLASS
            | orjson.OPT_PASSTHROUGH_DATETIME
            | orjson.OPT_PASSTHROUGH_SUBCLASS
        )
        fast_dumps = orjson.dumps
    return fast_dumps(value, default, options)


# ``fast_dumps(value, to_builtin, options)``: what ``dumps`` tries first, and raises what it likes.
fast_dumps: Callable[[Any, _Default, int | None], bytes] = _first_dumps


def dumps(value: Any) -> bytes:
    """Return ``value`` as compact JSON on one line, in UTF-8. NaN and infinities become null.

    Raises:
        NotSerializable: It holds what JSON cannot carry; the error says where.
    """
    try:
        return fast_dumps(value, to_builtin, options)
    # Of any kind, since a model's own code ran: the careful path meets it again, or avoids it.
    except Exception:
        return _careful_dumps(value)


def utf8(text: str) -> bytes:
    """Return ``text`` in UTF-8.

    Raises:
        NotSerializable: It holds a lone surrogate, which UTF-8 has no bytes for.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NotSerializable("$", "str", _SURROGATE) from None


_SURROGATE = "it holds a lone surrogate"


def _careful_dumps(value: Any) -> bytes:
    walk = _Walk()
    try:
        plain = walk.plain(value)
        return _standard_dumps(plain, to_builtin, None)
    except RecursionError:
        reason = "it is nested too deeply"
        raise NotSerializable("$", type(value).__name__, reason) from None
    except ValueError as exc:  # an int of more digits than Python writes
        raise NotSerializable("$", type(value).__name__, str(exc)) from exc


class _Walk:
    """Copies a value into dicts, lists and scalars, and knows at each moment where it stands."""

    def __init__(self) -> None:
        self._path = ["$"]
        self._open: set[int] = set()  # ids of what the walk is inside of: finds circles

    def plain(self, value: Any) -> Any:
        """Return a copy of ``value`` that JSON can carry.

        Raises:
            NotSerializable: There is none.
        """
        kind = type(value)
        if value is None or kind is bool or kind is int:
            return value
        if kind is str:
            return self._text(value)
        if kind is float:
            return value if isfinite(value) else None
        if id(value) in self._open:
            raise self._refused(value, "it contains itself")
        self._open.add(id(value))
        try:
            return self._inside(value)
        finally:
            self._open.remove(id(value))

    def _inside(self, value: Any) -> Any:
        if type(value) is dict:
            return self._members(value)
        if type(value) in (list, tuple):
            return self._elements(value)
        try:
            plainer = to_builtin(value)
        except RecursionError:
            raise
        except Exception as exc:
            # A plain TypeError is to_builtin's own "no form", which the message says already.
            reason = "" if type(exc) is TypeError else f"{type(exc).__name__}: {exc}"
            raise self._refused(value, reason) from exc
        return self.plain(plainer)

    def _members(self, members: dict[Any, Any]) -> dict[Any, Any]:
        result = {}
        for key, value in members.items():
            self._path.append(f".{key}")
            result[self._key(key)] = self.plain(value)
            self._path.pop()  # not when refused: the path is then what the error says
        return result

    def _elements(self, elements: Any) -> list[Any]:
        result = []
        for index, element in enumerate(elements):
            self._path.append(f"[{index}]")
            result.append(self.plain(element))
            self._path.pop()
        return result

    def _key(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._text(str.__str__(key))
        if isinstance(key, float) and not isfinite(key):
            return json.dumps(float.__float__(key))  # what the standard library makes of it
        if key is None or isinstance(key, (int, float)):
            return key
        raise self._refused(key, "as a key")

    def _text(self, text: str) -> str:
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise self._refused(text, _SURROGATE) from None
        return text

    def _refused(self, value: Any, reason: str) -> NotSerializable:
        return NotSerializable("".join(self._path), type(value).__name__, reason)
