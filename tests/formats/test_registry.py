"""Formats by the names users type."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.format import Encoder, Format
from penstock.errors import InvalidField, InvalidOption
from penstock.formats import UNSET, Ndjson, Sse, Text, get_format

# The core's Protocols hold: mypy and pyright check it here.
_FORMATS: tuple[Format, ...] = (Sse(), Ndjson(), Text())
_ENCODERS: tuple[Encoder, ...] = (
    Sse().encoder(end_mark=True),
    Ndjson().encoder(end_mark=True),
    Text().encoder(end_mark=True),
)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("sse", Sse()),
        ("ndjson", Ndjson()),
        ("jsonl", Ndjson()),
        ("nljson", Ndjson()),
        ("text", Text()),
    ],
)
def test_by_name(name: str, format: Any) -> None:
    # W2
    assert get_format(name) == format


def test_options() -> None:
    assert get_format("sse", retry=5, done=None) == Sse(retry=5, done=None)
    assert get_format("sse", retry=UNSET, done=UNSET) == Sse()
    assert get_format("text", retry=UNSET) == Text()
    assert get_format("ndjson", serializer=None) == Ndjson()


def test_an_object_keeps_what_is_not_given() -> None:
    given = Sse(retry=5)
    assert get_format(given) is given
    assert get_format(given, error_event="oops") == Sse(retry=5, error_event="oops")


class Own:
    """A user's format, which is no dataclass."""

    name = "own"

    def encoder(self, *, end_mark: bool) -> None:
        """Make nothing: only that it is here counts."""


def test_a_users_own_format() -> None:
    own = Own()
    assert get_format(own) is own
    with pytest.raises(InvalidOption, match="own format has no such option"):
        get_format(own, retry=5)


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "name": ("see", {}, "'sse', 'ndjson', 'jsonl', 'nljson', 'text'"),
    "class": (Sse, {}, "format= must be one of"),
    "None": (None, {}, "format= must be one of"),
    "number": (7, {}, "format= must be one of"),
    "option": ("sse", {"colour": 1}, "colour= must be left out: the sse format has no such option"),
    "another's option": ("ndjson", {"retry": 5}, r"ndjson format .*it has serializer"),
    "option of none": ("text", {"retry": 5}, "it has none"),
    "option that is fixed": ("sse", {"name": "x"}, "no such option"),
    "option's value": ("sse", {"name_from": 5}, "name_from= must be"),
}


@pytest.mark.parametrize(("format", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(format: Any, options: dict[str, Any], message: str) -> None:
    # M7
    with pytest.raises(InvalidOption, match=message):
        get_format(format, **options)


def test_options_that_go_on_the_wire() -> None:
    # W4, W7
    for options in ({"retry": 1.5}, {"done": "a\nb"}):
        with pytest.raises(InvalidField):
            get_format("sse", **options)
