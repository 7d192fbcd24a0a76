"""Server-sent events: bytes to events, by the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import InvalidOption, LineTooLong, PeerError
from penstock.event import ServerSentEvent as Got
from penstock.formats import SseDecoder

DECODED: dict[str, tuple[bytes, list[Got]]] = {
    "nothing": (b"", []),
    "one": (b"data: a\n\n", [Got(data="a")]),
    "every field": (
        b"event: tick\nid: 7\nretry: 50\ndata: a\n\n",
        [Got("tick", "a", "7", 50)],
    ),
    "other order": (b"data: a\nid: 7\nevent: tick\n\n", [Got("tick", "a", "7")]),
    "CRLF": (b"event: x\r\ndata: a\r\ndata: b\r\n\r\n", [Got("x", "a\nb")]),
    "CR": (b"event: x\rdata: a\rdata: b\r\r", [Got("x", "a\nb")]),
    "mixed ends": (b"data: a\r\ndata: b\ndata: c\r\r\n", [Got(data="a\nb\nc")]),
    "CR before CRLF": (b"data: a\r\r\ndata: b\n\n", [Got(data="a"), Got(data="b")]),
    "no space": (b"data:a\n\n", [Got(data="a")]),
    "two spaces": (b"data:  a\n\n", [Got(data=" a")]),
    "no colon": (b"data\n\n", [Got(data="")]),
    "two without colon": (b"data\ndata\n\n", [Got(data="\n")]),
    "empty data": (b"data:\n\n", [Got(data="")]),
    "empty data between": (b"data: a\ndata: \ndata: b\n\n", [Got(data="a\n\nb")]),
    "no data, no event": (b"event: x\n\ndata: a\n\n", [Got(data="a")]),
    "blank lines": (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [Got(data="a"), Got(data="b")]),
    "event twice": (b"event: a\nevent: b\ndata: x\n\n", [Got("b", "x")]),
    "event cleared": (b"event: a\nevent\ndata: x\n\n", [Got("message", "x")]),
    "event empty": (b"event: \ndata: x\n\n", [Got("message", "x")]),
    "fields are exact": (b"Data: a\n data: b\ndata : c\ndata: d\n\n", [Got(data="d")]),
    "unknown field": (b"foo: a\nbar\ndata: d\n\n", [Got(data="d")]),
    "comments": (b": a\ndata: x\n:b\ndata: y\n:\n\n: c\n", [Got(data="x\ny")]),
    "id lasts": (b"id: 1\ndata: a\n\ndata: b\n\n", [Got(data="a", id="1"), Got(data="b", id="1")]),
    "id moves without an event": (b"id: 1\n\ndata: b\n\n", [Got(data="b", id="1")]),
    "id cleared": (
        b"id: 1\ndata: a\n\nid\ndata: b\n\n",
        [Got(data="a", id="1"), Got(data="b")],
    ),
    "id cleared by an empty one": (b"id: 1\n\nid: \ndata: b\n\n", [Got(data="b")]),
    "id with NUL": (b"id: 1\n\nid: 2\0\ndata: b\n\n", [Got(data="b", id="1")]),
    "plain block with NUL in its id": (b"event: e\nid: \0\ndata: b\n\n", [Got("e", "b")]),
    "id before a plain block": (b"id: 1\nevent: e\ndata: b\n\n", [Got("e", "b", "1")]),
    "data before a plain block": (
        b"data: a\nevent: e\nid: 2\ndata: b\n\n",
        [Got("e", "a\nb", "2")],
    ),
    "retry before a plain block": (b"retry: 4\nevent: e\ndata: b\n\n", [Got("e", "b", "", 4)]),
    "retry of an earlier block": (b"retry: 4\n\ndata: b\n\n", [Got(data="b")]),
    "retry, digits only": (
        b"retry: 4 \nretry: +4\nretry: 1_0\nretry: 1.5\nretry:\nretry: \xc2\xb2\ndata: b\n\n",
        [Got(data="b")],
    ),
    "retry of too many digits": (b"retry: " + b"9" * 5000 + b"\ndata: b\n\n", [Got(data="b")]),
    "BOM": (b"\xef\xbb\xbfdata: a\n\n", [Got(data="a")]),
    "two BOMs": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [Got(data="b")]),
    "BOM later": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Got(data="a")]),
    "BOM as data": (b"data: \xef\xbb\xbfa\n\n", [Got(data="\ufeffa")]),
    "beyond ASCII": (
        "data: é😀\u2028\x85\x0b\x0c\x1c\n\n".encode(),
        [Got(data="é😀\u2028\x85\x0b\x0c\x1c")],
    ),
    "bad UTF-8": (b"data: \xff\xe2\x82\xf0\x9fa\n\n", [Got(data="\ufffd\ufffd\ufffda")]),
    "unfinished line": (b"data: a\n\ndata: b", [Got(data="a")]),
    "unfinished block": (b"data: a\n\nid: 5\ndata: b\n", [Got(data="a")]),
}


def pieces_of_one(wire: bytes) -> list[bytes]:
    return [wire[i : i + 1] for i in range(len(wire))]


@pytest.mark.parametrize(("wire", "events"), DECODED.values(), ids=DECODED)
def test_decode_wherever_the_bytes_are_cut(wire: bytes, events: list[Got]) -> None:
    # W15
    cuts = range(len(wire) + 1) if len(wire) < 200 else range(0, len(wire) + 1, 97)
    feedings = [[wire[:cut], wire[cut:]] for cut in cuts]
    feedings += [[wire], pieces_of_one(wire), [b"", *pieces_of_one(wire), b""]]
    for feeding in feedings:
        decoder = SseDecoder()
        assert [event for piece in feeding for event in decoder.feed(piece)] == events, feeding
        assert decoder.close() == []


def test_last_event_id_is_taken_at_the_blank_line() -> None:
    # W15
    decoder = SseDecoder(last_event_id="seed")
    assert decoder.feed(b"data: a\n\n") == [Got(data="a", id="seed")]
    assert decoder.last_event_id == "seed"
    decoder.feed(b"id: 1\n")
    assert decoder.last_event_id == "seed"
    decoder.feed(b"\n")
    assert decoder.last_event_id == "1"
    assert decoder.feed(b"event: e\nid: 2\ndata: x\n\nid: 3\n") == [Got("e", "x", "2")]
    assert decoder.last_event_id == "2"
    decoder.close()
    assert decoder.last_event_id == "2"


def test_retry_counts_at_once() -> None:
    # W15
    decoder = SseDecoder()
    assert decoder.retry is None
    decoder.feed(b"retry: 30\n")
    assert decoder.retry == 30
    decoder.feed(b"retry: x\n\nretry: 0\n")
    assert decoder.retry == 0


def test_prompt_on_a_lone_cr() -> None:
    # W15
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\r\r") == [Got(data="a")]
    assert decoder.feed(b"\ndata: b\n\r") == [Got(data="b")]


def test_half_a_character_keeps_the_cr_in_mind() -> None:
    # W15
    decoder = SseDecoder()
    got = [decoder.feed(piece) for piece in (b"data: a\r", b"\xc3", b"\xa9: x\r", b"\n\r", b"\n")]
    assert got == [[], [], [], [Got(data="a")], []]


def test_comments_are_told_as_they_come() -> None:
    comments: list[str] = []
    decoder = SseDecoder(on_comment=comments.append)
    decoder.feed(b": keep-alive\n")
    assert comments == [" keep-alive"]
    decoder.feed(b":\r::\ndata: x\n:y")
    assert comments == [" keep-alive", "", ":"]


TOO_LONG: dict[str, bytes] = {
    "unfinished line": b"x" * 11,
    "unfinished line after a whole one": b"ok\n" + b"x" * 11,
    "finished line": b"x" * 11 + b"\n",
    "finished line of data": b"data: 12345\n",
    "data in several lines": b"data: 1\ndata: 2345\ndata: 67890\n",
    "empty lines of data": b"data\n" * 12,
}


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("wire", TOO_LONG.values(), ids=TOO_LONG)
def test_bounded(wire: bytes, size: int) -> None:
    # W15
    decoder = SseDecoder(max_size=10)
    with pytest.raises(LineTooLong, match="10 characters") as caught:
        for start in range(0, len(wire), size):
            assert decoder.feed(wire[start : start + size]) == []
    assert caught.value.limit == 10
    assert isinstance(caught.value, PeerError)
    again: list[Callable[[], Any]] = [lambda: decoder.feed(b"\n\n"), decoder.close]
    for call in again:
        with pytest.raises(LineTooLong):
            call()


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_up_to_the_bound(size: int) -> None:
    # W15
    wire = b"0123456789\nid: 123456\ndata: 1234\ndata: 6789\ndata\n\ndata: abcd\n\n" * 3
    decoder = SseDecoder(max_size=10)
    events = []
    for start in range(0, len(wire), size):
        events += decoder.feed(wire[start : start + size])
    assert events == [Got(data="1234\n6789\n", id="123456"), Got(data="abcd", id="123456")] * 3


def test_events_before_the_overlong_line_are_not_lost() -> None:
    # W15
    decoder = SseDecoder(max_size=10)
    assert decoder.feed(b"data: a\n\n" + b"x" * 11) == [Got(data="a")]
    with pytest.raises(LineTooLong):
        decoder.feed(b"")
    decoder = SseDecoder(max_size=10)
    assert decoder.feed(b"data: a\n\n" + b"x" * 11 + b"\n\ndata: b\n\n") == [Got(data="a")]
    with pytest.raises(LineTooLong):
        decoder.close()


def test_a_long_line_in_small_pieces() -> None:
    # W15
    text = "é" * 500_000
    wire = f"data: {text}\n\n".encode()
    decoder = SseDecoder()
    events = []
    for start in range(0, len(wire), 65):
        events += decoder.feed(wire[start : start + 65])
    assert events == [Got(data=text)]


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_max_size_is_a_number(size: Any) -> None:
    # M7
    with pytest.raises(InvalidOption):
        SseDecoder(max_size=size)


def test_json() -> None:
    # W17
    (event,) = SseDecoder().feed(b'data: {"a":\ndata: 1}\n\n')
    assert event.json() == {"a": 1}
