"""The metadata at the front of an HTTP response that is streamed: JSON, eight NULs, the body.

Lives here: cutting it off, wherever the pieces were cut, and reading it as a Function URL does.
Stays out: sending the response.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from penstock.aws.emulator.limits import PRELUDE_LIMIT

__all__ = ("CONTENT_TYPE", "HttpHead", "InvalidPrelude", "Prelude", "read_head")

CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
_DELIMITER = b"\0" * 8
# The front door has its own; a function's would contradict them.
_NOT_FORWARDED = frozenset(
    ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)


class InvalidPrelude(Exception):
    """No Function URL would take this; the caller gets ``status``."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpHead:
    """Status and headers for the caller, ``Set-Cookie`` included."""

    status: int
    headers: list[tuple[str, str]]


class Prelude:
    """Cuts the metadata off a body that comes in pieces."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> tuple[HttpHead, bytes] | None:
        """Return the head and what followed it, once the delimiter has come; None before.

        Raises:
            InvalidPrelude: It is no metadata, or has no end within 16 KB.
        """
        self._held += piece
        metadata, delimiter, rest = self._held.partition(_DELIMITER)
        if not delimiter:
            if len(self._held) > PRELUDE_LIMIT:
                raise InvalidPrelude(f"no eight NULs within the first {PRELUDE_LIMIT} bytes")
            return None
        try:
            value = json.loads(metadata)
        except ValueError as exc:
            raise InvalidPrelude(f"the metadata is no JSON: {metadata[:80]!r}") from exc
        if not isinstance(value, dict):
            raise InvalidPrelude(f"the metadata is no object: {metadata[:80]!r}")
        if "multiValueHeaders" in value:
            raise InvalidPrelude("a Function URL knows no multiValueHeaders", 500)
        return read_head(value), rest


def read_head(value: dict[str, Any]) -> HttpHead:
    """Return status, headers and cookies of a proxy result or a prelude.

    Raises:
        InvalidPrelude: A field is not of its type.
    """
    status = value.get("statusCode", 200)
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise InvalidPrelude(f"statusCode is {status!r}, not a number from 200 to 599")
    headers, cookies = value.get("headers") or {}, value.get("cookies") or []
    if not isinstance(headers, dict) or not isinstance(cookies, list):
        raise InvalidPrelude("headers is an object, cookies a list of strings")
    sent = [
        (str(name).lower(), _text(item))
        for name, item in headers.items()
        if str(name).lower() not in _NOT_FORWARDED
    ]
    sent += [("set-cookie", _text(cookie)) for cookie in cookies]
    for name, item in sent:
        if any(char in name + item for char in "\r\n\0"):
            raise InvalidPrelude(f"a line end or NUL in the header {name!r}")
    return HttpHead(status, sent)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise InvalidPrelude(f"a header's value is a string, not {value!r}")
    return str(value)
