"""The request: a thin reader of an ASGI HTTP scope.

Lives here: names for what a scope holds, and the body read once. Stays out: routing, sessions.

Source: ASGI HTTP specification, "HTTP connection scope"; WHATWG URL, section 5.1 (queries).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from sys import intern
from typing import Any
from urllib.parse import parse_qsl

from penstock.core.format import Format
from penstock.core.inbox import Inbox
from penstock.errors import ExtraNotInstalled, HttpError
from penstock.formats import END_ID
from penstock.types import Scope

__all__ = ("MAX_BODY", "Form", "MultiDict", "Request", "Upload", "is_over")

MAX_BODY = 16 * 1024 * 1024


class MultiDict(Mapping[str, str]):
    """Names to values where a name may have several; reading one gives the first.

    Args:
        pairs: In order, as they came.
        fold: Compare names without case.
    """

    __slots__ = ("_fold", "_pairs")

    def __init__(self, pairs: list[tuple[str, str]], *, fold: bool = False) -> None:
        # One string for each name, however many requests are open.
        self._pairs = tuple(
            (intern(name.lower() if fold else name), value) for name, value in pairs
        )
        self._fold = fold

    def getlist(self, name: str) -> list[str]:
        """Return every value of ``name``, in order."""
        name = name.lower() if self._fold else name
        return [value for key, value in self._pairs if key == name]

    def pairs(self) -> list[tuple[str, str]]:
        """Return every (name, value), in order."""
        return list(self._pairs)

    def __getitem__(self, name: str) -> str:
        for value in self.getlist(name):
            return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def __repr__(self) -> str:
        return f"MultiDict({list(self._pairs)!r})"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart form.

    Attributes:
        filename: Name the client gave it; never a path to trust.
        content_type: Type the client gave it.
        data: Its bytes.
    """

    filename: str
    content_type: str
    data: bytes


class Form(MultiDict):
    """A form's fields, and the files of a multipart one under ``files``."""

    __slots__ = ("files",)

    def __init__(self, pairs: list[tuple[str, str]], files: list[tuple[str, Upload]]) -> None:
        super().__init__(pairs)
        self.files: dict[str, list[Upload]] = {}
        for name, upload in files:
            self.files.setdefault(name, []).append(upload)


class Request:
    """One HTTP request.

    Args:
        scope: ASGI HTTP scope.
        inbox: Owner of this request's ``receive``.
        max_body: Bytes of body taken in before the answer is 413.
    """

    def __init__(self, scope: Scope, inbox: Inbox, *, max_body: int = MAX_BODY) -> None:
        self.scope, self.inbox = scope, inbox
        self._max_body = max_body
        self._body: bytes | None = None

    @property
    def label(self) -> str:
        """What the log calls it: what it is for, and its id."""
        return f"{self.path} {self.id}"

    @property
    def method(self) -> str:
        """HTTP method, in capitals."""
        return str(self.scope["method"]).upper()

    @property
    def path(self) -> str:
        """Path, percent-decoded, as the server sees it."""
        return str(self.scope["path"])

    @property
    def path_params(self) -> dict[str, Any]:
        """What a router found in the path."""
        params: dict[str, Any] = self.scope.get("path_params") or {}
        return params

    @property
    def client(self) -> tuple[str, int] | None:
        """Address and port of the peer, when the host knows them."""
        client = self.scope.get("client")
        return (client[0], client[1]) if client else None

    @property
    def query(self) -> MultiDict:
        """Query parameters: ``get``, ``getlist``; parsed anew each time, and not kept."""
        return _query(self.scope)

    @cached_property
    def headers(self) -> MultiDict:
        """Request headers; names compare without case."""
        return MultiDict(
            [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in _headers(self.scope)
            ],
            fold=True,
        )

    @cached_property
    def cookies(self) -> dict[str, str]:
        """Cookies by name; what is not a cookie is passed over."""
        cookies: dict[str, str] = {}
        for line in self.headers.getlist("cookie"):
            for part in line.split(";"):
                name, found, value = part.strip().partition("=")
                if found and name and name not in cookies:
                    cookies[name] = _unquote(value)
        return cookies

    @property
    def last_event_id(self) -> str:
        """Where the reader left off, or ``""``.

        The ``Last-Event-ID`` header, else the query's ``lastEventId`` or ``evs_last_event_id``,
        by which polyfills send it.
        """
        return _last_event_id(self.scope)

    @cached_property
    def id(self) -> str:
        """The request's id: the ``X-Request-ID`` header where it is a short word, else made up.

        On Lambda it is AWS's own.
        """
        if known := self.scope.get("penstock.request_id"):
            return str(known)
        given = self.headers.get("x-request-id", "")
        if 0 < len(given) <= 128 and given.isascii() and given.isprintable() and " " not in given:
            return given
        from uuid import uuid4  # late: it is slow to load, and AWS has ids of its own

        return uuid4().hex

    async def body(self) -> bytes:
        """Return the whole body; reading it again returns the same.

        Raises:
            HttpError: 413, when it is larger than ``max_body``.
            ClientDisconnected: The client left before it was complete.
        """
        if self._body is None:
            pieces: list[bytes] = []
            size = 0
            while (piece := await self.inbox.read()) is not None:
                size += len(piece)
                if size > self._max_body:
                    raise HttpError(413, detail=f"the body is larger than {self._max_body} bytes")
                pieces.append(piece)
            self._body = b"".join(pieces)
        return self._body

    async def json(self) -> Any:
        """Return the body decoded as JSON.

        Raises:
            HttpError: 400, when it is not JSON.
        """
        body = await self.body()
        try:
            return json.loads(body)
        except ValueError as exc:
            raise HttpError(400, detail=f"the body is not JSON: {exc}") from exc

    async def form(self) -> Form:
        """Return the body decoded as a form, urlencoded or multipart.

        Raises:
            HttpError: 400 when it is malformed, 415 when it is no form.
            ExtraNotInstalled: A multipart form, without ``penstock[forms]``.
        """
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await self.body()
        if kind == "application/x-www-form-urlencoded":
            text = body.decode("utf-8", "replace")
            return Form(parse_qsl(text, keep_blank_values=True), [])
        if kind == "multipart/form-data":
            return _parse_multipart(self.headers["content-type"], body)
        raise HttpError(415, detail=f"expected a form, got {kind or 'no content type'}")


def is_over(scope: Scope, format: Format) -> bool:
    """Whether the reader has had the whole answer already and asks only out of habit."""
    if getattr(format, "done", None) is None or scope["method"].upper() == "OPTIONS":
        return False
    return _last_event_id(scope) == END_ID


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = scope.get("headers") or []
    return headers


def _query(scope: Scope) -> MultiDict:
    raw: bytes = scope.get("query_string") or b""
    return MultiDict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))


def _last_event_id(scope: Scope) -> str:
    for name, value in _headers(scope):
        if name == b"last-event-id":
            # Sent as UTF-8 (WHATWG HTML 9.2.3), though servers hand headers on as Latin-1.
            return bytes(value).decode("utf-8", "replace")
    if not scope.get("query_string"):
        return ""
    query = _query(scope)
    return query.get("lastEventId") or query.get("evs_last_event_id") or ""


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    from http.cookies import CookieError, SimpleCookie  # late: most cookies are not quoted

    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(f"c={value}")
    except CookieError:
        return value
    return jar["c"].value if "c" in jar else value


def _parse_multipart(content_type: str, body: bytes) -> Form:
    try:
        from python_multipart import FormParser
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import parse_options_header
    except ImportError as exc:
        raise ExtraNotInstalled("forms") from exc
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, Upload]] = []
    ended: list[bool] = []

    def on_field(field: Any) -> None:
        fields.append((_text(field.field_name), _text(field.value)))

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        data = file.file_object.read()
        upload = Upload(_text(file.file_name), _text(file.content_type), data)
        files.append((_text(file.field_name), upload))

    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise HttpError(400, detail="the form names no boundary")
    parser = FormParser(
        "multipart/form-data",
        on_field,
        on_file,
        on_end=lambda: ended.append(True),
        boundary=boundary,
        # In memory: the body is bounded and there already.
        config={"MAX_MEMORY_FILE_SIZE": len(body) + 1},
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as exc:
        raise HttpError(400, detail=f"the form is malformed: {exc}") from exc
    finally:
        parser.close()
    if not ended:
        raise HttpError(400, detail="the form is cut off: its closing boundary is missing")
    return Form(fields, files)


def _text(value: str | bytes | None) -> str:
    return value if isinstance(value, str) else (value or b"").decode("utf-8", "replace")
