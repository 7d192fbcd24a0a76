"""Asking a framework in process: one function per framework, all with the same shape.

``ask(make, method, url, headers)`` serves ``make()`` as the view's response at ``/`` and returns
the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
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
Headers = Mapping[str, str]
NONE: Headers = MappingProxyType({})


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
    """A framework: its response class, its 403, and how to ask it.

    ``own()``, in a view, is what the response is told there besides.
    """

    response: Any
    refuse: Callable[[str], Exception]
    ask: Callable[..., Answer]
    own: Callable[[], dict[str, Any]] = dict


def _answer(status: int, headers: Iterable[tuple[str, str]], text: str) -> Answer:
    return Answer(status, [(name.lower(), value) for name, value in headers], text)


_METHODS = ["GET", "HEAD", "POST"]


def _starlette(make: Make, method: str = "GET", url: str = "/", headers: Headers = NONE) -> Answer:
    async def view(request: Any) -> Any:
        return make()

    app = Starlette(routes=[Route("/", view, methods=_METHODS)])
    return _ask_asgi(TestClient(app, raise_server_exceptions=False), method, url, headers)


def _fastapi(make: Make, method: str = "GET", url: str = "/", headers: Headers = NONE) -> Answer:
    app = FastAPI()

    async def view() -> penstock.starlette.StreamResponse:
        return make()

    app.add_api_route("/", view, methods=_METHODS)
    return _ask_asgi(TestClient(app, raise_server_exceptions=False), method, url, headers)


def _litestar(make: Make, method: str = "GET", url: str = "/", headers: Headers = NONE) -> Answer:
    @route("/", http_method=[HttpMethod(method) for method in _METHODS], status_code=200)
    async def view() -> penstock.litestar.StreamResponse:
        return make()

    app = Litestar([view], openapi_config=None, logging_config=None)
    client = litestar.testing.TestClient(app, raise_server_exceptions=False)
    return _ask_asgi(client, method, url, headers)


def _ask_asgi(client: Any, method: str, url: str, headers: Headers) -> Answer:
    with client:
        response = client.request(method, url, headers=headers)
    return _answer(response.status_code, response.headers.multi_items(), response.text)


def _quart(make: Make, method: str = "GET", url: str = "/", headers: Headers = NONE) -> Answer:
    app = quart.Quart("tests")
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.route("/", methods=_METHODS)
    async def view() -> Any:
        return make()

    async def ask() -> Answer:
        client: Any = app.test_client()
        response = await client.open(url, method=method, headers=headers)
        text = await response.get_data(as_text=True)
        return _answer(response.status_code, response.headers.items(), text)

    return asyncio.run(ask())


def _flask(make: Make, method: str = "GET", url: str = "/", headers: Headers = NONE) -> Answer:
    app = flask.Flask("tests")

    @app.route("/", methods=_METHODS)
    def view() -> Any:
        return make()

    response = app.test_client().open(url, method=method, headers=dict(headers))
    return _answer(response.status_code, response.headers.items(), response.text)


class _Urls:
    """Stands for Django's URL module: one view, the one being asked, and its request."""

    make: Make
    request: Any


def _view(request: Any) -> Any:
    _Urls.request = request
    return _Urls.make()


async def _async_view(request: Any) -> Any:
    return _view(request)


def _django_own() -> dict[str, Any]:
    return {"request": _Urls.request}


def _set_up_django() -> None:
    if settings.configured:
        return
    middleware = ["django.middleware.gzip.GZipMiddleware"]
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=middleware)
    django.setup()


_set_up_django()
urlpatterns = [django.urls.path("sync", _view), django.urls.path("async", _async_view)]


def _django(path: str) -> Callable[..., Answer]:
    def ask(make: Make, method: str = "GET", url: str = "/", headers: Headers = NONE) -> Answer:
        _Urls.make = staticmethod(make)
        client = Client(raise_request_exception=False)
        response = client.generic(method, path + url[1:], headers=headers)
        body = response.getvalue() if response.streaming else response.content
        return _django_answer(response, body)

    return ask


def _django_async(path: str) -> Callable[..., Answer]:
    async def ask(
        make: Make, method: str = "GET", url: str = "/", headers: Headers = NONE
    ) -> Answer:
        _Urls.make = staticmethod(make)
        client = AsyncClient(raise_request_exception=False)
        response = await client.generic(method, path + url[1:], headers=headers)
        if response.streaming and response.is_async:
            body = b"".join([chunk async for chunk in response])
        elif response.streaming:  # the client has put nothing in its place: HEAD, 204, 304
            body = b"".join(response)
        else:
            body = response.content
        return _django_answer(response, body)

    return lambda *args, **options: asyncio.run(ask(*args, **options))


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
    "django": Face(_DJANGO, _forbidden_django, _django("/sync"), _django_own),
    "django, async view": Face(_DJANGO, _forbidden_django, _django("/async"), _django_own),
    "django asgi": Face(_DJANGO, _forbidden_django, _django_async("/async"), _django_own),
    "django asgi, sync view": Face(_DJANGO, _forbidden_django, _django_async("/sync"), _django_own),
}
