"""A function's signature as JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import pytest

from penstock.llm import tool_schema


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(TypedDict):
    x: int


@dataclass
class Place:
    name: str
    size: float = 1.0


def everything(
    text: str,
    number: Annotated[int, "How many"],
    either: int | None,
    items: list[str],
    table: dict[str, float],
    choice: Literal["a", "b"],
    colour: Colour,
    point: Point,
    place: Place,
    anything: Any,
    flag: bool = True,
) -> None:
    """Do it.

    All of it.

    Args:
        text: What it says,
            at length.
        flag: Whether to.

    Returns:
        Nothing.
    """


PROPERTIES: dict[str, Any] = {
    "text": {"type": "string", "description": "What it says, at length."},
    "number": {"type": "integer", "description": "How many"},
    "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    "items": {"type": "array", "items": {"type": "string"}},
    "table": {"type": "object", "additionalProperties": {"type": "number"}},
    "choice": {"type": "string", "enum": ["a", "b"]},
    "colour": {"type": "string", "enum": ["red", "blue"]},
    "point": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
    "place": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "size": {"type": "number"}},
        "required": ["name"],
    },
    "anything": {},
    "flag": {"type": "boolean", "description": "Whether to.", "default": True},
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_parameter(name: str) -> None:  # C7
    assert tool_schema(everything)["parameters"]["properties"][name] == PROPERTIES[name]


def test_the_function() -> None:
    schema = tool_schema(everything)
    assert (schema["name"], schema["description"]) == ("everything", "Do it.\n\nAll of it.")
    assert schema["parameters"]["required"] == [name for name in PROPERTIES if name != "flag"]
