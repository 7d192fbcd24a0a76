"""Status, headers and cookies, until they leave.

Lives here: the head a handler may still change, and the checks on what is put into it.
Stays out: how a host writes it.

Source: RFC 9110, sections 5 (fields) and 15 (status codes); RFC 6265 (cookies).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

from penstock.errors import HeadAlreadySent, InvalidField, InvalidOption
from penstock.types import HeaderValue, HeaderValues

__all__ = ("Head", "Headers")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# The connection's, not the message's: the host owns them (RFC 9110, 7.6.1; PEP 3333).
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection")
    + ("te", "trailer", "transfer-encoding", "upgrade")
)
_BODILESS = frozenset((204, 205, 304))


class Headers:
    """Response headers: names compare without case, a name may have several values."""

    __slots__ = ("_head", "_items", "_unwanted")

    def __init__(self, head: Head | None = None) -> None:
        self._items: list[tuple[str, str]] = []
        self._head = head
        self._unwanted: tuple[str, ...] = ()  # removed before a default came

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of ``name``."""
        return next(iter(self.getlist(name)), default)

    def getlist(self, name: str) -> list[str]:
        """Return every value of ``name``."""
        name = name.lower()
        return [value for key, value in self._items if key == name]

    def add(self, name: str, value: str) -> None:
        """Add a value beside those that are there.

        Raises:
            InvalidField: ``name`` is no token, or ``value`` holds a line end, NUL, or a
                character outside Latin-1.
            HeadAlreadySent: The head was committed.
        """
        self._check_open(name)
        self._items.append((_check_name(name), _check_value(name, value)))

    def default(self, name: str, value: str) -> None:
        """Add a value that a format gives to all its streams, unless ``name`` was set, or removed.

        Raises:
            InvalidField, HeadAlreadySent: As ``add`` does.
        """
        item = _default_item(name, value)
        if item[0] not in self and item[0] not in self._unwanted:
            self._check_open(name)
            self._items.append(item)

    def apply(self, values: HeaderValues) -> None:
        """Replace each name given: a list gives several values, None removes it."""
        for name, value in values.items():
            self[name] = value

    def pop(self, name: str) -> list[str]:
        """Remove ``name`` and return the values it had."""
        self._check_open(name)
        values = self.getlist(name)
        if values:
            name = name.lower()
            self._items = [item for item in self._items if item[0] != name]
        return values

    def items(self) -> list[tuple[str, str]]:
        """Return every (name, value), names in lower case, in order."""
        return list(self._items)

    def _check_open(self, name: str) -> None:
        if self._head is not None and self._head.is_committed:
            raise HeadAlreadySent(f"header {name}")

    def __setitem__(self, name: str, value: HeaderValue) -> None:
        """Replace a header: a list gives several values, None removes it, a default too."""
        key = _check_name(name)
        items = [(key, _check_value(name, one)) for one in _listed(name, value)]
        self.pop(key)
        if value is None:
            self._unwanted = (*self._unwanted, key)
        self._items.extend(items)

    def __getitem__(self, name: str) -> str:
        for value in self.getlist(name):
            return value
        raise KeyError(name)

    def __delitem__(self, name: str) -> None:
        if not self.pop(name):
            raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.getlist(name))

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._items))

    def __len__(self) -> int:
        return len(dict(self._items))

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


class Head:
    """The response's status and headers; they may change until the head is committed.

    Args:
        status: HTTP status, 200 to 599.
        headers: Name to value, list of values, or None.

    Raises:
        InvalidOption: ``status`` is no final HTTP status.
        InvalidField: A header could not be sent.
    """

    __slots__ = ("_committed", "_status", "headers")

    def __init__(self, status: int = 200, headers: HeaderValues | None = None) -> None:
        self._committed = False
        self._status = _check_status(status)
        self.headers = Headers(self)
        if headers:
            self.headers.apply(headers)

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._status

    @status.setter
    def status(self, status: int) -> None:
        if self._committed:
            raise HeadAlreadySent("the status")
        self._status = _check_status(status)

    @property
    def is_committed(self) -> bool:
        """Whether the head has left, or is bound to leave as it is."""
        return self._committed

    @property
    def allows_body(self) -> bool:
        """Whether the status allows a body."""
        return self._status not in _BODILESS

    def commit(self) -> None:
        """Let nothing change any more."""
        self._committed = True

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: str | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: Literal["lax", "strict", "none"] | None = "lax",
    ) -> None:
        """Add a ``Set-Cookie`` header.

        Args:
            name: Name of the cookie.
            value: Its value; characters a cookie cannot hold are quoted.
            max_age: Lifetime in seconds; 0 deletes the cookie.
            expires: End of its life, as an HTTP date.
            path: Path it is sent for.
            domain: Domain it is sent to.
            secure: Send it over HTTPS only.
            httponly: Hide it from scripts.
            samesite: Which requests from other sites carry it.

        Raises:
            InvalidField: The name is no token, or an attribute holds a line end or ";".
            HeadAlreadySent: The head was committed.
        """
        attributes = {
            "max-age": max_age,
            "expires": expires,
            "path": path,
            "domain": domain,
            "secure": secure or None,
            "httponly": httponly or None,
            "samesite": samesite.capitalize() if samesite else None,
        }
        self.headers.add("set-cookie", _cookie(name, value, attributes))

    def delete_cookie(self, name: str, *, path: str = "/", domain: str | None = None) -> None:
        """Tell the client to forget a cookie."""
        self.set_cookie(name, "", max_age=0, path=path, domain=domain)

    def absorb(self, other: Head) -> None:
        """Take over what was set on ``other``: its status unless 200, and its headers.

        A header that is already here stays, except cookies, which add up.
        """
        if other.status != 200 and self._status == 200:
            self.status = other.status
        ours = set(self.headers)
        for name, value in other.headers.items():
            if name == "set-cookie" or name not in ours:
                self.headers.add(name, value)

    def raw(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as ASGI wants them, without the hop-by-hop ones."""
        return [
            (name.encode("ascii"), value.encode("latin-1"))
            for name, value in self.headers.items()
            if name not in _HOP_BY_HOP
        ]


def _cookie(name: str, value: str, attributes: dict[str, str | int | bool | None]) -> str:
    from http.cookies import CookieError, Morsel, SimpleCookie  # late: few answers have any

    morsel: Morsel[str] = Morsel()
    for key, attribute in attributes.items():
        if attribute is None:
            continue
        if isinstance(attribute, str) and any(char in attribute for char in ";\r\n\0"):
            raise InvalidField(f"cookie {key}", attribute, "free of ';' and line ends")
        morsel[key] = attribute  # ints and flags too: Morsel writes them
    try:
        morsel.set(name, *SimpleCookie().value_encode(value))
    except CookieError as exc:
        raise InvalidField("cookie name", name, "a token") from exc
    return morsel.OutputString()


def _check_status(status: int) -> int:
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise InvalidOption("status", status, "a final HTTP status, 200 to 599")
    return int(status)


def _check_name(name: str) -> str:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise InvalidField("header name", name, "a token (letters, digits, '-')")
    return name.lower()


def _listed(name: str, value: HeaderValue) -> Sequence[str]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return value
    raise InvalidField(f"header {name}", value, "a str, a list of str, or None")


@lru_cache(maxsize=64)
def _default_item(name: str, value: str) -> tuple[str, str]:
    """Check a format's header once; thousands of idle streams hold this one tuple."""
    return _check_name(name), _check_value(name, value)


def _check_value(name: str, value: str) -> str:
    if not isinstance(value, str):
        raise InvalidField(f"header {name}", value, "a str")
    if any(char in value for char in "\r\n\0"):
        raise InvalidField(f"header {name}", value)
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as exc:
        raise InvalidField(f"header {name}", value, "Latin-1 text") from exc
    return value.strip(" \t")
