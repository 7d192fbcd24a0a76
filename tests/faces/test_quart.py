"""Quart: what is its alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart, current_app, g, request
from werkzeug.exceptions import NotFound

from penstock import HttpError, Stream, UsageError
from penstock.quart import StreamResponse


class OutOfStock(Exception):
    """The app's own."""


@pytest.fixture
def app() -> Quart:
    return Quart("tests")


async def ask(app: Quart) -> tuple[int, str, Any]:
    response = await app.test_client().get("/?q=x")
    return response.status_code, await response.get_data(as_text=True), response.headers


async def test_the_source_uses_request_g_and_current_app(app: Quart) -> None:
    # M1
    async def words() -> AsyncIterator[str]:
        yield f"{request.args['q']} {g.user} {current_app.name}"

    @app.get("/")
    async def view() -> StreamResponse:
        g.user = "ada"
        return StreamResponse(words, "text")

    assert (await ask(app))[1] == "x ada tests"


async def test_a_sync_view(app: Quart) -> None:
    @app.get("/")
    def view() -> StreamResponse:
        return StreamResponse(["a", "b"], "text")

    assert (await ask(app))[1] == "ab"


async def test_a_tuple_and_after_request_arrive(app: Quart) -> None:
    # H4
    @app.get("/")
    async def view() -> Any:
        return StreamResponse(["x"], "text"), 202, {"X-One": "1", "Cache-Control": "private"}

    @app.after_request
    async def stamp(response: Any) -> Any:
        response.headers["X-Seen"] = str(response.status_code)
        return response

    status, text, headers = await ask(app)
    assert (status, text, headers["X-One"], headers["X-Seen"]) == (202, "x", "1", "202")
    assert headers.getlist("Cache-Control") == ["private"]


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (OutOfStock(), 410, "sold out"),
        (NotFound("no such page"), 404, "lost: no such page"),
        (HttpError(404, detail="no such row"), 404, "lost: no such row"),
    ],
)
async def test_the_apps_error_handlers_answer(
    app: Quart, error: Exception, status: int, text: str
) -> None:
    # E1
    @app.errorhandler(OutOfStock)
    async def sold_out(error: OutOfStock) -> Any:
        return "sold out", 410

    @app.errorhandler(404)
    async def lost(error: NotFound) -> Any:
        return f"lost: {error.description}", 404

    async def source() -> AsyncIterator[str]:
        raise error
        yield ""

    @app.get("/")
    async def view() -> StreamResponse:
        return StreamResponse(source, "text")

    assert (await ask(app))[:2] == (status, text)


async def test_quarts_own_time_limit_does_not_cut_the_stream(app: Quart) -> None:
    # RESPONSE_TIMEOUT cuts Quart's other responses without a word
    async with app.test_request_context("/"):
        assert StreamResponse(["x"]).timeout is None


async def test_a_response_that_a_hook_throws_away_is_stopped(app: Quart) -> None:
    seen: list[str] = []

    async def source() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            seen.append("stopped")

    @app.get("/")
    async def view() -> StreamResponse:
        return StreamResponse(source, "text")

    @app.after_request
    async def replace(response: Any) -> Any:
        return await app.make_response("instead")

    assert (await ask(app))[1] == "instead"
    # The conftest fails a test that leaves the stream's task running.
    for _ in range(100):
        if seen:
            break
        await asyncio.sleep(0)
    assert seen == ["stopped"]


async def test_outside_of_a_request_it_cannot_be_made() -> None:
    # done-when 6: the class of another framework
    with pytest.raises(UsageError, match="in a Quart view"):
        StreamResponse(["x"])


async def test_a_stream_of_no_framework_is_refused_by_name(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    # done-when 6: wrong framework return
    @app.get("/")
    async def view() -> Any:
        return Stream(["x"])

    assert (await ask(app))[0] == 500
    assert "response value type (Stream) is not valid" in caplog.text
