"""The codec of items in a log, both ways."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any

import pytest

from penstock import chunk as chunks
from penstock.chunk import Chunk, Data, Done, Error, File, Text, ToolCall, ToolResult, Usage
from penstock.core.logged import dump_item, dump_problem, load_item, load_problem
from penstock.errors import NotSerializable, Problem
from penstock.event import Event, ServerSentEvent

SAME: list[Any] = [
    "",
    "text\r\n\0\u2028é",
    0,
    -1.5,
    2**70,
    True,
    None,
    [],
    {},
    {"type": "x", "n": [1, {"a": None}]},
    b"",
    bytes(range(256)),
    Event(),
    Event("a", "b", "c", 1, "d"),
    Event({"a": [1]}),
    Event(comment="x"),
    Event(""),
    Text("a"),
    Done("length", Usage(1, 2, total=3)),
    Done(),
    ToolCall("1", "f", "{}", {"a": 1}),
    ToolResult("1", "f", error="no"),
    File("image/png", data="aGk="),
    Data("weather", {"t": 1}, transient=True),
    Error(429, "Slow", "down", retryable=True),
    Usage(),
]


@pytest.mark.parametrize("item", SAME, ids=repr)
def test_both_ways(item: Any) -> None:
    again = load_item(dump_item(item))
    assert again == item
    assert type(again) is type(item)


def test_every_kind_of_chunk_comes_back() -> None:
    kinds = [
        kind for kind in vars(chunks).values() if isinstance(kind, type) and is_dataclass(kind)
    ]
    assert len(kinds) >= 14
    for kind in kinds:
        values = {field.name: "x" for field in fields(kind) if field.default is not None}
        item = kind(**{**values, **({"usage": None} if kind is Done else {})})
        assert load_item(dump_item(item)) == item


AS_JSON: list[tuple[Any, Any]] = [
    ((1, 2), [1, 2]),
    (float("nan"), None),
    (date(2024, 5, 6), "2024-05-06"),
]


@pytest.mark.parametrize(("item", "back"), AS_JSON, ids=repr)
def test_other_values_come_back_as_the_json_they_make(item: Any, back: Any) -> None:
    assert load_item(dump_item(item)) == back


def test_what_is_received_is_sent_on() -> None:
    assert load_item(dump_item(ServerSentEvent("tick", "a\nb", "7", 10))) == Event(
        "a\nb", "tick", "7", 10
    )


def test_a_users_own_chunk_becomes_its_json() -> None:
    class Mood(Chunk):
        __slots__ = ()
        type = "mood"

        def to_dict(self) -> dict[str, Any]:
            return {"type": "mood", "is": "good"}

    assert load_item(dump_item(Mood())) == {"type": "mood", "is": "good"}


def test_members_of_a_later_version_are_left_out() -> None:
    later = b"c" + json.dumps({"type": "text", "content": "a", "colour": "red"}).encode()
    assert load_item(later) == Text("a")


@pytest.mark.parametrize(
    "item",
    [object(), {"x": {1, object()}}, Event(object())],
    ids=["alone", "within", "in an Event"],
)
def test_what_json_cannot_carry_is_refused(item: Any) -> None:
    with pytest.raises(NotSerializable):
        dump_item(item)


def test_a_problem_both_ways() -> None:
    for problem in (Problem(500), Problem(422, "Title", "detail é")):
        assert load_problem(dump_problem(problem)).to_dict() == problem.to_dict()
