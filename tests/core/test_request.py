"""The request: what a scope says, and a body read once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.core.inbox import Inbox
from penstock.core.request import Request
from penstock.errors import ClientDisconnected, HttpError


def make(
    body: bytes | list[bytes] = b"",
    headers: list[tuple[str, str]] | None = None,
    query: str = "",
    **scope: Any,
) -> Request:
    pieces = [body] if isinstance(body, bytes) else list(body)

    async def receive() -> Any:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    raw = [(name.lower().encode(), value.encode()) for name, value in headers or []]
    full = {"type": "http", "method": "post", "path": "/a b", "headers": raw, **scope}
    full["query_string"] = query.encode()
    return Request(full, Inbox(receive), max_body=100)


def test_the_scope_under_its_names() -> None:
    request = make(
        query="a=1&a=2&b=&c=%C3%A9",
        headers=[("X-A", "1"), ("x-a", "2"), ("Cookie", 'a=1; b="x y"; c; a=3')],
        client=("127.0.0.1", 5),
        path_params={"id": "7"},
    )
    assert (request.method, request.path) == ("POST", "/a b")
    assert request.query.get("a") == "1"
    assert request.query.getlist("a") == ["1", "2"]
    assert request.query.get("n", "3") == "3"
    assert dict(request.query) == {"a": "1", "b": "", "c": "\u00e9"}
    assert request.headers["x-A"] == "1"
    assert request.headers.getlist("X-a") == ["1", "2"]
    assert request.cookies == {"a": "1", "b": "x y"}
    assert request.client == ("127.0.0.1", 5)
    assert request.path_params == {"id": "7"}


CURSORS: dict[str, tuple[list[tuple[str, str]], str, str]] = {
    "header": ([("Last-Event-ID", "7")], "", "7"),
    "header before query": ([("Last-Event-ID", "7")], "lastEventId=8", "7"),
    "query": ([], "lastEventId=8", "8"),
    "the other polyfill's query": ([], "evs_last_event_id=9", "9"),
    "UTF-8, as the standard sends it": ([("Last-Event-ID", "\u00e9\u4e2d")], "", "\u00e9\u4e2d"),
    "none": ([], "", ""),
}


@pytest.mark.parametrize(("headers", "query", "expected"), CURSORS.values(), ids=CURSORS)
def test_the_cursor(headers: Any, query: str, expected: str) -> None:
    # S1
    assert make(headers=headers, query=query).last_event_id == expected


def test_the_id_is_the_clients_where_it_is_a_short_word() -> None:
    # E3
    assert make(headers=[("X-Request-ID", "abc-1")]).id == "abc-1"
    for bad in ("", "a b", "x" * 200, "a\tb"):
        request = make(headers=[("X-Request-ID", bad)])
        assert len(request.id) == 32
        assert request.id == request.id


def test_a_body_is_read_once() -> None:
    # F11
    async def main() -> None:
        request = make([b'{"a"', b": 1}"])
        assert await request.body() == b'{"a": 1}'
        assert await request.json() == {"a": 1}

    asyncio.run(main())


def test_a_body_over_the_bound_is_413_and_no_json_is_400() -> None:
    async def main() -> None:
        for body, status in ((b"x" * 101, 413), (b"{", 400), (b"\xff", 400), (b"", 400)):
            with pytest.raises(HttpError) as caught:
                await make(body).json()
            assert caught.value.status == status

    asyncio.run(main())


def test_a_body_that_breaks_off() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def main() -> None:
        request = Request({"type": "http", "method": "POST", "path": "/"}, Inbox(receive))
        with pytest.raises(ClientDisconnected):
            await request.body()

    asyncio.run(main())


def test_forms() -> None:
    async def main() -> None:
        urlencoded = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
        form = await make(b"a=1&a=2&b=%C3%A9", urlencoded).form()
        assert (form["a"], form.getlist("a"), form["b"]) == ("1", ["1", "2"], "\u00e9")
        for headers in ([], [("Content-Type", "application/json")]):
            with pytest.raises(HttpError) as caught:
                await make(b"{}", headers).form()
            assert caught.value.status == 415

    asyncio.run(main())


MULTIPART = (
    b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--B\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhi\r\n--B--\r\n"
)


def test_multipart_forms() -> None:
    async def main() -> None:
        request = make(MULTIPART, [("Content-Type", "multipart/form-data; boundary=B")])
        request._max_body = 1000
        form = await request.form()
        assert dict(form) == {"a": "1"}
        (upload,) = form.files["f"]
        assert (upload.filename, upload.content_type, upload.data) == ("x.txt", "text/plain", b"hi")
        for body, kind in (
            (MULTIPART, "multipart/form-data"),
            (b"--B\r\nx", "multipart/form-data; boundary=B"),
        ):
            broken = make(body, [("Content-Type", kind)])
            broken._max_body = 1000
            with pytest.raises(HttpError) as caught:
                await broken.form()
            assert caught.value.status == 400

    asyncio.run(main())
