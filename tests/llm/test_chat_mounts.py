"""The chat endpoint inside each framework, without a redirect anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.testing import check_ui_message_stream, open_stream
from tests.llm.test_chat import body, text_of
from tests.servers.reading import read_until
from tests.support.apps import chats
from tests.support.http import request
from tests.support.servers import Server, serve

MOUNTS = ("chat", "with_starlette", "with_fastapi", "with_litestar", "with_quart")

# Their settings, and a loop beside their threads, are a whole process's.
SERVED = {
    "flask": "gunicorn-gthread",
    "django_wsgi": "gunicorn-gthread",
    "django": "uvicorn",
}


@pytest.mark.parametrize("mount", MOUNTS)
async def test_all_routes(mount: str) -> None:
    # S8
    made = getattr(chats, mount)
    app: Any = made if mount == "chat" else made()

    async def ask(method: str, path: str, **options: Any) -> tuple[int, bytes]:
        async with open_stream(app, f"/api/chat{path}", method=method, **options) as stream:
            return stream.status, await stream.read()

    status, answer = await ask("POST", "", json=body())
    assert (status, text_of(check_ui_message_stream(answer))) == (200, "Hello, world")
    assert await ask("GET", "/c%201/stream") == (204, b"")
    assert (await ask("GET", "/private%2F1/stream"))[0] == 403
    assert (await ask("POST", "/c1/stop"))[0] == 200
    assert (await ask("GET", "/c1/stop"))[0] == 405
    async with open_stream(app, "/api/chat", method="POST", json=body("endless", "e 1")) as stream:
        await stream.wait_for(lambda: b"on and" in stream.body)
        async with open_stream(app, "/api/chat/e%201/stream") as again:
            await again.wait_for(lambda: b"on and" in again.body)
            assert await ask("POST", "/e%201/stop") == (200, b'{"stopped":true}')
            assert check_ui_message_stream(await again.read())[-1]["type"] == "abort"


@pytest.fixture(params=SERVED)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serve(SERVED[request.param], f"chats:{request.param}") as server:
        yield server


def test_all_routes_on_a_server(server: Server) -> None:
    # S8
    def ask(method: str, path: str, sent: Any = None) -> tuple[int, bytes]:
        headers = [("content-type", "application/json")]
        content = json.dumps(sent).encode() if sent is not None else b""
        target = f"/api/chat{path}"
        with request(server.port, method, target, headers=headers, body=content) as response:
            return response.status, response.read()

    status, answer = ask("POST", "", body())
    assert (status, text_of(check_ui_message_stream(answer))) == (200, "Hello, world")
    assert ask("GET", "/c%201/stream") == (204, b"")
    assert ask("GET", "/private%2F1/stream")[0] == 403
    assert ask("POST", "/c1/stop", {}) == (200, b'{"stopped":false}')
    assert ask("GET", "/c1/stop")[0] == 405


@pytest.mark.parametrize("app", ["starlette", "plain"])
def test_a_server_that_is_shut_down_says_so(app: str) -> None:
    # F8: an error, never a finish
    with serve("uvicorn", f"chats:{app}") as server:
        headers = [("content-type", "application/json")]
        sent = json.dumps(body("endless")).encode()
        with request(server.port, "POST", "/api/chat", headers=headers, body=sent) as response:
            begun = read_until(response, b"on and")
            stopped = server.stop()
            chunks = check_ui_message_stream(begun + response.read())
        assert chunks[-1]["type"] == "error"
        assert not stopped.killed, server.output()
