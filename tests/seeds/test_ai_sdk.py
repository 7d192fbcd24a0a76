"""System 3: text of a model as plain text, on a bare server."""

from __future__ import annotations

import pytest

from penstock import Stream
from penstock.chunk import Done, Reasoning, Text
from penstock.testing import open_stream
from tests.seeds.apps.ai_sdk import PROMPT, app, hello, holiday, holiday_wsgi, wsgi
from tests.seeds.hosts import Answer, on_asgi, on_server, on_wsgi
from tests.support.http import request
from tests.support.servers import serve

APP = "tests.seeds.apps.ai_sdk"
ON_SERVERS = [
    ("uvicorn", "app"),
    ("uvicorn", "holiday"),
    ("gunicorn-sync", "wsgi"),
    ("gunicorn-sync", "holiday_wsgi"),
]


def check(answer: Answer) -> None:
    # W14: and the charset, without which a browser guesses
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.decode() == f"{PROMPT} "


@pytest.mark.parametrize("each", [app, holiday], ids=["stream", "endpoint"])
async def test_text_on_asgi(each: object) -> None:
    check(await on_asgi(each))


@pytest.mark.parametrize("each", [wsgi, holiday_wsgi], ids=["stream", "endpoint"])
def test_text_on_wsgi(each: object) -> None:
    check(on_wsgi(each))  # type: ignore[arg-type]  # two kinds of WSGI apps in one list


@pytest.mark.parametrize(("server", "name"), ON_SERVERS)
def test_text_on_a_server(server: str, name: str) -> None:
    check(on_server(server, f"{APP}:{name}"))


@pytest.mark.parametrize(
    ("server", "name"), [("uvicorn", "holiday"), ("gunicorn-sync", "holiday_wsgi")]
)
def test_text_shows_piece_by_piece(server: str, name: str) -> None:
    # F2
    with (
        serve(server, f"{APP}:{name}") as running,
        request(running.port, "GET", "/?prompt=once+...") as response,
    ):
        piece = response.read_some()
        assert piece is not None
        assert piece.data == b"once "
        assert response.ended is None
        response.leave()


async def test_any_origin_may_read_it() -> None:
    # M8: and the preflight is the middleware's to answer
    origin = {"origin": "https://page.example"}
    answer = await on_asgi(holiday, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert on_wsgi(holiday_wsgi, headers=origin.items()).headers["access-control-allow-origin"] == (
        "*"
    )
    asked = origin | {"access-control-request-method": "GET"}
    preflight = await on_asgi(holiday, method="OPTIONS", headers=asked)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, "*")


async def test_of_a_models_chunks_only_the_text_is_sent() -> None:
    # W16
    chunks = [Reasoning("hm"), Text("Moon "), Text("Day"), Done()]
    assert await Stream(chunks, format="text").to_bytes() == b"Moon Day"


async def test_status_headers_and_type_of_its_own() -> None:
    # H2
    answer = await on_asgi(hello)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["customheader"] == "outerspace"
    assert answer.body == b"Hello, world!"


async def test_a_failing_model_is_seen_by_the_reader() -> None:
    # E1, E2: text has no error event: the body is cut
    early = await on_asgi(holiday, "/?prompt=boom")
    assert early.status == 500
    async with open_stream(holiday, "/?prompt=once+boom") as stream:
        assert await stream.read() == b"once "
        assert stream.ended == "cut"
