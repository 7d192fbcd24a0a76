"""Handlers called in this process, as a runtime would call them, against the Runtime API."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import count
from typing import Any

from penstock.aws.invocation import at_runtime_api, begin, end
from tests.aws.support.runtime_api import Call, RuntimeApi

__all__ = ("FakeContext", "Outcome", "call", "function_url")

_IDS = count(1)


class FakeContext:
    """Lambda's context, as far as anybody asks."""

    def __init__(self, request_id: str, deadline: float) -> None:
        self.aws_request_id = request_id
        self._deadline = time.monotonic() + deadline

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


@dataclass
class Outcome:
    """What became of one call."""

    call: Call
    result: Any
    error: BaseException | None
    answered: bool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.call, name)


def call(
    api: RuntimeApi, handler: Any, event: Any, *, deadline: float = 30.0, **options: Any
) -> Outcome:
    """Call ``handler``; an error it raises is in the outcome, as a runtime would post it."""
    invocation = Call(event, f"local-{next(_IDS)}", **options)
    api.take(invocation)
    begin(at_runtime_api(invocation.id, api.address))
    result, error = None, None
    try:
        result = handler(event, FakeContext(invocation.id, deadline))
    except Exception as exc:
        error = exc
    answered = end(invocation.id)
    if answered:
        invocation.wait(5)
    else:
        api.drop(invocation)
        if error is None:
            json.dumps(result)  # awslambdaric would
    return Outcome(invocation, result, error, answered)


def function_url(
    path: str = "/",
    *,
    method: str = "GET",
    query: str = "",
    headers: dict[str, str] | None = None,
    cookies: list[str] | None = None,
    body: str | None = None,
    is_base64: bool = False,
) -> dict[str, Any]:
    """Return a function URL's event."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-west-1.on.aws", **(headers or {})},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.eu-west-1.on.aws",
            "domainPrefix": "abc",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8",
            },
            "requestId": "e1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1773342238000,
        },
        "isBase64Encoded": is_base64,
    }
    if cookies:
        event["cookies"] = cookies
    if body is not None:
        event["body"] = body
    return event
