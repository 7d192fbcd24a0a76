"""Lambda's HTTP events as ASGI scopes.

Lives here: which front door an event came through, and the request in it.
Stays out: replies (``http_replies.py``), running an app.

Source: AWS's documentation of function URLs (payload format 2.0), HTTP APIs (2.0), REST APIs
(proxy integration, 1.0) and Lambda targets of application load balancers; ASGI HTTP specification.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode

from penstock.errors import UsageError
from penstock.formats._json import dumps
from penstock.types import Scope

__all__ = (
    "FrontDoor",
    "HttpRequest",
    "LambdaRequest",
    "UnknownEvent",
    "direct_scope",
    "front_door",
    "read_event",
)

Event: TypeAlias = Mapping[str, Any]

# Left as they are in a path (RFC 3986, 3.3).
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_FUNCTION_URL = ".lambda-url."


class UnknownEvent(UsageError, ValueError):
    """An event that is no HTTP request was given to a handler that answers only these."""

    def __init__(self, event: Any) -> None:
        keys = sorted(event)[:12] if isinstance(event, Mapping) else type(event).__name__
        super().__init__(
            "expected an HTTP event (function URL or HTTP API, payload 2.0; REST API or HTTP API, "
            f"payload 1.0; application load balancer), got one with {keys}; "
            "for other events use @stream_handler"
        )


class FrontDoor(StrEnum):
    """What an event came through.

    Attributes:
        FUNCTION_URL: A function URL.
        HTTP_API: API Gateway's HTTP API, payload format 2.0.
        HTTP_API_V1: API Gateway's HTTP API, payload format 1.0.
        REST_API: API Gateway's REST API.
        ALB: An application load balancer.
        DIRECT: None: ``Invoke``, ``InvokeWithResponseStream``, or an event source.
        COMPLETION: REST API's word that a streamed response is over.
    """

    FUNCTION_URL = "function URL"
    HTTP_API = "HTTP API"
    HTTP_API_V1 = "HTTP API (payload 1.0)"
    REST_API = "REST API"
    ALB = "ALB"
    DIRECT = "direct invoke"
    COMPLETION = "completion"


class LambdaRequest:
    """What a request's answer needs to know of Lambda; in the scope as ``penstock.lambda``.

    Attributes:
        is_direct: Nobody reads a status: an error before the head is raised.
        has_prelude: Status and headers stand before the body.
    """

    __slots__ = ("has_prelude", "is_direct")

    def __init__(self, door: FrontDoor) -> None:
        self.is_direct = door is FrontDoor.DIRECT
        self.has_prelude = not self.is_direct


class HttpRequest:
    """An event's request.

    Attributes:
        door: What it came through.
        scope: As an ASGI app wants it; ``aws.event`` and ``aws.context`` are in it too.
        body: Makes the bytes that the client sent.
        multi_value_headers: Whether the reply's headers are lists (ALB).
        about: What its answer needs to know.
    """

    __slots__ = ("about", "body", "door", "multi_value_headers", "scope")

    def __init__(
        self,
        door: FrontDoor,
        scope: Scope,
        body: Callable[[], bytes],
        multi_value_headers: bool = False,
    ) -> None:
        self.door, self.scope, self.body = door, scope, body
        self.about = LambdaRequest(door)
        self.multi_value_headers = multi_value_headers


def front_door(event: Any) -> FrontDoor:
    """Return what ``event`` came through."""
    if not isinstance(event, Mapping):
        return FrontDoor.DIRECT
    context = event.get("requestContext")
    if not isinstance(context, Mapping):
        # Reported, not documented: it has no request context that we know of.
        return FrontDoor.COMPLETION if "invokeCompletionStatus" in event else FrontDoor.DIRECT
    if "elb" in context:
        return FrontDoor.ALB
    if "http" in context and "rawPath" in event:
        return FrontDoor.FUNCTION_URL if _is_function_url(context) else FrontDoor.HTTP_API
    if "httpMethod" in event and "path" in event:
        return FrontDoor.HTTP_API_V1 if event.get("version") == "1.0" else FrontDoor.REST_API
    return FrontDoor.COMPLETION if "invokeCompletionStatus" in event else FrontDoor.DIRECT


def _is_function_url(context: Mapping[str, Any]) -> bool:
    domain = str(context.get("domainName") or "")
    return _FUNCTION_URL in domain or context.get("accountId") == "anonymous"


def read_event(event: Event, context: Any) -> HttpRequest:
    """Return the request in ``event``.

    Raises:
        UnknownEvent: It is none.
    """
    door = front_door(event)
    if door in (FrontDoor.FUNCTION_URL, FrontDoor.HTTP_API):
        request = _read_v2(event, door)
    elif door is FrontDoor.ALB:
        request = _read_alb(event)
    elif door in (FrontDoor.REST_API, FrontDoor.HTTP_API_V1):
        request = _read_v1(event, door)
    else:
        raise UnknownEvent(event)
    _add_aws(request.scope, event, context)
    return request


def direct_scope(event: Any, context: Any, method: str) -> HttpRequest:
    """Return a direct invoke's event as a request whose body it is, as JSON."""
    headers = [(b"content-type", b"application/json")]
    scope = _scope(method, "/", b"/", b"", headers, client=None, server=("lambda", None))
    _add_aws(scope, event, context)
    return HttpRequest(FrontDoor.DIRECT, scope, lambda: dumps(event))


def _add_aws(scope: Scope, event: Any, context: Any) -> None:
    scope["aws.event"], scope["aws.context"] = event, context
    request_id = getattr(context, "aws_request_id", None)
    if request_id:
        scope["penstock.request_id"] = str(request_id)
    if isinstance(event, Mapping):
        about = event.get("requestContext") or {}
        scope["aws.authorizer"] = about.get("authorizer")
        scope["aws.stage"] = about.get("stage")
        if event.get("pathParameters"):
            scope["path_params"] = dict(event["pathParameters"])


def _read_v2(event: Event, door: FrontDoor) -> HttpRequest:
    about = event["requestContext"]
    http = about["http"]
    headers = _pairs(event.get("headers"))
    if cookies := event.get("cookies"):
        headers.append((b"cookie", _encode("; ".join(cookies))))
    raw = event.get("rawPath") or "/"
    stage = about.get("stage")
    root = f"/{stage}" if stage and stage != "$default" else ""
    if root and raw != root and not raw.startswith(root + "/"):
        root = ""  # a custom domain's mapping has taken the stage's place
    scope = _scope(
        http["method"],
        unquote(raw),
        _raw_path(raw),
        (event.get("rawQueryString") or "").encode(),
        headers,
        client=http.get("sourceIp"),
        server=(about.get("domainName"), None),
        protocol=http.get("protocol"),
        root=unquote(root),
    )
    return _request(door, scope, event)


def _read_v1(event: Event, door: FrontDoor) -> HttpRequest:
    about = event["requestContext"]
    path = event["path"] or "/"
    full = about.get("path") or path
    # The request's own path has what stands before the resource: the stage, or a mapping.
    root = full[: -len(path)] if full != path and full.endswith(path) else ""
    identity = about.get("identity") or {}
    query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
    scope = _scope(
        event["httpMethod"],
        unquote(root + path),
        _raw_path(root + path),
        urlencode(query or {}, doseq=True).encode(),
        _pairs(event.get("multiValueHeaders") or event.get("headers")),
        client=identity.get("sourceIp"),
        server=(about.get("domainName"), None),
        protocol=about.get("protocol"),
        root=unquote(root),
    )
    return _request(door, scope, event)


def _read_alb(event: Event) -> HttpRequest:
    multi = event.get("multiValueHeaders") is not None
    headers = _pairs(event["multiValueHeaders"] if multi else event.get("headers"))
    query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
    forwarded = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    # The balancer adds the address it saw at the end; what is before it came from the client.
    client = forwarded[-1].rpartition(",")[2].strip() if forwarded else None
    raw = event.get("path") or "/"
    scope = _scope(
        event["httpMethod"],
        unquote(raw),
        _raw_path(raw),
        "&".join(f"{name}={value}" for name, value in _each(query)).encode(),  # as it came
        headers,
        client=client,
        server=(None, None),
    )
    return _request(FrontDoor.ALB, scope, event, multi_value_headers=multi)


def _request(
    door: FrontDoor, scope: Scope, event: Event, *, multi_value_headers: bool = False
) -> HttpRequest:
    body = _body(event)
    headers = scope["headers"]
    if body and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(body)).encode()))  # WSGI apps need it
    return HttpRequest(door, scope, lambda: body, multi_value_headers)


def _scope(
    method: str,
    path: str,
    raw_path: bytes,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    *,
    client: str | None,
    server: tuple[str | None, int | None],
    protocol: str | None = None,
    root: str = "",
) -> Scope:
    given = dict(headers)
    scheme = given.get(b"x-forwarded-proto", b"https").decode("latin-1")
    port = given.get(b"x-forwarded-port", b"").decode("latin-1")
    host = server[0] or given.get(b"host", b"localhost").decode("latin-1").partition(":")[0]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": (protocol or "HTTP/1.1").rpartition("/")[2],
        "method": method.upper(),
        "scheme": scheme,
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": root,
        "headers": headers,
        "client": (client, 0) if client else None,
        "server": (host, int(port) if port.isdigit() else (443 if scheme == "https" else 80)),
        "extensions": {},
        "state": {},
    }


def _each(values: Mapping[str, Any] | None) -> Iterable[tuple[str, str]]:
    for name, value in (values or {}).items():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            yield name, one


def _pairs(headers: Mapping[str, Any] | None) -> list[tuple[bytes, bytes]]:
    return [(_encode(name.lower()), _encode(str(value))) for name, value in _each(headers)]


def _encode(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def _raw_path(path: str) -> bytes:
    return quote(path, safe=_PATH_SAFE).encode("ascii")


def _body(event: Event) -> bytes:
    body = event.get("body")
    if not body:
        return b""
    return b64decode(body) if event.get("isBase64Encoded") else str(body).encode()
