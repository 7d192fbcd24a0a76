"""The prelude, wherever it is cut, and what is none."""
# L1, L2, H3, H5

from __future__ import annotations

from typing import Any

import pytest

from penstock.aws.emulator.prelude import HttpHead, InvalidPrelude, Prelude, read_head

WIRE = (
    b'{"statusCode":201,"headers":{"X-A":"b","Connection":"close"},"cookies":["a=1"]}'
    + b"\0" * 8
    + b"\0body"
)
HEAD = HttpHead(201, [("x-a", "b"), ("set-cookie", "a=1")])


def test_wherever_it_is_cut() -> None:
    for cut in range(len(WIRE) + 1):
        prelude = Prelude()
        found = prelude.feed(WIRE[:cut])
        later = WIRE[cut:]
        if found is None:
            found, later = prelude.feed(later), b""
        assert found is not None
        assert (found[0], found[1] + later) == (HEAD, b"\0body"), f"cut at {cut}"


WRONG = {
    "no JSON": (b"hello" + b"\0" * 8, 502),
    "no object": (b"[]" + b"\0" * 8, 502),
    "multiValueHeaders": (b'{"multiValueHeaders":{}}' + b"\0" * 8, 500),
    "no end": (b"x" * 20_000, 502),
}


@pytest.mark.parametrize(("wire", "status"), WRONG.values(), ids=WRONG)
def test_what_is_none(wire: bytes, status: int) -> None:
    with pytest.raises(InvalidPrelude) as caught:
        Prelude().feed(wire)
    assert caught.value.status == status


HEADS: dict[str, tuple[dict[str, Any], HttpHead | None]] = {
    "nothing": ({}, HttpHead(200, [])),
    "a status as text": ({"statusCode": "404"}, HttpHead(404, [])),
    "numbers": ({"headers": {"A": 1, "b": True}}, HttpHead(200, [("a", "1"), ("b", "true")])),
    "null": ({"headers": None, "cookies": None}, HttpHead(200, [])),
    "a list as a header": ({"headers": {"a": ["b"]}}, None),
    "a line end": ({"headers": {"a": "b\r\nc: d"}}, None),
    "a line end in a cookie": ({"cookies": ["a\n"]}, None),
    "a status out of range": ({"statusCode": 99}, None),
    "true": ({"statusCode": True}, None),
    "headers as a list": ({"headers": []}, HttpHead(200, [])),
    "cookies as text": ({"cookies": "a=1"}, None),
}


@pytest.mark.parametrize(("value", "head"), HEADS.values(), ids=HEADS)
def test_read_head(value: dict[str, Any], head: HttpHead | None) -> None:
    if head is not None:
        assert read_head(value) == head
        return
    with pytest.raises(InvalidPrelude):
        read_head(value)
