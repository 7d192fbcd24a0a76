"""Status, headers, cookies: what is kept, what is refused, and until when."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.head import Head
from penstock.errors import HeadAlreadySent, InvalidField, InvalidOption, StreamError


def test_given_headers_replace_defaults_whatever_their_case() -> None:
    # H2
    head = Head(headers={"Cache-Control": "no-cache", "X-One": "1", "X-Many": "0"})
    head.headers.apply({"CACHE-CONTROL": "private", "x-one": None, "X-Many": ["1", "2"]})
    assert head.raw() == [
        (b"cache-control", b"private"),
        (b"x-many", b"1"),
        (b"x-many", b"2"),
    ]
    assert head.headers.get("cache-control") == "private"
    assert head.headers.getlist("x-MANY") == ["1", "2"]
    assert "x-one" not in head.headers


FORGED: dict[str, dict[str, Any]] = {
    "CR in a value": {"X-A": "a\rb"},
    "LF in a value": {"X-A": "a\nSet-Cookie: b=1"},
    "NUL in a value": {"X-A": "a\0b"},
    "LF in a name": {"X-A\nX-B": "a"},
    "colon in a name": {"X-A:": "a"},
    "empty name": {"": "a"},
    "space in a name": {"X A": "a"},
    "one of a list": {"X-A": ["a", "b\r\n"]},
    "not Latin-1": {"X-A": "\u20ac"},
    "not text": {"X-A": 1},
    "bytes": {"X-A": b"a"},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_header_that_would_forge_another_is_refused(headers: Any) -> None:
    # H2
    with pytest.raises(InvalidField):
        Head(headers=headers)


def test_a_formats_default_gives_way_to_what_is_there() -> None:
    # H2
    given, bare = Head(headers={"Cache-Control": "private"}), Head()
    for head in (given, bare):
        head.headers.default("Cache-Control", "no-cache")
        head.headers.default("X-Accel-Buffering", "no")
    assert given.headers.items() == [("cache-control", "private"), ("x-accel-buffering", "no")]
    assert bare.headers.items() == [("cache-control", "no-cache"), ("x-accel-buffering", "no")]
    bare.headers["cache-control"] = "private"  # one stream's own: the default stays what it is
    other = Head()
    other.headers.default("Cache-Control", "no-cache")
    assert other.headers["cache-control"] == "no-cache"


def test_set_by_hand_a_list_is_several_values_and_none_removes() -> None:
    # H2: as in headers=
    headers = Head(headers={"X-A": "1"}).headers
    headers["x-a"] = ["2", "3"]
    assert headers.getlist("X-A") == ["2", "3"]
    with pytest.raises(InvalidField):
        headers["x-a"] = ["4", "5\n"]
    assert headers.getlist("X-A") == ["2", "3"]
    headers["X-A"] = None
    headers["X-B"] = None  # which a format would add later
    headers.default("x-b", "no")
    assert headers.items() == []
    headers["x-b"] = "yes"
    assert headers.items() == [("x-b", "yes")]


def test_a_default_is_checked_as_any_other() -> None:
    # H2, H4
    head = Head()
    with pytest.raises(InvalidField):
        head.headers.default("x-a", "b\r\nx-c: d")
    head.commit()
    with pytest.raises(HeadAlreadySent):
        head.headers.default("x-a", "b")


def test_hop_by_hop_headers_are_not_sent() -> None:
    # H3
    head = Head(headers={"Connection": "close", "Transfer-Encoding": "chunked", "Keep-Alive": "5"})
    head.headers["x-kept"] = "1"
    assert head.raw() == [(b"x-kept", b"1")]


def test_nothing_changes_after_the_commit() -> None:
    # H4
    head = Head()
    head.status = 201
    head.commit()
    for change in (
        lambda: setattr(head, "status", 200),
        lambda: head.headers.__setitem__("x-a", "1"),
        lambda: head.headers.add("x-a", "1"),
        lambda: head.headers.pop("x-a"),
        lambda: head.set_cookie("a", "1"),
        lambda: head.headers.apply({"x-a": None}),
    ):
        with pytest.raises(HeadAlreadySent) as caught:
            change()
        assert isinstance(caught.value, StreamError)
    assert head.status == 201


@pytest.mark.parametrize("status", [0, 99, 100, 199, 600, True, 200.0, "200", None], ids=repr)
def test_no_final_status_is_refused(status: Any) -> None:
    # H4
    with pytest.raises(InvalidOption):
        Head(status)


def test_several_cookies_are_several_headers() -> None:
    # H5
    head = Head()
    head.set_cookie("a", "1")
    head.set_cookie("b", "two words; and more", path=None, samesite=None, max_age=60)
    head.set_cookie("c", "3", secure=True, httponly=True, samesite="none", domain="example.org")
    head.delete_cookie("d")
    assert [value for name, value in head.headers.items() if name == "set-cookie"] == [
        "a=1; Path=/; SameSite=Lax",
        'b="two words\\073 and more"; Max-Age=60',
        "c=3; Domain=example.org; HttpOnly; Path=/; SameSite=None; Secure",
        'd=""; Max-Age=0; Path=/; SameSite=Lax',
    ]


@pytest.mark.parametrize(
    "cookie",
    [
        {"name": "a b"},
        {"name": "a=b"},
        {"name": ""},
        {"name": "a", "path": "/; secure"},
        {"name": "a", "domain": "x\r\nSet-Cookie: y=1"},
    ],
    ids=repr,
)
def test_a_forged_cookie_is_refused(cookie: Any) -> None:
    # H2, H5
    with pytest.raises(InvalidField):
        Head().set_cookie(**cookie)


def test_a_cookie_value_cannot_end_the_line() -> None:
    # H2
    head = Head()
    head.set_cookie("a", "x\r\nset-cookie: b=1")
    assert "\n" not in head.headers["set-cookie"]


def test_absorb_keeps_what_is_here_and_adds_cookies() -> None:
    # H5
    ours, theirs = Head(headers={"x-a": "ours"}), Head(202, {"x-a": "theirs", "x-b": "b"})
    ours.set_cookie("one", "1")
    theirs.set_cookie("two", "2")
    ours.absorb(theirs)
    assert ours.status == 202
    assert ours.headers["x-a"] == "ours"
    assert ours.headers["x-b"] == "b"
    assert len(ours.headers.getlist("set-cookie")) == 2


def test_reading_headers_is_like_reading_a_mapping() -> None:
    headers = Head(headers={"X-A": "1", "X-B": ["2", "3"]}).headers
    assert (len(headers), list(headers), headers["x-a"]) == (2, ["x-a", "x-b"], "1")
    assert headers.get("x-c") is None
    with pytest.raises(KeyError):
        headers["x-c"]
    with pytest.raises(KeyError):
        del headers["x-c"]
    del headers["X-A"]
    assert list(headers) == ["x-b"]


@pytest.mark.parametrize("status", [204, 205, 304])
def test_bodiless(status: int) -> None:
    # H7
    assert not Head(status).allows_body
    assert Head(200).allows_body
