"""NDJSON: items to lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock import chunk
from penstock.errors import (
    HttpError,
    InvalidOption,
    NotSerializable,
    Problem,
    UnsupportedItem,
)
from penstock.event import Event, ServerSentEvent
from penstock.formats import Ndjson, _json, format_ndjson

ITEMS: dict[str, tuple[Any, bytes]] = {
    # W2
    "dict": ({"a": [1, None]}, b'{"a":[1,null]}\n'),
    "str": ("a\nb", b'"a\\nb"\n'),
    "separators": ("\u2028\x85", '"\u2028\x85"\n'.encode()),
    "None": (None, b"null\n"),
    "number": (1.5, b"1.5\n"),
    "nan": (float("nan"), b"null\n"),
    # W16
    "event": (Event({"a": 1}, event="x", id="7", retry=5), b'{"a":1}\n'),
    "event of str": (Event("a"), b'"a"\n'),
    "event of None": (Event(event="x"), b"null\n"),
    "bare event": (Event(comment="c", id="7"), b""),
    "chunk": (chunk.Text("hi"), b'{"type":"text","content":"hi"}\n'),
    "chunk in an event": (Event(chunk.StepEnd()), b'{"type":"step_end"}\n'),
    "error chunk": (
        chunk.Error(429, "Slow down"),
        b'{"error":{"errors":[{"status":429,"title":"Slow down"}]}}\n',
    ),
}


@pytest.mark.parametrize("fast", [True, False], ids=["orjson", "standard"])
@pytest.mark.parametrize(("item", "line"), ITEMS.values(), ids=ITEMS)
def test_format(item: Any, line: bytes, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # W2, W16
    if not fast:
        monkeypatch.setattr(_json, "fast_dumps", _json._standard_dumps)
    assert format_ndjson(item) == line
    if not isinstance(item, chunk.Error):
        assert Ndjson().encoder(end_mark=True).item(item) == line


REFUSED: dict[str, tuple[Any, type[Exception]]] = {
    "bytes": (b"x", UnsupportedItem),
    "memoryview": (memoryview(b"x"), UnsupportedItem),
    "received event": (ServerSentEvent(), UnsupportedItem),
    "event of bytes": (Event(b"x"), NotSerializable),
    "object": (object(), NotSerializable),
    "surrogate": ("\ud800", NotSerializable),
}


@pytest.mark.parametrize(("item", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(item: Any, error: type[Exception]) -> None:
    # W10, W12, W16
    with pytest.raises(error) as caught:
        format_ndjson(item)
    assert isinstance(caught.value, TypeError)


def test_refusal_names_item_and_format() -> None:
    # W16
    with pytest.raises(UnsupportedItem, match=r"ndjson format does not write bytes"):
        format_ndjson(b"x")


def test_serializer() -> None:
    # W3
    def spaced(value: Any) -> str:
        return json.dumps(value, ensure_ascii=True)

    assert format_ndjson({"a": "é"}, serializer=spaced) == b'{"a": "\\u00e9"}\n'
    assert Ndjson(serializer=spaced).encoder(end_mark=True).item("é") == b'"\\u00e9"\n'
    assert (
        format_ndjson(chunk.Text("x"), serializer=spaced) == b'{"type": "text", "content": "x"}\n'
    )


@pytest.mark.parametrize("result", ["{}\n", "{\n}", "{\r}", "", " ", b"\xff", None, "\ud800"])
def test_serializer_returns_one_line(result: Any) -> None:
    # W2
    with pytest.raises(NotSerializable):
        format_ndjson(1, serializer=lambda _: result)


def test_what_stands_around_the_items() -> None:
    # E2, F3, F8
    encoder = Ndjson().encoder(end_mark=True)
    assert encoder.open() == b""
    assert encoder.control("open") == b""
    assert encoder.keep_alive() == b"\n"
    assert encoder.error(Problem(504)) == (
        b'{"error":{"errors":[{"status":504,"title":"Gateway Timeout"}]}}\n'
    )
    assert encoder.close("shutdown") is None
    for ending in ("completed", "error", "disconnected", "closed", "stopped"):
        assert encoder.close(ending) == b""


def test_a_models_error_ends_the_stream() -> None:
    # W16
    with pytest.raises(HttpError) as caught:
        Ndjson().encoder(end_mark=True).item(chunk.Error(503, "t", "d"))
    assert (caught.value.status, caught.value.title, caught.value.detail) == (503, "t", "d")


def test_the_format_itself() -> None:
    # H1
    ndjson = Ndjson()
    assert (ndjson.name, ndjson.content_type) == ("ndjson", "application/x-ndjson")
    assert ndjson.keep_alive is None
    assert ndjson.headers == {
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "Content-Encoding": "identity",
    }
    with pytest.raises(InvalidOption):
        Ndjson(serializer="json")  # type: ignore[arg-type]  # the mistake under test
