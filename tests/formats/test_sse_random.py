"""Server-sent events at random: against the standard's steps, however cut, and there and back."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.event import Event, ServerSentEvent
from penstock.formats import SseDecoder, format_sse
from penstock.formats._json import dumps

# The full count is what ``make fuzz`` asks for.
STREAMS = int(os.environ.get("PENSTOCK_FUZZ", "3000"))


def reference(wire: bytes) -> tuple[list[ServerSentEvent], str, int | None]:
    """Decode a whole stream as WHATWG HTML 9.2.6 spells it out, one step after the other."""
    text = wire.decode("utf-8", errors="replace")
    text = text[1:] if text[:1] == "\ufeff" else text
    lines = re.split("\r\n|\r|\n", text)[:-1]
    events = []
    data = event_type = id_buffer = last_event_id = ""
    time: int | None = None
    block_time: int | None = None
    for line in lines:
        if line == "":
            last_event_id = id_buffer
            if data != "":
                name = event_type if event_type != "" else "message"
                events.append(ServerSentEvent(name, data[:-1], last_event_id, block_time))
            data = event_type = ""
            block_time = None
            continue
        if line[0] == ":":
            continue
        field, _, value = line.partition(":")
        value = value[1:] if value[:1] == " " else value
        if field == "event":
            event_type = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            id_buffer = value
        elif field == "retry" and re.fullmatch("[0-9]+", value):
            time = block_time = int(value)
    return events, last_event_id, time


# What matters to the grammar, near each other much more often than chance would bring them.
TOKENS = [
    *(b"data", b"data: ", b"data:", b"event: ", b"event:", b"id: ", b"id", b"retry: ", b"retry:"),
    *(b"\n", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b":", b": ", b" ", b"\0", b"7", b"40"),
    *(b"event: t\nid: 3\ndata: x\n\n", b"event: u\ndata: y\n\n", b"data: z\n\n", b"abc", b"{}"),
    *(
        b"\xef\xbb\xbf",
        "é".encode(),
        "😀".encode(),
        b"\xf0\x9f",
        b"\xff",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
    ),
]


def streams(count: int, seed: int) -> Iterator[tuple[random.Random, bytes]]:
    rng = random.Random(seed)
    for _ in range(count):
        yield rng, b"".join(rng.choices(TOKENS, k=rng.randrange(1, 40)))


def cut_anywhere(rng: random.Random, wire: bytes) -> list[bytes]:
    cuts = sorted(rng.choices(range(len(wire) + 1), k=rng.randrange(1, 8)))
    return [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]


def decode(pieces: list[bytes], **options: Any) -> tuple[list[ServerSentEvent], str, int | None]:
    decoder = SseDecoder(**options)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events, decoder.last_event_id, decoder.retry


def test_random_streams() -> None:
    # W15
    some = 0
    for rng, wire in streams(STREAMS, seed=20261121):
        expected = reference(wire)
        some += bool(expected[0])
        assert decode([wire]) == expected, wire
        pieces = cut_anywhere(rng, wire)
        assert decode(pieces) == expected, pieces
        # A bound that is not reached, but small enough to be watched line by line.
        assert decode(pieces, max_size=len(wire)) == expected, pieces
    assert some > STREAMS / 2, "most streams must hold events, or nothing is compared"


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
one_line = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=30
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
events = st.builds(
    Event,
    data=values | text.map(lambda t: t.replace("a", "\r\n").replace("b", "\r")),
    event=st.none() | one_line | st.sampled_from(["message", "error", " ", "tick"]),
    id=st.none() | one_line | st.integers(),
    retry=st.none() | st.integers(min_value=0, max_value=10**20),
    comment=st.none() | text,
)


def received(sent: list[Event]) -> list[ServerSentEvent]:
    """What ``sent`` looks like at the other end."""
    result = []
    last_id = ""
    bare_retry: int | None = None  # written without a blank line, it stands in the next block
    for event in sent:
        last_id = last_id if event.id is None else event.id
        retry = event.retry if event.retry is not None else bare_retry
        if event.is_bare:
            bare_retry = None if event.id is not None else retry
            continue
        bare_retry = None
        data = event.data if isinstance(event.data, str) else dumps(event.data).decode()
        data = re.sub("\r\n|\r", "\n", data)
        result.append(ServerSentEvent(event.event or "message", data, last_id, retry))
    return result


@given(st.lists(events, max_size=4), st.randoms(use_true_random=False))
def test_there_and_back(sent: list[Event], rng: random.Random) -> None:
    # W4, W5, W6, W7, W17
    wire = b"".join(map(format_sse, sent))
    expected = received(sent)
    assert decode([wire])[0] == expected
    assert decode(cut_anywhere(rng, wire))[0] == expected
    assert reference(wire)[0] == expected


@given(text, text)
def test_text_comes_back_with_lf(first: str, second: str) -> None:
    # W3, W12
    for item in (first + "\r" + second, first + "\n" + second, first + "\r\n" + second):
        ((event,), _, _) = decode([format_sse(item)])
        assert event.data == item.replace("\r\n", "\n").replace("\r", "\n")
