"""Litestar: what is its alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar, Request, Response, asgi, get, post
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import Cookie, ResponseHeader
from litestar.testing import TestClient

from penstock import Context, HttpError, endpoint
from penstock.litestar import StreamResponse


class OutOfStock(Exception):
    """The app's own."""


def client(handlers: list[Any], **options: Any) -> TestClient[Litestar]:
    app = Litestar(handlers, logging_config=None, **options)
    return TestClient(app, raise_server_exceptions=False)


def test_the_handlers_headers_and_cookies_arrive() -> None:
    # H2, H5: the response's own win over the handler's, these over the format's
    @get(
        "/",
        response_headers=[
            ResponseHeader(name="X-Handler", value="1"),
            ResponseHeader(name="X-Both", value="handler"),
            ResponseHeader(name="Cache-Control", value="private"),
        ],
        response_cookies=[Cookie(key="a", value="1")],
    )
    async def view() -> StreamResponse:
        return StreamResponse(["x"], "text", cookies={"b": "2"}, headers={"x-both": "response"})

    answer = client([view]).get("/")
    assert (answer.text, answer.headers["x-handler"]) == ("x", "1")
    assert answer.headers.get_list("x-both") == ["response"]
    assert answer.headers.get_list("cache-control") == ["private"]
    cookies = sorted(c.partition(";")[0] for c in answer.headers.get_list("set-cookie"))
    assert cookies == ["a=1", "b=2"]


def test_after_request_and_background_task() -> None:
    seen: list[str] = []

    async def stamp(response: Response[Any]) -> Response[Any]:
        response.set_header("X-Count", 3)
        return response

    async def source() -> AsyncIterator[str]:
        yield "x"
        seen.append("the last item")

    @get("/", after_request=stamp)
    async def view() -> StreamResponse:
        return StreamResponse(source, "text", background=BackgroundTask(seen.append, "the task"))

    answer = client([view]).get("/")
    assert (answer.text, answer.headers["x-count"]) == ("x", "3")
    assert seen == ["the last item", "the task"]


def test_litestars_status_for_a_post_and_its_schema() -> None:
    @post("/chat")
    async def chat() -> StreamResponse:
        return StreamResponse(["x"], "text")

    reader = client([chat])
    assert reader.post("/chat").status_code == 201
    assert "/chat" in reader.get("/schema/openapi.json").json()["paths"]


@pytest.mark.parametrize("error", [OutOfStock(), HttpError(410, detail="gone")])
def test_an_exception_handler_answers_before_the_commit(error: Exception) -> None:
    # E1
    def sold_out(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
        return Response("sold out", status_code=410)

    async def source() -> AsyncIterator[str]:
        raise error
        yield ""

    @get("/", exception_handlers={OutOfStock: sold_out, 410: sold_out})
    async def view() -> StreamResponse:
        return StreamResponse(source)

    answer = client([view]).get("/")
    assert (answer.status_code, answer.text) == (410, "sold out")


@endpoint(format="text")
async def greet(ctx: Context) -> AsyncIterator[str]:
    """An endpoint that says where it is."""
    yield f"hello at {ctx.path}"


@pytest.mark.parametrize("is_mount", [True, False])
def test_an_endpoint_is_a_handler(is_mount: bool) -> None:
    # done-when 2
    reader = client([asgi("/greet", is_mount=is_mount, copy_scope=True)(greet)])
    assert reader.get("/greet", follow_redirects=False).text.startswith("hello at /")
    # H8: the endpoint's own methods hold
    assert reader.delete("/greet").status_code == 405
