"""From an HTTP request to the event a Function URL makes of it (payload 2.0).

Lives here: the shape, as AWS's "Invoking Lambda function URLs" has it. Stays out: sockets.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

__all__ = ("HttpRequest", "encode_event", "function_url_event")

# Of the connection, not of the request; cookies have a list of their own.
_NOT_IN_HEADERS = frozenset(("connection", "cookie", "keep-alive", "te", "transfer-encoding"))
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came.

    Attributes:
        target: Path and query, as sent.
        headers: In order, repeats kept, names in lower case.
        peer: The client's address.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: str
    http_version: str = "1.1"


def function_url_event(
    request: HttpRequest, *, request_id: str, trace_id: str, now: float
) -> dict[str, Any]:
    """Return the event for ``request``; ``now`` is in seconds since the epoch."""
    path, _, query = request.target.partition("?")
    headers = _joined(request.headers)
    host = headers.get("host", "localhost")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path or "/",
        "rawQueryString": query,
    }
    if cookies := _cookies(request.headers):
        event["cookies"] = cookies
    event["headers"] = headers | {
        "x-forwarded-for": request.peer,
        "x-forwarded-proto": "http",
        "x-forwarded-port": host.rpartition(":")[2] if ":" in host else "80",
        "x-amzn-trace-id": trace_id,
    }
    if parameters := _query(query):
        event["queryStringParameters"] = parameters
    event["requestContext"] = {
        "accountId": "anonymous",
        "apiId": "local",
        "domainName": host,
        "domainPrefix": "local",
        "http": {
            "method": request.method,
            "path": path or "/",
            "protocol": f"HTTP/{request.http_version}",
            "sourceIp": request.peer,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }
    return event | _body(request.body, headers.get("content-type", ""))


def encode_event(event: dict[str, Any]) -> bytes:
    """Return ``event`` as the function gets it."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        if name not in _NOT_IN_HEADERS:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _cookies(headers: list[tuple[str, str]]) -> list[str]:
    values = [value for name, value in headers if name == "cookie"]
    return [cookie.strip() for value in values for cookie in value.split(";") if cookie.strip()]


def _query(query: str) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(body: bytes, content_type: str) -> dict[str, Any]:
    if not body:
        return {"isBase64Encoded": False}
    if content_type.lower().startswith(_TEXT_TYPES):
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass  # called text, and is not: it travels as what it is
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
