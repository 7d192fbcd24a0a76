"""Every front door's event as a scope, and as a buffered reply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock import Response, endpoint
from penstock.aws import stream_handler
from penstock.aws.http_events import FrontDoor, front_door, read_event
from penstock.aws.types import HttpApiEvent
from penstock.core.inbox import Inbox
from penstock.core.request import Request
from tests.aws.events import NAMES, sample
from tests.aws.support.local import call, function_url
from tests.aws.support.runtime_api import RuntimeApi

QUERY = b"parameter1=value1&parameter1=value2&parameter2=value"
# What a scope must say: the door, method, path, root path, query, client, body.
SCOPES: dict[str, tuple[Any, ...]] = {
    "function_url": ("FUNCTION_URL", "POST", "/my/path", "", QUERY, "123.123.123.123")
    + (b"Hello from client!",),
    "http_api_v2": ("HTTP_API", "POST", "/my/path", "", QUERY, "192.0.2.1", b"Hello from Lambda"),
    "http_api_v1": ("HTTP_API_V1", "GET", "/my/path", "", QUERY, "192.0.2.1")
    + (b"Hello from Lambda!",),
    "rest_api": ("REST_API", "POST", "/testStage/hello/world", "/testStage")
    + (b"name=me&multivalueName=you&multivalueName=m%26e", "192.168.196.186")
    + (b'{\r\n\t"a": 1\r\n}',),
    "alb": ("ALB", "GET", "/lambda", "", b"query=1234ABCD%20x", "72.12.164.125", b""),
    "alb_multi": ("ALB", "GET", "/lambda", "", b"myKey=val1&myKey=val%202", "72.12.164.125", b""),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_documented_events(name: str) -> None:
    # L4
    request = read_event(sample(name), None)
    scope = request.scope
    client = scope["client"][0]
    found = (scope["method"], scope["path"], scope["root_path"], scope["query_string"], client)
    assert (request.door.name, *found, request.body()) == SCOPES[name]
    assert scope["raw_path"] == scope["path"].encode()
    assert all(name == name.lower() for name, _ in scope["headers"])


def request_of(event: Any) -> Request:
    async def receive() -> Any:
        raise AssertionError

    return Request(read_event(event, None).scope, Inbox(receive))


def test_headers_cookies_authorizer_and_stage() -> None:
    # L4
    url = request_of(sample("function_url"))
    assert url.headers.getlist("header2") == ["value1,value2"]
    assert url.headers["cookie"] == "cookie1; cookie2"
    assert url.scope["aws.authorizer"]["iam"]["accountId"] == "111122223333"
    rest = request_of(sample("rest_api"))
    assert rest.headers.getlist("headername") == ["headerValue", "headerValue2"]
    assert rest.path_params == {"proxy": "hello/world"}
    assert rest.scope["aws.stage"] == "testStage"
    assert rest.query.getlist("multivalueName") == ["you", "m&e"]
    alb = request_of(sample("alb_multi"))
    assert alb.headers.getlist("cookie") == ["cookie1=a", "cookie2=b"]
    assert alb.cookies == {"cookie1": "a", "cookie2": "b"}
    assert alb.query.getlist("myKey") == ["val1", "val 2"]
    plain = request_of(sample("alb"))
    assert plain.query["query"] == "1234ABCD x"
    assert (plain.scope["scheme"], plain.scope["server"]) == (
        "http",
        ("lambda-alb-123578498.us-east-1.elb.amazonaws.com", 80),
    )


def test_a_named_stage_is_the_root_path() -> None:
    event = sample("http_api_v2")
    event["rawPath"], event["requestContext"]["stage"] = "/prod/a%20b", "prod"
    scope = read_event(event, None).scope
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == (
        "/prod",
        "/prod/a b",
        b"/prod/a%20b",
    )
    event["rawPath"] = "/production"  # a custom domain: the stage is not in the path
    assert read_event(event, None).scope["root_path"] == ""


def test_binary_bodies_keep_their_bytes() -> None:
    event = function_url(method="POST", body="AP8=", is_base64=True)
    request = read_event(event, None)
    assert request.body() == b"\x00\xff"
    assert (b"content-length", b"2") in request.scope["headers"]


DIRECT: list[Any] = [None, 3, "x", [], {}, {"Records": []}, {"requestContext": {}}, {"path": "/x"}]


@pytest.mark.parametrize("event", DIRECT)
def test_everything_else_is_a_direct_invoke(event: Any) -> None:
    assert front_door(event) is FrontDoor.DIRECT


# --- replies


@endpoint(format="ndjson")
async def rows(ctx: Any) -> Any:
    ctx.head.set_cookie("a", "1")
    ctx.head.set_cookie("b", "2")
    ctx.head.headers["x-a"] = "b"
    yield {"n": 1}


COOKIES = ["a=1; Path=/; SameSite=Lax", "b=2; Path=/; SameSite=Lax"]
BODY = '{"n":1}\n'


def test_buffered_replies_of_each_door(api: RuntimeApi) -> None:
    # L5, H5
    def reply(name: str) -> Any:
        made = call(
            api, rows.lambda_handler(type(rows.aws_lambda), invoke_mode="buffered"), sample(name)
        )
        assert not made.answered
        assert made.result["statusCode"] == 200
        assert (made.result["body"], made.result["isBase64Encoded"]) == (BODY, False)
        return made.result

    for name in ("function_url", "http_api_v2"):
        result = reply(name)
        assert result["cookies"] == COOKIES
        assert result["headers"]["x-a"] == "b"
        assert "multiValueHeaders" not in result
    for name in ("rest_api", "http_api_v1", "alb_multi"):
        result = reply(name)
        assert result["multiValueHeaders"]["set-cookie"] == COOKIES
        assert "headers" not in result
    single = reply("alb")
    assert single["statusDescription"] == "200 OK"
    cookies = [value for name, value in single["headers"].items() if name.lower() == "set-cookie"]
    assert cookies == COOKIES


def test_binary_replies_are_base64(api: RuntimeApi) -> None:
    # L5
    @endpoint(methods=["POST"])
    async def picture(ctx: Any) -> Response:
        return Response(b"\x00\xff", content_type="image/png")

    result = call(api, picture.aws_lambda, sample("http_api_v2")).result
    assert (result["body"], result["isBase64Encoded"]) == ("AP8=", True)


@pytest.mark.parametrize(
    ("name", "streams"),
    {
        "function_url": True,
        "http_api_v2": False,
        "http_api_v1": False,
        "rest_api": False,
        "alb": False,
        "direct": True,
    }.items(),
)
def test_who_is_streamed_by_default(
    api: RuntimeApi,
    name: str,
    streams: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # L5
    @stream_handler
    async def handler(event: Any, context: Any) -> Any:
        yield 1

    event = sample(name) if name != "direct" else {"direct": 1}
    for _ in range(2):
        assert call(api, handler, event).answered is streams
    warned = [record for record in caplog.records if "PENSTOCK_INVOKE_MODE" in record.getMessage()]
    assert len(warned) == (1 if name == "rest_api" else 0)
    for value, expected in (("stream", True), ("buffered", False), ("RESPONSE_STREAM", True)):
        monkeypatch.setenv("PENSTOCK_INVOKE_MODE", value)
        assert call(api, handler, event).answered is expected
        always = stream_handler(invoke_mode="stream")(handler.__wrapped__)
        assert call(api, always, event).answered is True


def test_a_reply_over_the_limit_is_told(api: RuntimeApi, caplog: pytest.LogCaptureFixture) -> None:
    # L5
    @stream_handler(format="text", invoke_mode="buffered")
    async def handler(event: Any, context: Any) -> Any:
        for _ in range(7):
            yield "x" * 1024 * 1024

    result = call(api, handler, function_url()).result
    assert result["statusCode"] == 500
    assert 'invoke_mode="stream"' in str(caplog.records[-1].exc_info)
    assert "6291456" in str(call(api, handler, {}).error)


def test_a_direct_invoke_that_is_buffered_is_text(api: RuntimeApi) -> None:
    @stream_handler(format="ndjson", invoke_mode="buffered")
    async def handler(event: Any, context: Any) -> Any:
        yield event

    assert call(api, handler, {"a": 1}).result == '{"a":1}\n'


def test_an_endpoint_answers_direct_invokes(api: RuntimeApi) -> None:
    # L3
    @endpoint(format="ndjson")
    async def both(ctx: Any) -> Any:
        yield {"event": ctx.event, "json": await ctx.json(), "method": ctx.method}

    body = json.loads(call(api, both.aws_lambda, {"a": 1}).body)
    assert body == {"event": {"a": 1}, "json": {"a": 1}, "method": "POST"}
    only_get = endpoint().get(lambda ctx: {"method": ctx.method})
    assert json.loads(call(api, only_get.aws_lambda, {}).body) == {"method": "GET"}


def test_the_types_say_what_the_samples_have() -> None:
    assert set(sample("http_api_v2")) <= set(HttpApiEvent.__annotations__)
