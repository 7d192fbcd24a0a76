"""Sessions and streams where no framework takes them: one error that says what to do."""

from __future__ import annotations

import io
from typing import Any

import flask
import pytest
import quart
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from penstock import Session, Stream, UsageError, create_response, create_session
from penstock.django import StreamResponse
from tests.faces import clients

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "query_string": b"",
    "headers": [],
}
ENVIRON: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": io.BytesIO()}


def session() -> Session[Any]:
    return create_session(Request(SCOPE))


BARE: dict[str, tuple[Any, str]] = {
    "a session": (session, r"return session\.response"),
    "a stream": (lambda: Stream(["x"]), r"penstock\.starlette\.StreamResponse\(source"),
}


@pytest.mark.parametrize(("make", "words"), BARE.values(), ids=BARE)
def test_what_is_no_response_says_so(make: Any, words: str) -> None:
    # done-when 6: wrong framework return
    async def view(request: Any) -> Any:
        return make()

    async def fastapi_view():
        return make()

    with pytest.raises(TypeError, match=words):
        TestClient(Starlette(routes=[Route("/", view)])).get("/")
    fastapi = FastAPI()
    fastapi.add_api_route("/", fastapi_view)
    with pytest.raises(ValueError, match=words):
        TestClient(fastapi).get("/")
    app = Flask("tests")
    app.testing = True
    app.add_url_rule("/", view_func=lambda: make())
    with pytest.raises(TypeError, match=words):
        app.test_client().get("/")
    with pytest.raises(TypeError, match=words):
        StreamResponse(make())
    for name in ("django", "django, async view", "django asgi", "django asgi, sync view"):
        assert clients.FACES[name].ask(make).status == 500


@pytest.mark.parametrize("name", ["django", "django asgi"])
@pytest.mark.parametrize(("make", "words"), BARE.values(), ids=BARE)
def test_django_tells_it_too(
    name: str, make: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    # done-when 6: wrong framework return
    clients.FACES[name].ask(make)
    assert words.replace("\\", "") in caplog.text


async def refused(request: Any, framework: str) -> None:
    for make in (create_session, lambda request: create_response(request, lambda session: None)):
        with pytest.raises(UsageError, match=rf"penstock\.{framework}\.StreamResponse\(channel"):
            make(request)


async def test_a_session_is_refused_where_a_view_could_not_return_it() -> None:
    # S2, done-when 6
    await refused(ASGIRequest(SCOPE, io.BytesIO()), "django")
    await refused(WSGIRequest(ENVIRON), "django")
    with Flask("tests").test_request_context("/"):
        await refused(flask.request, "flask")
    async with quart.Quart("tests").test_request_context("/"):
        await refused(quart.request, "quart")
