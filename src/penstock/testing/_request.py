"""A request's arguments as an ASGI scope and a body."""

from __future__ import annotations

import json as _json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode

from penstock.errors import InvalidOption
from penstock.types import Scope

__all__ = ("Body", "Pairs", "make_body", "make_scope")

# Names to values; a list, or pairs, where a name has several.
Pairs: TypeAlias = Mapping[str, Any] | Sequence[tuple[str, Any]]
Body: TypeAlias = bytes | str | Sequence[bytes]


def make_scope(
    path: str,
    *,
    method: str,
    params: Pairs | None,
    headers: Pairs | None,
    cookies: Mapping[str, str] | None,
    defaults: Mapping[str, str],
    spec_version: str,
) -> Scope:
    """Return the ASGI HTTP scope of a request.

    Args:
        path: Path, percent-encoded or not, with a query or without.
        method: HTTP method.
        params: Query parameters, added to those in ``path``.
        headers: Request headers.
        cookies: Cookies, sent as one ``Cookie`` header.
        defaults: Headers for those not given.
        spec_version: ASGI version that the host announces.
    """
    if not path.startswith("/"):
        raise InvalidOption("path", path, 'a path that starts with "/"')
    path, _, query = path.partition("?")
    query = "&".join(part for part in (query, urlencode(params or (), doseq=True)) if part)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "http_version": "1.1",
        "method": method.upper(),
        "scheme": "http",
        "path": unquote(path),
        "raw_path": quote(path, safe="/%:@!$&'()*+,;=~-._").encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": _raw_headers(headers, cookies, defaults),
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "extensions": {},
        "state": {},
    }


def _raw_headers(
    headers: Pairs | None, cookies: Mapping[str, str] | None, defaults: Mapping[str, str]
) -> list[tuple[bytes, bytes]]:
    pairs = [(name.lower(), value) for name, value in _pairs(headers)]
    if cookies:
        jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
        pairs.append(("cookie", jar))
    given = {name for name, _ in pairs}
    pairs = [item for item in defaults.items() if item[0] not in given] + pairs
    # Latin-1 where it can be, as most clients send; else UTF-8, as the standards want.
    return [(name.encode("ascii"), _encode(value)) for name, value in pairs]


def _encode(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _pairs(given: Pairs | None) -> list[tuple[str, str]]:
    items = given.items() if isinstance(given, Mapping) else given or ()
    pairs: list[tuple[str, str]] = []
    for name, value in items:
        values = value if isinstance(value, (list, tuple)) else (value,)
        pairs += [(name, str(one)) for one in values]
    return pairs


def make_body(
    json: Any, data: Pairs | None, body: Body | None
) -> tuple[list[bytes], dict[str, str]]:
    """Return the body's pieces, and the headers that describe it.

    Raises:
        InvalidOption: More than one kind of body was given.
    """
    if sum(given is not None for given in (json, data, body)) > 1:
        raise InvalidOption("body", body, "the only one of json=, data= and body=")
    if json is not None:
        pieces, kind = [_json.dumps(json).encode()], "application/json"
    elif data is not None:
        pieces = [urlencode(data, doseq=True).encode()]
        kind = "application/x-www-form-urlencoded"
    elif body is None:
        return [], {}
    else:
        pieces, kind = _pieces(body), ""
    headers = {"content-length": str(sum(map(len, pieces)))}
    return pieces, {"content-type": kind, **headers} if kind else headers


def _pieces(body: Body) -> list[bytes]:
    if isinstance(body, str):
        return [body.encode()]
    return [body] if isinstance(body, bytes) else list(body)
