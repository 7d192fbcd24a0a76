"""Whole apps as handlers: the same requests on uvicorn and on Lambda, with the same answers."""

from __future__ import annotations

import asyncio
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.aws import asgi_handler
from penstock.aws.app_handler import AsgiHandler
from penstock.aws.http_events import UnknownEvent
from penstock.aws.invocation import Invocation, begin, end
from penstock.aws.runtime_api import FunctionError
from penstock.errors import ConfigurationError, ExtraNotInstalled
from tests.aws.apps import web
from tests.aws.support.local import FakeContext, call, function_url
from tests.aws.support.runtime_api import RuntimeApi

Answer = tuple[int, dict[str, str], list[str], bytes]
JSON = {"content-type": "application/json"}
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + bytes(range(256)) * 4000 + b"\r\n--x--\r\n"
)

# App, method, path, headers, body.
REQUESTS: dict[str, tuple[str, str, str, dict[str, str], bytes]] = {
    "sse": ("fastapi", "GET", "/sse?n=3", {}, b""),
    "stream of text": ("fastapi", "GET", "/plain", {}, b""),
    "file": ("fastapi", "GET", "/file", {}, b""),
    "part of a file": ("fastapi", "GET", "/file", {"range": "bytes=0-9"}, b""),
    "cookies": ("fastapi", "GET", "/cookies", {"cookie": "x=1; y=2"}, b""),
    "preflight": (
        "fastapi",
        "OPTIONS",
        "/sse",
        {"origin": "https://a.example", "access-control-request-method": "GET"},
        b"",
    ),
    "another origin": ("fastapi", "GET", "/sse", {"origin": "https://b.example"}, b""),
    "HEAD": ("starlette", "HEAD", "/", {}, b""),
    "204": ("fastapi", "GET", "/empty", {}, b""),
    "404": ("fastapi", "GET", "/nowhere", {}, b""),
    "405": ("fastapi", "DELETE", "/sse", {}, b""),
    "422": ("fastapi", "GET", "/sse?n=x", {}, b""),
    "upload": (
        "fastapi",
        "POST",
        "/upload",
        {"content-type": "multipart/form-data; boundary=x"},
        MULTIPART,
    ),
    "background": ("fastapi", "GET", "/background", {}, b""),
    "an error": ("fastapi", "GET", "/boom", {}, b""),
    "paths and queries": ("fastapi", "GET", "/echo/a%20b%C3%A9?q=1&q=2&r=%26", {}, b""),
    "is_disconnected": ("fastapi", "GET", "/disconnect", {}, b""),
    "BaseHTTPMiddleware": ("starlette", "GET", "/ndjson", {}, b""),
    "flask stream": ("flask", "GET", "/rows", {}, b""),
    "flask body": ("flask", "POST", "/echo", {"content-type": "text/plain"}, b"h\xc3\xa9"),
    "flask 404": ("flask", "GET", "/nowhere", {}, b""),
}

# The front door's, or the server's own.
_OF_THE_HOST = ("date", "server", "content-length", "transfer-encoding", "connection")
HANDLERS = {
    "fastapi": web.handler,
    "starlette": web.starlette_handler,
    "flask": web.flask_handler,
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    from a2wsgi import WSGIMiddleware

    from tests.aws.support.uvicorn import serving

    with (
        serving(web.fastapi_app, lifespan=True) as fastapi,
        serving(web.starlette_app) as starlette,
        serving(WSGIMiddleware(web.flask_app)) as flask,  # type: ignore[arg-type]  # an ASGI app
    ):
        yield {"fastapi": fastapi, "starlette": starlette, "flask": flask}


def on_lambda(api: RuntimeApi, request: tuple[str, str, str, dict[str, str], bytes]) -> Answer:
    app, method, target, headers, body = request
    path, _, query = target.partition("?")
    headers = dict(headers)
    cookies = headers.pop("cookie", None)
    event = function_url(
        path,
        method=method,
        query=query,
        headers=headers,
        cookies=cookies.split("; ") if cookies else None,
        body=b64encode(body).decode() if body else None,
        is_base64=bool(body),
    )
    made = call(api, HANDLERS[app], event)
    assert made.error is None
    head = made.prelude
    return head["statusCode"], head["headers"], head.get("cookies", []), made.http_body


def on_server(server: str, request: tuple[str, str, str, dict[str, str], bytes]) -> Answer:
    import httpx

    _, method, target, headers, body = request
    response = httpx.request(method, server + target, headers=headers, content=body)
    kept: dict[str, str] = {}
    for name, value in response.headers.multi_items():
        if name not in _OF_THE_HOST and name != "set-cookie":
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    cookies = response.headers.get_list("set-cookie")
    return response.status_code, kept, cookies, response.content


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_same_answer_on_both_hosts(
    api: RuntimeApi, servers: dict[str, str], request_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # L10, H5, H6, H7, M8
    monkeypatch.setattr(web, "STARTED", web.STARTED[:1])  # the server's start-up is another's
    status, headers, cookies, body = on_lambda(api, request_)
    expected = on_server(servers[request_[0]], request_)
    if request_[2] == "/cookies":  # which start-up of the process it was is all that differs
        body, other = (re.sub(rb'"state":\d+', b'"state":1', each) for each in (body, expected[3]))
        expected = (*expected[:3], other)
    assert (status, headers, cookies, body) == expected


def test_an_error_is_logged_once_with_the_request_id(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    # L7, L10: Starlette answers, and raises it again for the host to log
    made = call(api, web.handler, function_url("/boom"))
    assert (made.error, made.prelude["statusCode"]) == (None, 500)
    assert made.http_body == b"Internal Server Error"
    assert [record.request_id for record in caplog.records] == [made.call.id]  # type: ignore[attr-defined]  # extra=


def test_a_foreign_stream_that_fails_ends_in_trailers(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    # L7d: no error event in a foreign app's body
    made = call(api, web.handler, function_url("/cut"))
    assert made.http_body == b"first"
    assert isinstance(made.error, ValueError)
    assert made.error_body["errorMessage"] == "in the middle"
    assert not caplog.records


def test_background_tasks_end_before_the_invocation(api: RuntimeApi) -> None:
    # L10
    before = len(web.DONE)
    call(api, web.handler, function_url("/background"))
    assert len(web.DONE) == before + 1


def test_start_up_runs_once(api: RuntimeApi) -> None:
    # L10, L12
    started: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            started.append(1)
            scope["state"]["pool"] = object()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise AssertionError("it is never shut down")
        await answer(send, str(id(scope["state"]["pool"])).encode())

    handler = asgi_handler(app)
    bodies = {call(api, handler, function_url()).http_body for _ in range(3)}
    assert (len(bodies), started) == (1, [1])


@pytest.mark.parametrize("lifespan", ["auto", "on", "off"])
def test_an_app_without_a_lifespan(api: RuntimeApi, lifespan: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await answer(send, b"ok")

    made = call(api, asgi_handler(app, lifespan=lifespan), function_url())
    if lifespan == "on":
        assert isinstance(made.error, AssertionError)
    else:
        assert made.http_body == b"ok"


def test_a_start_up_that_fails_is_tried_again(api: RuntimeApi) -> None:
    tries: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            tries.append(1)
            kind = "failed" if len(tries) == 1 else "complete"
            await send({"type": f"lifespan.startup.{kind}", "message": "no database"})
            return
        await answer(send, b"ok")

    handler = asgi_handler(app)
    failed = call(api, handler, function_url())
    assert isinstance(failed.error, ConfigurationError)
    assert "no database" in str(failed.error)
    assert call(api, handler, function_url()).http_body == b"ok"


def test_disconnect_comes_at_the_end(api: RuntimeApi) -> None:
    # L10
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        await answer(send, b"ok")
        heard.append((await receive())["type"])

    call(api, asgi_handler(app, lifespan="off"), function_url())
    assert heard == ["http.request", "http.disconnect"]


BAD_APPS = {
    "nothing": [],
    "no end": [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": b"x", "more_body": True},
    ],
    "a body first": [{"type": "http.response.body", "body": b"x"}],
}


@pytest.mark.parametrize("messages", BAD_APPS.values(), ids=BAD_APPS)
def test_apps_that_break_the_protocol(
    api: RuntimeApi, messages: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    made = call(api, asgi_handler(app, lifespan="off"), function_url())
    if len(messages) == 2:
        assert made.error_body["errorType"] == "TransportError"
        assert "broken off" in str(made.error)
    else:
        assert made.prelude["statusCode"] == 500
        assert len(caplog.records) == 1


def test_what_is_no_http_event_is_refused(api: RuntimeApi) -> None:
    # L4
    events: list[Any] = [{"Records": []}, {"key": 1}, [1], None]
    for event in events:
        made = call(api, web.handler, event)
        assert isinstance(made.error, UnknownEvent)
        assert "function URL" in str(made.error)


def test_the_word_that_a_response_is_over_is_acknowledged(api: RuntimeApi) -> None:
    event = {"invokeCompletionStatus": "Success", "requestId": "1"}
    made = call(api, web.handler, event)
    assert (made.result, made.answered) == ({}, False)


def test_without_a_runtime_the_reply_is_buffered() -> None:
    result = web.handler(function_url("/sse", query="n=1"), None)
    assert result["body"].startswith('data: {"i":0}\n\n')


async def test_called_from_a_running_loop() -> None:
    result = web.handler(function_url("/sse", query="n=1"), None)
    assert result["statusCode"] == 200
    await asyncio.sleep(0)


class Noted:
    """A wire that keeps what it is asked."""

    was_refused = False

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []

    async def write(self, data: bytes) -> None:
        self.asked.append(("write", data))

    def finish(self, error: FunctionError | None = None, data: bytes = b"") -> None:
        assert error is None
        self.asked.append(("finish", data))

    async def accepted(self) -> None: ...

    async def close(self) -> None: ...


@pytest.mark.parametrize("size", [0, 2, 64 * 1024 + 1])
def test_the_last_of_a_body_leaves_with_its_end_and_never_with_the_head(size: int) -> None:
    # L1: unless its copy costs more than a write
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"x" * size)

    wire = Noted()

    async def connect(content_type: str) -> Noted:
        return wire

    begin(Invocation("noted", connect))
    asgi_handler(app, lifespan="off")(function_url(), FakeContext("noted", 30))
    assert end("noted")
    (how, head), *rest = wire.asked
    assert (how, head[-8:]) == ("write", b"\0" * 8)
    body = b"x" * size
    assert rest == ([("write", body), ("finish", b"")] if size > 64 * 1024 else [("finish", body)])


def test_wsgi_needs_a2wsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.aws import wsgi_handler

    monkeypatch.setitem(sys.modules, "a2wsgi", None)
    with pytest.raises(ExtraNotInstalled, match="aws"):
        wsgi_handler(web.flask_app)


def test_a_handler_is_one() -> None:
    assert isinstance(web.handler, AsgiHandler)


async def answer(send: Any, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
