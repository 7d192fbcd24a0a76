"""NDJSON: lines to values.

Lives here: cutting bytes into lines, and each line's JSON. Source: RFC 8259 for the JSON, the
NDJSON specification 1.0 for the lines.
Stays out: writing them (``ndjson``); sockets, reconnecting.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from penstock.errors import InvalidOption, LineTooLong, PeerError

__all__ = ("NdjsonDecoder",)

_BOM = b"\xef\xbb\xbf"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Not orjson, also when it is there: it reads an int past 64 bits as a float.
_parse = json.JSONDecoder(parse_constant=_no_constant).decode


class NdjsonDecoder:
    """Decodes one NDJSON body, however its bytes are cut.

    Args:
        max_size: Bound, in bytes, of one line.
    """

    def __init__(self, *, max_size: int = 16 * 1024 * 1024) -> None:
        if type(max_size) is not int or max_size < 1:
            raise InvalidOption("max_size", max_size, "a number of bytes, 1 or more")
        self._max_size = max_size
        self._pieces: list[bytes] = []  # of the unfinished line; joined once, so n pieces cost O(n)
        self._held = 0  # bytes in them
        self._line_number = 0
        self._error: PeerError | None = None

    def feed(self, chunk: bytes) -> list[Any]:
        """Return the values of the lines that ``chunk`` ends. Blank lines have none.

        Raises:
            LineTooLong: A line is past ``max_size``.
            PeerError: A line is not JSON. In both cases the values before it are returned first;
                the error comes with the next call, and all later ones.
        """
        self._raise_error()
        *lines, rest = bytes(chunk).split(b"\n")
        if lines:
            self._pieces.append(lines[0])
            lines[0] = b"".join(self._pieces)
            self._pieces, self._held = [], 0
        values = self._values(lines)
        if self._error is None and rest:
            self._hold(rest)
        if not values:
            self._raise_error()
        return values

    def close(self) -> list[Any]:
        """End the body; return the value of a last line that no LF ended, if there is one.

        Raises:
            PeerError: The last line was cut, or an earlier error was not raised yet.
        """
        self._raise_error()
        last = b"".join(self._pieces)
        self._pieces, self._held = [], 0
        values = self._values([last])
        self._raise_error()
        return values

    def _hold(self, rest: bytes) -> None:
        self._pieces.append(rest)
        self._held += len(rest)
        if self._held > self._max_size:
            self._fail(LineTooLong(self._max_size, "bytes"))

    def _fail(self, error: PeerError) -> None:
        self._error = error
        self._pieces.clear()  # up to max_size of it, that nobody will ask for again

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _values(self, lines: list[bytes]) -> list[Any]:
        values = []
        if lines and not self._line_number:
            lines[0] = lines[0].removeprefix(_BOM)
        for line in lines:
            self._line_number += 1
            if not line or line.isspace():
                continue
            if len(line) > self._max_size:
                self._fail(LineTooLong(self._max_size, "bytes"))
                break
            try:
                values.append(_parse(line.decode()))
            except (ValueError, RecursionError) as exc:
                error = PeerError(f"line {self._line_number} is not JSON: {exc}")
                error.__cause__ = exc
                self._fail(error)
                break
        return values
