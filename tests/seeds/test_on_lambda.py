"""Systems 1 to 3 under AWS's own runtime client."""

from __future__ import annotations

from typing import Any

from tests.aws.support.functions import running
from tests.aws.support.local import function_url
from tests.aws.support.runtime_api import Call

APP = "tests.seeds.apps.on_lambda"


def on_lambda(name: str, event: Any = None, **environment: str) -> Call:
    with running(f"{APP}.{name}", **environment) as function:
        return function.api.invoke(event or {}).wait()


def test_events_written_by_hand() -> None:
    # L6, L14, M6
    written = (
        b'event: start\ndata: {}\n\nevent: data\ndata: {"count": 1}\n\nevent: done\ndata: key\n\n'
    )
    assert on_lambda("work", {}, API_KEY="key").body == written
    asked = on_lambda("work", function_url(), API_KEY="key")
    assert asked.http_body == written
    assert asked.prelude["headers"]["content-type"] == "text/event-stream"


def test_a_models_chunks_piped() -> None:
    # L14
    made = on_lambda("ask", {"prompt": "hi there"})
    assert made.header["content-type"] == "application/x-ndjson"
    assert made.body.splitlines()[:2] == [
        b'{"type":"text","content":"hi "}',
        b'{"type":"text","content":"there "}',
    ]
    assert b'"type":"done"' in made.body


def test_a_model_that_fails_is_told_in_the_stream() -> None:
    # L7c
    made = on_lambda("ask", {"prompt": "hi boom"})
    assert made.body.splitlines()[-1].startswith(b'{"error":{"errors":[{"status":500')
    assert b"own words" not in made.body


def test_a_stream_and_a_string_are_the_same_answer() -> None:
    # L6
    stream, string = (on_lambda(name, function_url()) for name in ("download", "string"))
    assert stream.prelude == string.prelude
    assert stream.http_body == string.http_body == b"id,email 1,ada "


def test_a_raw_stream() -> None:
    # L3
    assert on_lambda("raw_stream", {"prompt": "a b"}).body == b"a b "


def test_a_status_stays_what_it_is() -> None:
    # H7
    made = on_lambda("status", function_url())
    assert (made.prelude["statusCode"], made.http_body) == (304, b"")


def test_the_runtimes_own_contract() -> None:
    # L1, L14
    made = on_lambda("hello", function_url())
    assert made.prelude["headers"] == {"content-type": "text/plain", "customheader": "outerspace"}
    assert made.http_body == b"Hello, world!"


def test_a_models_text() -> None:
    made = on_lambda("say", function_url())
    assert made.prelude["headers"]["content-type"] == "text/plain; charset=utf-8"
    assert made.http_body == b"Invent a holiday "
