"""Flask: what is its alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from flask import Flask, current_app, g, request
from werkzeug.exceptions import NotFound

from penstock import HttpError, Stream, UsageError
from penstock.flask import StreamResponse
from tests.support.process import wait_until


class OutOfStock(Exception):
    """The app's own."""


@pytest.fixture
def app() -> Flask:
    return Flask("tests")


def test_the_source_uses_request_g_and_current_app(app: Flask) -> None:
    # M1: in a sync generator too, which runs in a thread of its own
    def words() -> Iterator[str]:
        yield f"{request.args['q']} {g.user} {current_app.name}"

    async def async_words() -> AsyncIterator[str]:
        yield f"{request.args['q']} {g.user} {current_app.name}"

    @app.get("/<kind>")
    def view(kind: str) -> StreamResponse:
        g.user = "ada"
        return StreamResponse(words if kind == "sync" else async_words, "text")

    for kind in ("sync", "async"):
        assert app.test_client().get(f"/{kind}?q=x").text == "x ada tests"


def test_an_async_view(app: Flask) -> None:
    pytest.importorskip("asgiref")

    @app.get("/")
    async def view() -> StreamResponse:
        return StreamResponse(["a", "b"], "text")

    assert app.test_client().get("/").text == "ab"


def test_a_tuple_and_after_request_arrive(app: Flask) -> None:
    # H4: what the view and the hooks say is the head
    @app.get("/")
    def view() -> Any:
        return StreamResponse(["x"], "text"), 202, {"X-One": "1", "Cache-Control": "private"}

    @app.after_request
    def stamp(response: Any) -> Any:
        response.headers["X-Seen"] = str(response.status_code)
        return response

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (202, "x")
    assert (answer.headers["X-One"], answer.headers["X-Seen"]) == ("1", "202")
    assert answer.headers.getlist("Cache-Control") == ["private"]


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (OutOfStock(), 410, "sold out"),
        (NotFound("no such page"), 404, "lost: no such page"),
        (HttpError(404, detail="no such row"), 404, "lost: no such row"),
    ],
)
def test_the_apps_error_handlers_answer(
    app: Flask, error: Exception, status: int, text: str
) -> None:
    # E1
    @app.errorhandler(OutOfStock)
    def sold_out(error: OutOfStock) -> Any:
        return "sold out", 410

    @app.errorhandler(404)
    def lost(error: NotFound) -> Any:
        return f"lost: {error.description}", 404

    async def source() -> AsyncIterator[str]:
        raise error
        yield ""

    @app.get("/")
    def view() -> StreamResponse:
        return StreamResponse(source, "text")

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (status, text)


def test_an_error_without_a_handler_is_raised_as_from_the_view(app: Flask) -> None:
    async def source() -> AsyncIterator[str]:
        raise OutOfStock
        yield ""

    @app.get("/")
    def view() -> StreamResponse:
        return StreamResponse(source)

    app.testing = True  # Flask raises then
    with pytest.raises(OutOfStock):
        app.test_client().get("/")


def test_closing_stops_the_source_and_runs_the_callbacks(app: Flask) -> None:
    # F4 for WSGI: what the server calls when its reader left
    seen: list[str] = []

    async def source() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            seen.append("stopped")

    @app.get("/")
    def view() -> StreamResponse:
        response = StreamResponse(source, "text")
        response.call_on_close(lambda: seen.append("closed"))
        return response

    answer = app.test_client().get("/", buffered=False)
    chunks: Any = answer.response
    assert b"x" in next(iter(chunks))
    answer.close()
    assert seen == ["stopped", "closed"]


def test_a_response_that_a_hook_throws_away_is_stopped(app: Flask) -> None:
    seen: list[str] = []

    async def source() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            seen.append("stopped")

    @app.get("/")
    def view() -> StreamResponse:
        return StreamResponse(source, "text")

    @app.after_request
    def replace(response: Any) -> Any:
        return app.make_response("instead")

    assert app.test_client().get("/").text == "instead"
    wait_until(lambda: seen == ["stopped"])


def test_outside_of_a_request_it_cannot_be_made() -> None:
    # done-when 6: the class of another framework
    with pytest.raises(UsageError, match="in a Flask view"):
        StreamResponse(["x"])


def test_a_stream_of_no_framework_is_refused_by_name(app: Flask) -> None:
    # done-when 6: wrong framework return
    @app.get("/")
    def view() -> Any:
        return Stream(["x"])

    app.testing = True
    with pytest.raises(TypeError, match="it was a Stream"):
        app.test_client().get("/")
