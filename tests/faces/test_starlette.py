"""Starlette and FastAPI: what is theirs alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from penstock import Context, Stream, UsageError, endpoint
from penstock.starlette import StreamResponse


async def one() -> AsyncIterator[str]:
    yield "one"


def client(app: Any, **options: Any) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, **options)


def test_fastapi_makes_its_schema_and_no_response_model() -> None:
    app = FastAPI()

    @app.post("/chat")
    async def chat(prompt: str) -> StreamResponse:
        return StreamResponse([prompt], "text")

    assert client(app).get("/openapi.json").json()["paths"]["/chat"]["post"]
    assert client(app).post("/chat?prompt=hi").text == "hi"


def test_background_tasks_run_after_the_stream() -> None:
    app, seen = FastAPI(), list[str]()

    async def source() -> AsyncIterator[str]:
        yield "x"
        seen.append("the last item")

    @app.get("/fastapi")
    async def injected(tasks: BackgroundTasks) -> StreamResponse:
        tasks.add_task(seen.append, "the task")
        return StreamResponse(source, "text")

    @app.get("/starlette")
    async def given() -> StreamResponse:
        return StreamResponse(source, "text", background=BackgroundTask(seen.append, "the task"))

    for path in ("/fastapi", "/starlette"):
        seen.clear()
        client(app).get(path)
        assert seen == ["the last item", "the task"]


async def session(request: Request) -> AsyncIterator[list[str]]:
    seen: list[str] = request.app.state.seen
    seen.append("opened")
    yield seen
    seen.append("closed")


def test_dependencies_with_yield_outlive_the_stream() -> None:
    # fastapi#14099: a session that a dependency yields is open while the source reads from it
    app = FastAPI()
    seen = app.state.seen = []

    @app.get("/")
    async def view(session: Annotated[list[str], Depends(session)]) -> StreamResponse:
        async def source() -> AsyncIterator[str]:
            yield "a"
            session.append("read")
            yield "b"

        return StreamResponse(source, "text")

    assert client(app).get("/").text == "ab"
    assert seen == ["opened", "read", "closed"]


class OutOfStock(Exception):
    """The app's own."""


def failing(after: int) -> Any:
    async def source() -> AsyncIterator[str]:
        for _ in range(after):
            yield "x"
        raise OutOfStock

    return source


def handled_app(after: int, **options: Any) -> FastAPI:
    app = FastAPI()

    @app.exception_handler(OutOfStock)
    async def answer(request: Request, error: OutOfStock) -> JSONResponse:
        return JSONResponse({"sorry": True}, 410)

    @app.get("/")
    async def view() -> StreamResponse:
        return StreamResponse(failing(after), "ndjson", **options)

    return app


def test_an_exception_handler_of_the_app_answers_before_the_commit() -> None:
    # E1
    answer = client(handled_app(0)).get("/")
    assert (answer.status_code, answer.json()) == (410, {"sorry": True})


def test_throw_before_the_commit_goes_to_the_framework_whoever_renders() -> None:
    # E5
    answer = client(handled_app(0, throw=True, errors="penstock")).get("/")
    assert (answer.status_code, answer.json()) == (410, {"sorry": True})


def test_throw_after_the_commit_reaches_the_server() -> None:
    # E5: Starlette wraps what it can no longer answer
    with pytest.raises(RuntimeError) as caught:
        TestClient(handled_app(1, throw=True)).get("/")
    assert isinstance(caught.value.__cause__, OutOfStock)


@endpoint(format="text")
async def greet(ctx: Context) -> AsyncIterator[str]:
    """An endpoint that looks at what the router found."""
    yield f"hello {ctx.path_params.get('name', 'you')} at {ctx.path}"


def test_an_endpoint_is_a_route_or_a_mount() -> None:
    # done-when 2: neither redirects
    fastapi = FastAPI()
    fastapi.router.routes.append(Route("/hello/{name}", greet))
    starlette = Starlette(
        routes=[
            Route("/hello/{name}", greet),
            Mount("/inner", Starlette(routes=[Route("/", greet)])),
        ]
    )
    for app in (fastapi, starlette):
        reader = client(app, follow_redirects=False)
        assert reader.get("/hello/ada").text == "hello ada at /hello/ada"
        assert reader.post("/hello/ada").status_code == 200
        # H8: the endpoint's own methods hold
        assert reader.delete("/hello/ada").headers["allow"] == "GET, POST, HEAD, OPTIONS"
    assert client(starlette).get("/inner/").text == "hello you at /inner/"


def test_a_mount_is_what_is_below_its_path() -> None:
    # Why the docs prefer a route.
    app = FastAPI()
    app.mount("/mounted", greet)
    redirect = client(app, follow_redirects=False).get("/mounted")
    assert redirect.status_code == 307
    assert redirect.headers["location"].endswith("/mounted/")


def test_a_websocket_gets_a_clear_error() -> None:
    app = FastAPI()

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await StreamResponse(one)(websocket.scope, websocket.receive, websocket.send)

    with pytest.raises(UsageError, match="HTTP requests"), TestClient(app).websocket_connect("/"):
        raise AssertionError("it was not accepted")


def test_a_bare_stream_is_no_response_of_fastapis() -> None:
    # M7: else it would be taken for data, and an empty object sent
    app = FastAPI()

    @app.get("/")
    def bare():
        return Stream(["x"])

    with pytest.raises(ValueError, match=r"penstock\.starlette\.StreamResponse"):
        TestClient(app).get("/")
