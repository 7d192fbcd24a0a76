"""What Lambda gives a handler, typed.

Lives here: the context, and the events of the HTTP front doors.

Source: AWS Lambda developer guide, "Lambda context object for Python", "Function URL payloads";
API Gateway developer guide, "Input format of a Lambda function for proxy integration", "payload
format 2.0"; Elastic Load Balancing, "Lambda functions as targets".
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias, TypedDict

from penstock.aws.response_stream import ResponseStream

__all__ = (
    "AlbEvent",
    "FunctionUrlEvent",
    "HttpApiEvent",
    "LambdaContext",
    "RestApiEvent",
    "StreamFormat",
)

# What streams are written in; a format object does as well.
StreamFormat: TypeAlias = Literal["sse", "ndjson", "jsonl", "nljson", "text"]


class LambdaContext(Protocol):
    """What a handler is given beside its event: AWS's context, and ``response_stream``.

    Attributes:
        response_stream: What the response is written to.
        aws_request_id: AWS's id of the invocation.
        function_name: The function's.
        function_version: The one that runs.
        invoked_function_arn: By which it was called.
        memory_limit_in_mb: The function's, in MB, as text.
        log_group_name: CloudWatch's.
        log_stream_name: CloudWatch's.
    """

    response_stream: ResponseStream
    aws_request_id: str
    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is killed."""
        ...


class HttpDescription(TypedDict):
    """``requestContext.http`` of payload 2.0."""

    method: str
    path: str
    protocol: str
    sourceIp: str
    userAgent: str


class RequestContextV2(TypedDict, total=False):
    """``requestContext`` of payload 2.0."""

    accountId: str
    apiId: str
    authentication: Any
    authorizer: dict[str, Any]
    domainName: str
    domainPrefix: str
    http: HttpDescription
    requestId: str
    routeKey: str
    stage: str
    time: str
    timeEpoch: int


class FunctionUrlEvent(TypedDict, total=False):
    """A function URL's event (payload 2.0)."""

    version: str
    routeKey: str
    rawPath: str
    rawQueryString: str
    cookies: list[str]
    headers: dict[str, str]
    queryStringParameters: dict[str, str]
    requestContext: RequestContextV2
    body: str | None
    isBase64Encoded: bool


class HttpApiEvent(FunctionUrlEvent, total=False):
    """An HTTP API's event (payload 2.0)."""

    pathParameters: dict[str, str]
    stageVariables: dict[str, str]


class RestApiEvent(TypedDict, total=False):
    """A REST API's event (payload 1.0)."""

    resource: str
    path: str
    httpMethod: str
    headers: dict[str, str] | None
    multiValueHeaders: dict[str, list[str]] | None
    queryStringParameters: dict[str, str] | None
    multiValueQueryStringParameters: dict[str, list[str]] | None
    pathParameters: dict[str, str] | None
    stageVariables: dict[str, str] | None
    requestContext: dict[str, Any]
    body: str | None
    isBase64Encoded: bool


class AlbEvent(TypedDict, total=False):
    """An application load balancer's event."""

    requestContext: dict[str, Any]
    httpMethod: str
    path: str
    headers: dict[str, str]
    multiValueHeaders: dict[str, list[str]]
    queryStringParameters: dict[str, str]
    multiValueQueryStringParameters: dict[str, list[str]]
    body: str
    isBase64Encoded: bool
