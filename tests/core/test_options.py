"""Every option's wrong values, refused where they are written."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.options import resolve
from penstock.errors import InvalidField, InvalidOption

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "milliseconds for seconds": ({"keep_alive": 15000}, "seconds"),
    "bool": ({"keep_alive": True}, "keep_alive"),
    "text": ({"timeout": "5"}, "timeout"),
    "zero": ({"idle_timeout": 0}, "idle_timeout"),
    "negative": ({"cleanup_timeout": -1}, "cleanup_timeout"),
    "nan": ({"timeout": float("nan")}, "timeout"),
    "infinity": ({"timeout": float("inf")}, "timeout"),
    "commit": ({"commit": "last"}, "commit"),
    "commit over an hour": ({"commit": 3601}, "seconds"),
    "on_shutdown": ({"on_shutdown": "wait"}, '"end" or "drain"'),
    "throw": ({"throw": 1}, "throw"),
    "scrub": ({"scrub": "all"}, "scrub"),
    "retry as a float": ({"retry": 1.5}, "retry"),
    "retry as a bool": ({"retry": True}, "retry"),
    "retry negative": ({"retry": -1}, "retry"),
    "forged done": ({"done": "a\nb"}, "done"),
    "forged error event": ({"error_event": "a\rb"}, "error_event"),
    "serializer": ({"serializer": 7}, "serializer"),
    "unknown": ({"chunks": 15}, "there are cleanup_timeout, "),
    "misspelt": ({"keepalive": 15}, r"did you mean keep_alive=\?"),
    "another language's case": ({"contentType": "text/csv"}, r"did you mean content_type=\?"),
}


@pytest.mark.parametrize(("keywords", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_option_is_refused(keywords: Any, named: str) -> None:
    # M7, W7
    with pytest.raises((InvalidOption, InvalidField), match=named):
        resolve("sse", keywords)


def test_a_misspelt_option_of_the_callers_own_is_named_too() -> None:
    # M7
    with pytest.raises(InvalidOption, match=r"did you mean methods=\?"):
        resolve("sse", {"method": "GET"}, also=("methods",))  # type: ignore[typeddict-unknown-key]  # so it is


@pytest.mark.parametrize("format", ["SSE", "xml", "", None, 7, object(), dict])
def test_an_unknown_format_is_refused(format: Any) -> None:
    # M7
    with pytest.raises(InvalidOption, match="'sse'"):
        resolve(format, {})


def test_a_keep_alive_where_the_wire_has_none_is_refused() -> None:
    # M7, F3
    with pytest.raises(InvalidOption, match="text has none"):
        resolve("text", {"keep_alive": 5})


def test_defaults_and_what_is_given() -> None:
    # F3, E0
    format, options = resolve("sse", {"retry": 100, "commit": "start"})
    assert (format.name, options.keep_alive, options.commit) == ("sse", 15.0, "start")
    assert format.encoder(end_mark=True).open() == b"retry: 100\n"
    assert resolve("ndjson", {})[1].keep_alive is None
    assert resolve("sse", {"keep_alive": None})[1].keep_alive is None
    assert resolve("sse", {"commit": 0})[1].commit == 0
