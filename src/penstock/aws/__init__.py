"""penstock on AWS Lambda: handlers that stream from AWS's own runtime for Python.

    from penstock.aws import stream_handler

    @stream_handler(format="sse")
    async def handler(event, context):
        for i in range(3):
            yield {"i": i}

Importing this module loads nothing else: each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.aws.app_handler import asgi_handler, wsgi_handler
    from penstock.aws.handlers import (
        LambdaHandler,
        StreamHandler,
        StreamifyHandler,
        stream_handler,
        streamify_response,
    )
    from penstock.aws.invoke import InvocationFailed, invoke_stream
    from penstock.aws.piping import create_lambda_stream
    from penstock.aws.response_stream import HttpMetadata, HttpResponseStream, ResponseStream
    from penstock.aws.secrets import load_secrets
    from penstock.aws.types import (
        AlbEvent,
        FunctionUrlEvent,
        HttpApiEvent,
        LambdaContext,
        RestApiEvent,
        StreamFormat,
    )

_EXPORTS = {
    "AlbEvent": "types",
    "FunctionUrlEvent": "types",
    "HttpApiEvent": "types",
    "HttpMetadata": "response_stream",
    "HttpResponseStream": "response_stream",
    "InvocationFailed": "invoke",
    "LambdaContext": "types",
    "LambdaHandler": "handlers",
    "ResponseStream": "response_stream",
    "RestApiEvent": "types",
    "StreamFormat": "types",
    "StreamHandler": "handlers",
    "StreamifyHandler": "handlers",
    "asgi_handler": "app_handler",
    "create_lambda_stream": "piping",
    "invoke_stream": "invoke",
    "load_secrets": "secrets",
    "stream_handler": "handlers",
    "streamify_response": "handlers",
    "wsgi_handler": "app_handler",
}

__all__ = (
    "AlbEvent",
    "FunctionUrlEvent",
    "HttpApiEvent",
    "HttpMetadata",
    "HttpResponseStream",
    "InvocationFailed",
    "LambdaContext",
    "LambdaHandler",
    "ResponseStream",
    "RestApiEvent",
    "StreamFormat",
    "StreamHandler",
    "StreamifyHandler",
    "asgi_handler",
    "create_lambda_stream",
    "invoke_stream",
    "load_secrets",
    "stream_handler",
    "streamify_response",
    "wsgi_handler",
)


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'penstock.aws' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"penstock.aws.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
