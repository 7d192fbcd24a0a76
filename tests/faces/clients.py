"""Asking a framework in process: one function per framework, all with the same shape.

``ask(make, method)`` serves ``make()`` as the view's response at ``/`` and returns the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import django
import flask
import litestar.testing
import quart
from django.conf import settings
from django.test import AsyncClient, Client
from fastapi import FastAPI
from litestar import HttpMethod, Litestar, route
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

import penstock.django
import penstock.flask
import penstock.litestar
import penstock.quart
import penstock.starlette

__all__ = ("FACES", "Answer", "Face")

Make = Callable[[], Any]


class Answer(NamedTuple):
    """What a reader got."""

    status: int
    headers: list[tuple[str, str]]
    text: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Face(NamedTuple):
    """A framework: its response class, its 403, and how to ask it."""

    response: Any
    refuse: Callable[[str], Exception]
    ask: Callable[..., Answer]


def _answer(status: int, headers: Iterable[tuple[str, str]], text: str) -> Answer:
    return Answer(status, [(name.lower(), value) for name, value in headers], text)


def _starlette(make: Make, method: str = "GET") -> Answer:
    async def view(request: Any) -> Any:
        return make()

    return _ask_asgi(Starlette(routes=[Route("/", view)]), method)


def _fastapi(make: Make, method: str = "GET") -> Answer:
    app = FastAPI()

    async def view() -> penstock.starlette.StreamResponse:
        return make()

    app.add_api_route("/", view, methods=["GET", "HEAD"])
    return _ask_asgi(app, method)


def _ask_asgi(app: Any, method: str) -> Answer:
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.request(method, "/")
    return _answer(response.status_code, response.headers.multi_items(), response.text)


def _litestar(make: Make, method: str = "GET") -> Answer:
    @route("/", http_method=[HttpMethod.GET, HttpMethod.HEAD])
    async def view() -> penstock.litestar.StreamResponse:
        return make()

    app = Litestar([view], openapi_config=None, logging_config=None)
    with litestar.testing.TestClient(app, raise_server_exceptions=False) as client:
        response = client.request(method, "/")
    return _answer(response.status_code, response.headers.multi_items(), response.text)


def _quart(make: Make, method: str = "GET") -> Answer:
    app = quart.Quart("tests")
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/")
    async def view() -> Any:
        return make()

    async def ask() -> Answer:
        client: Any = app.test_client()
        response = await client.open("/", method=method)
        text = await response.get_data(as_text=True)
        return _answer(response.status_code, response.headers.items(), text)

    return asyncio.run(ask())


def _flask(make: Make, method: str = "GET") -> Answer:
    app = flask.Flask("tests")

    @app.get("/")
    def view() -> Any:
        return make()

    response = app.test_client().open("/", method=method)
    return _answer(response.status_code, response.headers.items(), response.text)


class _Urls:
    """Stands for Django's URL module: one view, the one being asked."""

    make: Make


def _view(request: Any) -> Any:
    return _Urls.make()


async def _async_view(request: Any) -> Any:
    return _Urls.make()


def _set_up_django() -> None:
    if settings.configured:
        return
    middleware = ["django.middleware.gzip.GZipMiddleware"]
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=middleware)
    django.setup()


_set_up_django()
urlpatterns = [django.urls.path("sync", _view), django.urls.path("async", _async_view)]


def _django(path: str) -> Callable[..., Answer]:
    def ask(make: Make, method: str = "GET") -> Answer:
        _Urls.make = staticmethod(make)
        response = Client(raise_request_exception=False).generic(method, path)
        body = response.getvalue() if response.streaming else response.content
        return _django_answer(response, body)

    return ask


def _django_async(path: str) -> Callable[..., Answer]:
    async def ask(make: Make, method: str) -> Answer:
        _Urls.make = staticmethod(make)
        response = await AsyncClient(raise_request_exception=False).generic(method, path)
        if response.streaming and response.is_async:
            body = b"".join([chunk async for chunk in response])
        elif response.streaming:  # the client has put nothing in its place: HEAD, 204, 304
            body = b"".join(response)
        else:
            body = response.content
        return _django_answer(response, body)

    return lambda make, method="GET": asyncio.run(ask(make, method))


def _django_answer(response: Any, body: bytes) -> Answer:
    cookies = [("set-cookie", cookie.OutputString()) for cookie in response.cookies.values()]
    return _answer(response.status_code, [*response.items(), *cookies], body.decode())


def _forbidden_starlette(detail: str) -> Exception:
    from starlette.exceptions import HTTPException

    return HTTPException(403, detail)


def _forbidden_litestar(detail: str) -> Exception:
    from litestar.exceptions import PermissionDeniedException

    return PermissionDeniedException(detail)


def _forbidden_werkzeug(detail: str) -> Exception:
    from werkzeug.exceptions import Forbidden

    return Forbidden(detail)


def _forbidden_django(detail: str) -> Exception:
    from django.core.exceptions import PermissionDenied

    return PermissionDenied(detail)


_STARLETTE = penstock.starlette.StreamResponse
_DJANGO = penstock.django.StreamResponse

FACES = {
    "starlette": Face(_STARLETTE, _forbidden_starlette, _starlette),
    "fastapi": Face(_STARLETTE, _forbidden_starlette, _fastapi),
    "litestar": Face(penstock.litestar.StreamResponse, _forbidden_litestar, _litestar),
    "quart": Face(penstock.quart.StreamResponse, _forbidden_werkzeug, _quart),
    "flask": Face(penstock.flask.StreamResponse, _forbidden_werkzeug, _flask),
    "django": Face(_DJANGO, _forbidden_django, _django("/sync")),
    "django, async view": Face(_DJANGO, _forbidden_django, _django("/async")),
    "django asgi": Face(_DJANGO, _forbidden_django, _django_async("/async")),
    "django asgi, sync view": Face(_DJANGO, _forbidden_django, _django_async("/sync")),
}
