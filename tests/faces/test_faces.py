"""What holds for the response of every framework, by table."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from types import AsyncGeneratorType
from typing import Any

import pytest

from penstock import Event, HttpError, InvalidOption
from tests.faces.clients import FACES, Face


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


async def two() -> AsyncIterator[dict[str, int]]:
    yield {"n": 1}
    yield {"n": 2}


def two_sync() -> Iterator[dict[str, int]]:
    yield {"n": 1}
    yield {"n": 2}


async def late_two() -> list[dict[str, int]]:
    return [{"n": 1}, {"n": 2}]


LINES = '{"n":1}\n{"n":2}\n'
SOURCES: dict[str, Callable[[], Any]] = {
    "an async generator": lambda: two(),
    "an async generator function": lambda: two,
    "a generator": lambda: two_sync(),
    "a generator function": lambda: two_sync,
    "a list": lambda: [{"n": 1}, {"n": 2}],
    "a coroutine": lambda: late_two(),
    "a lambda of a coroutine": lambda: lambda: late_two(),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_kind_of_source(face: Face, source: Callable[[], Any]) -> None:
    # W16, F10
    answer = face.ask(lambda: face.response(source(), format="ndjson"))
    assert (answer.status, answer.text) == (200, LINES)
    assert answer.one("content-type") == "application/x-ndjson"


DONE = "event: done\nid: ~end\ndata: \n\n"
FORMATS = {
    "sse": (f'data: {{"n":1}}\n\ndata: {{"n":2}}\n\n{DONE}', [{"n": 1}, {"n": 2}]),
    "ndjson": (LINES, [{"n": 1}, {"n": 2}]),
    "text": ("ab", ["a", "b"]),
}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(face: Face, format: str) -> None:
    wire, items = FORMATS[format]
    answer = face.ask(lambda: face.response(items, format))
    assert answer.text == wire


def test_status_headers_and_cookies_arrive(face: Face) -> None:
    # H1, H2, H3, H5
    headers = {
        "X-One": "1",
        "Set-Cookie": ["a=1; Path=/", "b=2; Path=/"],
        "Cache-Control": "private",
        "X-Accel-Buffering": None,
        "Connection": "close",
    }
    answer = face.ask(lambda: face.response(two, status=202, headers=headers))
    assert answer.status == 202
    assert answer.one("content-type") == "text/event-stream"
    assert answer.all("x-one") == ["1"]
    assert answer.all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert answer.all("cache-control") == ["private"]
    assert answer.one("x-accel-buffering") is None
    assert answer.one("connection") is None


def test_the_frameworks_own_word_for_the_status(face: Face) -> None:
    assert face.ask(lambda: face.response(two, status_code=203)).status == 203
    with pytest.raises(InvalidOption, match="status_code"):
        face.response(two, status_code=203, status=204)


def test_what_is_set_on_the_response_arrives(face: Face) -> None:
    # H5: the framework's own ways to set a cookie
    def view() -> Any:
        response = face.response(two)
        response.headers["X-Later"] = "yes"
        response.set_cookie("theme", "dark")
        return response

    answer = face.ask(view)
    assert answer.one("x-later") == "yes"
    assert [cookie.partition(";")[0] for cookie in answer.all("set-cookie")] == ["theme=dark"]


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body(face: Face, status: int) -> None:
    # H7
    answer = face.ask(lambda: face.response([], status=status, headers={"x-one": "1"}))
    assert (answer.status, answer.text, answer.one("x-one")) == (status, "", "1")


def test_an_empty_source(face: Face) -> None:
    # H7, E0
    answer = face.ask(lambda: face.response([], "ndjson"))
    assert (answer.status, answer.text) == (200, "")
    assert answer.one("content-type") == "application/x-ndjson"


def failing(error: Callable[[], Exception], after: int) -> Callable[[], AsyncIterator[Any]]:
    async def source() -> AsyncIterator[Any]:
        for n in range(after):
            yield {"n": n}
        raise error()

    return source


def test_the_frameworks_error_before_the_commit_is_the_frameworks(face: Face) -> None:
    # E1
    answer = face.ask(lambda: face.response(failing(lambda: face.refuse("not you"), 0)))
    assert answer.status == 403
    assert "errors" not in answer.text
    assert answer.one("content-type") != "text/event-stream"


def test_the_frameworks_error_before_the_commit_is_ours_when_told(face: Face) -> None:
    # E1: errors="penstock"
    answer = face.ask(
        lambda: face.response(failing(lambda: face.refuse("not you"), 0), errors="penstock")
    )
    assert answer.status == 403
    assert answer.one("content-type") == "application/json"
    assert json.loads(answer.text) == {
        "errors": [{"status": 403, "title": "Forbidden", "detail": "not you"}]
    }


@pytest.mark.parametrize("errors", ["framework", "penstock"])
def test_our_error_before_the_commit_keeps_status_and_headers(face: Face, errors: str) -> None:
    # E1: in the framework's words or ours
    busy = failing(lambda: HttpError(503, detail="db-7 is down", headers={"Retry-After": "3"}), 0)
    answer = face.ask(lambda: face.response(busy, errors=errors))
    assert (answer.status, answer.one("retry-after")) == (503, "3")
    # E4
    assert "db-7" not in answer.text


class UpstreamError(Exception):
    """Looks like a status of ours, and is a provider's."""

    status_code = 401
    code = 401
    detail = "the key sk-123 is wrong"


@pytest.mark.parametrize("errors", ["framework", "penstock"])
def test_another_error_before_the_commit_is_500(face: Face, errors: str) -> None:
    # E1, E3
    answer = face.ask(lambda: face.response(failing(UpstreamError, 0), errors=errors))
    assert answer.status == 500
    assert "sk-123" not in answer.text


def test_the_frameworks_error_after_the_commit_keeps_its_status(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    # E2, E4
    answer = face.ask(lambda: face.response(failing(lambda: face.refuse("not you"), 1), "ndjson"))
    first, second = answer.text.splitlines()
    assert (answer.status, first) == (200, '{"n":0}')
    assert json.loads(second) == {
        "error": {"errors": [{"status": 403, "title": "Forbidden", "detail": "not you"}]}
    }
    # A 403 is the caller's own affair.
    assert [record for record in caplog.records if record.name == "penstock"] == []


def test_another_error_after_the_commit_is_hidden_and_logged_once(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    # E2, E3
    with caplog.at_level(logging.ERROR, "penstock"):
        answer = face.ask(lambda: face.response(failing(UpstreamError, 1)))
    assert answer.text.count("event: error") == 1
    assert "sk-123" not in answer.text
    assert '"status":500' in answer.text
    (record,) = [record for record in caplog.records if record.name == "penstock"]
    assert record.exc_info is not None
    assert record.exc_info[0] is UpstreamError


def test_head_sends_the_head_only(face: Face) -> None:
    # H6
    started: list[bool] = []

    async def source() -> AsyncIterator[Any]:
        started.append(True)
        yield {}

    answer = face.ask(lambda: face.response(source, **face.own()), "HEAD")
    assert (answer.status, answer.text, started) == (200, "", [])
    assert answer.one("content-type") == "text/event-stream"


BACK = {"Last-Event-ID": "~end"}
# What is asked, how the answer is made, and whether it is over.
COMES_BACK: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "by the header": ({"headers": BACK}, {}, True),
    "by a polyfill's query": ({"url": "/?lastEventId=~end"}, {}, True),
    "by the other's": ({"url": "/?evs_last_event_id=%7Eend"}, {}, True),
    "the event renamed": ({"headers": BACK}, {"done": "finished"}, True),
    "under another status": ({"headers": BACK}, {"status": 202}, True),
    "switched off": ({"headers": BACK}, {"done": None}, False),
    "a format without an end": ({"headers": BACK}, {"format": "ndjson"}, False),
    "from the middle": ({"headers": {"Last-Event-ID": "7"}}, {}, False),
    "for the first time": ({}, {}, False),
    "by POST": ({"headers": BACK, "method": "POST"}, {}, True),
}


@pytest.mark.parametrize("row", COMES_BACK.values(), ids=COMES_BACK)
def test_a_reader_that_comes_back_after_the_end_is_told_so(face: Face, row: Any) -> None:
    # F12: the view has run; the source is closed unopened
    asked, options, is_over = row
    made: list[AsyncGeneratorType[dict[str, int], None]] = []
    opened: list[bool] = []

    async def source() -> AsyncGenerator[dict[str, int], None]:
        opened.append(True)
        yield {"n": 1}

    def view() -> Any:
        generator = source()
        assert isinstance(generator, AsyncGeneratorType)
        made.append(generator)
        headers = {"X-One": "1", "Set-Cookie": "a=1"}
        return face.response(generator, headers=headers, **face.own(), **options)

    answer = face.ask(view, **asked)
    assert answer.status == (204 if is_over else options.get("status", 200))
    assert (answer.text == "", opened) == ((True, []) if is_over else (False, [True]))
    if is_over:  # None, but that Quart's test client makes one up
        assert answer.one("content-type") in (None, "text/html; charset=utf-8")
    assert (answer.one("x-one"), answer.one("set-cookie")) == ("1", "a=1")
    assert made[0].ag_frame is None


user: ContextVar[str] = ContextVar("user", default="nobody")


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_the_source_sees_the_views_context(face: Face, kind: str) -> None:
    # M1: as of construction, whatever is reset on the way out
    async def source() -> AsyncIterator[str]:
        yield user.get()

    def sync_source() -> Iterator[str]:
        yield user.get()

    def view() -> Any:
        token = user.set("ada")
        try:
            return face.response(source if kind == "async" else sync_source, "text")
        finally:
            user.reset(token)

    assert face.ask(view).text == "ada"


def test_a_stream_that_is_not_returned_does_not_start(face: Face) -> None:
    started: list[bool] = []

    async def source() -> AsyncIterator[str]:
        started.append(True)
        yield "never"

    def view() -> Any:
        face.response(source, "text")
        return face.response(["the answer"], "text")

    assert face.ask(view).text == "the answer"
    assert started == []


WRONG: dict[str, tuple[Any, dict[str, Any], Any, str]] = {
    "a str": ("hello", {}, TypeError, "wrap it in a list"),
    "bytes": (b"hello", {}, TypeError, "wrap it in a list"),
    "a dict": ({"a": 1}, {}, TypeError, "wrap it in a list"),
    "a number": (7, {}, TypeError, "got 7"),
    "None": (None, {}, TypeError, "got None"),
    "a class": (Event, {}, TypeError, "zero-argument callable"),
    "an unknown format": (two, {"format": "xml"}, InvalidOption, "xml"),
    "an unknown option": (two, {"keepalive": 3}, (InvalidOption, TypeError), "keepalive"),
    "milliseconds": (two, {"keep_alive": 15000}, InvalidOption, "in seconds"),
    "a status that is none": (two, {"status": 42}, InvalidOption, "status"),
    "errors to nobody": (two, {"errors": "django"}, InvalidOption, "framework"),
    "a forged header": (two, {"headers": {"x": "a\r\nb: c"}}, ValueError, "one line"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_use_raises_where_it_is_written(face: Face, wrong: Any) -> None:
    # M7: not when the response is sent
    source, options, error, message = wrong
    with pytest.raises(error, match=message):
        face.response(source, **options)
