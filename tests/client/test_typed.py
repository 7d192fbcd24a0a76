"""Events as the caller's own types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import pydantic
import pytest

from penstock import InvalidOption, ServerSentEvent
from penstock.client import InvalidEvent, aconnect, connect
from penstock.client.typed import make_converter
from tests.support.scripted import scripted


class PydanticTick(pydantic.BaseModel):
    i: int
    note: str | None = None


class MsgspecTick(msgspec.Struct):
    i: int
    note: str | None = None


@dataclass
class Tick:
    i: int
    note: str | None = None


@dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0


@dataclass
class Shape:
    name: Literal["line", "area"]
    points: list[Point]
    tags: dict[str, int] = field(default_factory=dict)
    extra: Any = None
    anchor: Point | None = None


MODELS = [PydanticTick, MsgspecTick, Tick]


@pytest.mark.parametrize("model", MODELS)
def test_an_event_and_a_value_become_a_model(model: Any) -> None:
    convert = make_converter(model, None)
    assert convert(ServerSentEvent(data='{"i":3,"note":"n","more":1}')) == (model(i=3, note="n"),)
    assert convert({"i": 4}) == (model(i=4),)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("data", ['{"i":"x"}', "{}", "[1]", "no json", "", '{"i":1,"note":2}'])
def test_what_does_not_fit_is_an_error(model: Any, data: str) -> None:
    with pytest.raises(InvalidEvent, match=f"event 'message' is no {model.__name__}") as caught:
        make_converter(model, None)(ServerSentEvent(data=data))
    assert caught.value.__cause__ is not None


def test_dataclasses_within_dataclasses() -> None:
    value = {
        "name": "line",
        "points": [{"x": 1}, {"x": 2, "y": 3.5}],
        "tags": {"a": 1},
        "extra": [],
    }
    convert = make_converter(Shape, None)
    points = [Point(1.0), Point(2.0, 3.5)]
    assert convert(value) == (Shape("line", points, {"a": 1}, []),)
    assert convert({**value, "anchor": {"x": 9}})[0].anchor == Point(9.0)


FAULTS = {
    "$.name must be one of": {"name": "dot", "points": []},
    "$.points[1].x must be float, got str": {"name": "line", "points": [{"x": 1}, {"x": "2"}]},
    "$.tags.a must be int, got bool": {"name": "line", "points": [], "tags": {"a": True}},
    "$.anchor must be an object": {"name": "line", "points": [], "anchor": 3},
    "$.points must be a list": {"name": "line", "points": {}},
}


@pytest.mark.parametrize(("said", "value"), FAULTS.items(), ids=FAULTS)
def test_the_error_says_where(said: str, value: object) -> None:
    with pytest.raises(InvalidEvent) as caught:
        make_converter(Shape, None)(value)
    assert said in str(caught.value)


def test_only_events_of_a_type() -> None:
    convert = make_converter(Tick, "tick")
    assert convert(ServerSentEvent("other", "no json")) == ()
    assert convert({"type": "other"}) == ()
    assert convert({"type": "tick", "i": 1}) == (Tick(1),)


@pytest.mark.parametrize("model", [dict, int, "Tick", Tick(1)])
def test_other_kinds_of_model_are_refused(model: Any) -> None:
    with pytest.raises(InvalidOption, match="dataclass"):
        make_converter(model, None)


BODY = b'event: tick\ndata: {"i":1}\n\ndata: hello\n\nevent: tick\ndata: {"i":2}\n\nid: ~end\n\n'


async def test_on_a_stream() -> None:
    with scripted(lambda peer: peer.answer(200, BODY)) as server:
        with connect(server.url) as events:
            assert list(events.events(Tick, event="tick")) == [Tick(1), Tick(2)]
        async with aconnect(server.url) as stream:
            ticks = [tick async for tick in stream.events(MsgspecTick, event="tick")]
        assert ticks == [MsgspecTick(1), MsgspecTick(2)]
        with pytest.raises(InvalidEvent), connect(server.url) as events:
            list(events.events(PydanticTick))
