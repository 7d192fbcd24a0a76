"""Django: what is its alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page

from penstock import Context, HttpError, endpoint
from penstock.django import StreamResponse, endpoint_view
from tests.faces import clients  # sets Django up

assert clients.FACES


async def two() -> AsyncIterator[dict[str, int]]:
    yield {"n": 1}
    yield {"n": 2}


@gzip_page
@cache_control(private=True)
def decorated(request: Any) -> StreamResponse:
    """Decorators of views wait for the head, as they do for a template."""
    return StreamResponse(two)


def no_request(request: Any) -> StreamResponse:
    """It does not know that it is asked by HEAD."""
    return StreamResponse(forever)


stopped: list[bool] = []


async def forever() -> AsyncIterator[dict[str, int]]:
    try:
        while True:
            yield {}
    finally:
        stopped.append(True)


def wrapped(request: Any) -> StreamResponse:
    """What middleware may do with a streaming response."""
    response = StreamResponse(two, "ndjson")
    response.add_post_render_callback(_shout)
    return response


def _shout(response: Any) -> None:
    content = response.streaming_content
    response.streaming_content = (
        _ashouted(content) if response.is_async else (chunk.upper() for chunk in content)
    )


async def _ashouted(content: Any) -> AsyncIterator[bytes]:
    async for chunk in content:
        yield chunk.upper()


def busy(request: Any) -> StreamResponse:
    async def source() -> AsyncIterator[Any]:
        raise HttpError(429, detail="slow down", headers={"Retry-After": "3"})
        yield

    return StreamResponse(source)


def crash(request: Any) -> StreamResponse:
    async def source() -> AsyncIterator[Any]:
        raise LookupError("the secret")
        yield

    return StreamResponse(source)


@endpoint(format="text", methods=("GET", "POST"))
async def echo(ctx: Context) -> AsyncIterator[str]:
    """An endpoint that looks at the request."""
    if ctx.query.get("fail"):
        raise HttpError(418, detail="a teapot")
    body = (await ctx.body()).decode() if ctx.method == "POST" else ""
    yield f"{ctx.method} {ctx.path} {ctx.path_params} {body}"


urlpatterns = [
    path("decorated", decorated),
    path("no-request", no_request),
    path("wrapped", wrapped),
    path("busy", busy),
    path("crash", crash),
    path("echo/<str:name>", endpoint_view(echo)),
]


class Rescue:
    """Middleware with ``process_exception``, sync only: Django runs it in a thread under ASGI."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        response["X-Rescue"] = "1"
        return response

    def process_exception(self, request: Any, error: Exception) -> Any:
        if isinstance(error, LookupError):
            return HttpResponse("rescued", status=418)
        return None


@pytest.fixture(autouse=True)
def _urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[f"{__name__}.Rescue"]):
        yield


async def ask(kind: str, target: str, method: str = "GET", **options: Any) -> tuple[Any, bytes]:
    if kind == "asgi":
        client = AsyncClient(raise_request_exception=False)
        response = await client.generic(method, target, **options)
        if response.streaming and response.is_async:
            return response, b"".join([chunk async for chunk in response])
        return response, _body(response)
    return await asyncio.to_thread(ask_wsgi, method, target, **options)


def ask_wsgi(method: str, target: str, **options: Any) -> tuple[Any, bytes]:
    response = Client(raise_request_exception=False).generic(method, target, **options)
    return response, _body(response)


def _body(response: Any) -> bytes:
    body: bytes = response.getvalue() if response.streaming else response.content
    return body


KINDS = pytest.mark.parametrize("kind", ["wsgi", "asgi"])


@KINDS
async def test_decorators_of_views_work_and_hold_nothing_back(kind: str) -> None:
    # M8's like: GZip leaves SSE alone
    response, body = await ask(kind, "/decorated", headers={"Accept-Encoding": "gzip"})
    assert body.startswith(b'data: {"n":1}\n\n')
    assert "Content-Encoding" not in response.headers
    assert "private" in response["Cache-Control"]
    assert "no-transform" in response["Cache-Control"]


@KINDS
async def test_middleware_may_wrap_the_content(kind: str) -> None:
    _, body = await ask(kind, "/wrapped")
    assert body == b'{"N":1}\n{"N":2}\n'


@KINDS
async def test_process_exception_sees_an_early_error(kind: str) -> None:
    # E1: rendered by Django, through sync middleware too
    response, body = await ask(kind, "/crash")
    assert (response.status_code, body, response["X-Rescue"]) == (418, b"rescued", "1")


@KINDS
async def test_a_status_django_has_no_exception_for(kind: str) -> None:
    # E1
    response, body = await ask(kind, "/busy")
    assert (response.status_code, response["Retry-After"]) == (429, "3")
    assert json.loads(body)["errors"][0]["detail"] == "slow down"


@KINDS
async def test_head_without_the_request_ends_at_once(kind: str) -> None:
    # H6 as far as Django lets us: the source starts, and is stopped before a byte of the body
    stopped.clear()
    response, body = await ask(kind, "/no-request", "HEAD")
    response.close()
    assert (response.status_code, body) == (200, b"")


@KINDS
async def test_without_the_request_a_reader_that_comes_back_gets_it_again(kind: str) -> None:
    # F12 as far as Django lets us
    response, body = await ask(kind, "/decorated", headers={"Last-Event-ID": "~end"})
    assert (response.status_code, body[:14]) == (200, b'data: {"n":1}\n')


@KINDS
async def test_an_endpoint_is_a_view(kind: str) -> None:
    # done-when 2: its path parameters, body, errors and methods are its own
    response, body = await ask(kind, "/echo/ada", "POST", data=b"hi")
    assert body == b"POST /echo/ada {'name': 'ada'} hi"
    assert response["Content-Type"].startswith("text/plain")
    response, body = await ask(kind, "/echo/ada?fail=1")
    assert (response.status_code, json.loads(body)["errors"][0]["detail"]) == (418, "a teapot")
    response, _ = await ask(kind, "/echo/ada", "DELETE")
    assert (response.status_code, response["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    response, body = await ask(kind, "/echo/ada", "HEAD")
    assert (response.status_code, body) == (200, b"")


def test_read_without_a_handler_it_starts_by_itself() -> None:
    # as in a test that calls the view
    request = RequestFactory().get("/")
    assert b"".join(decorated(request)).startswith(b'data: {"n":1}\n\n')
    assert b"".join(StreamResponse(two, request=request))


async def test_read_on_another_loop_than_it_was_begun_for() -> None:
    response = StreamResponse(two, "ndjson")
    response._begin_blocking()  # on penstock's own loop, as a sync view's is
    assert [chunk async for chunk in response] != []
    assert response._body._pull.is_open is False
