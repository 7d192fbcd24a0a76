"""From an HTTP request to a Function URL's event."""
# L4, P4

from __future__ import annotations

from typing import Any

import pytest

from penstock.aws.emulator.url_events import HttpRequest, function_url_event


def event(
    target: str = "/", headers: list[tuple[str, str]] | None = None, body: bytes = b""
) -> dict[str, Any]:
    request = HttpRequest("POST", target, headers or [], body, "127.0.0.1")
    return function_url_event(request, request_id="r", trace_id="Root=1", now=1_583_348_638.39)


def test_the_whole_event() -> None:
    headers = [
        ("host", "127.0.0.1:8000"), ("user-agent", "curl"), ("x-a", "1"), ("x-a", "2"),
        ("cookie", "a=1; b=2"), ("cookie", "c=3"), ("connection", "close"),
        ("content-type", "application/json"),
    ]  # fmt: skip
    assert event("/a%20b//c?x=1&x=2&y=%26", headers, b'{"m":"\xe2\x98\x83"}') == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a%20b//c",
        "rawQueryString": "x=1&x=2&y=%26",
        "cookies": ["a=1", "b=2", "c=3"],
        "headers": {
            "host": "127.0.0.1:8000",
            "user-agent": "curl",
            "x-a": "1,2",
            "content-type": "application/json",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-port": "8000",
            "x-amzn-trace-id": "Root=1",
        },
        "queryStringParameters": {"x": "1,2", "y": "&"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": "127.0.0.1:8000",
            "domainPrefix": "local",
            "http": {
                "method": "POST",
                "path": "/a%20b//c",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "curl",
            },
            "requestId": "r",
            "routeKey": "$default",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "body": '{"m":"☃"}',
        "isBase64Encoded": False,
    }


def test_what_is_not_there_is_absent() -> None:
    made = event()
    assert not {"cookies", "queryStringParameters", "body"} & set(made)
    assert made["isBase64Encoded"] is False


BODIES = {
    "text": ("text/plain", b"a", "a", False),
    "text that is none": ("text/plain", b"\xff", "/w==", True),
    "a form": ("application/x-www-form-urlencoded", b"a=1", "YT0x", True),
    "bytes": ("application/octet-stream", b"\0", "AA==", True),
    "no type": ("", b"a", "YQ==", True),
}


@pytest.mark.parametrize(("content_type", "sent", "body", "encoded"), BODIES.values(), ids=BODIES)
def test_bodies(content_type: str, sent: bytes, body: str, encoded: bool) -> None:
    made = event("/", [("content-type", content_type)] if content_type else [], sent)
    assert (made["body"], made["isBase64Encoded"]) == (body, encoded)
