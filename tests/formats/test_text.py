"""Plain text and bytes, as they are."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import chunk
from penstock.errors import HttpError, NotSerializable, Problem, UnsupportedItem
from penstock.event import Event, ServerSentEvent
from penstock.formats import Text

ITEMS: dict[str, tuple[Any, bytes]] = {
    # W14
    "str": ("é\r\n\0", "é\r\n\0".encode()),
    "empty": ("", b""),
    "bytes": (b"\xff\0", b"\xff\0"),
    "bytearray": (bytearray(b"x"), b"x"),
    "memoryview": (memoryview(b"abc")[1:], b"bc"),
    # W16
    "event": (Event("a\nb", event="x", id="1"), b"a\nb"),
    "bare event": (Event(comment="c"), b""),
    "text chunk": (chunk.Text("hi"), b"hi"),
    "reasoning chunk": (chunk.Reasoning("hm"), b""),
    "done chunk": (chunk.Done(), b""),
}


@pytest.mark.parametrize(("item", "wire"), ITEMS.values(), ids=ITEMS)
def test_item(item: Any, wire: bytes) -> None:
    # W14, W16
    written = Text().encoder(end_mark=True).item(item)
    assert written == wire
    assert type(written) is bytes


REFUSED: list[Any] = [
    {"a": 1},
    [1],
    1,
    None,
    Event({"a": 1}),
    Event(event="x"),
    Event(b"x"),
    ServerSentEvent(),
]


@pytest.mark.parametrize("item", REFUSED, ids=repr)
def test_refused(item: Any) -> None:
    # W16
    with pytest.raises(UnsupportedItem, match=f"text format does not write {type(item).__name__}"):
        Text().encoder(end_mark=True).item(item)


@pytest.mark.parametrize("item", ["\ud800", Event("\ud800"), chunk.Text("\ud800")])
def test_lone_surrogates_are_refused(item: Any) -> None:
    # W12
    with pytest.raises(NotSerializable):
        Text().encoder(end_mark=True).item(item)


def test_a_models_error_ends_the_stream() -> None:
    # W16
    with pytest.raises(HttpError):
        Text().encoder(end_mark=True).item(chunk.Error())


def test_nothing_stands_around_the_items() -> None:
    # E2, F8: None is "break off"
    encoder = Text().encoder(end_mark=True)
    assert encoder.open() == encoder.control("open") == encoder.keep_alive() == b""
    assert encoder.close("completed") == b""
    assert encoder.close("shutdown") is None
    assert encoder.error(Problem(500)) is None  # type: ignore[func-returns-value]  # always


def test_the_format_itself() -> None:
    # H1, W14
    text = Text()
    assert (text.name, text.content_type) == ("text", "text/plain; charset=utf-8")
    assert text.keep_alive is None
    assert text.headers == {
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "Content-Encoding": "identity",
    }
