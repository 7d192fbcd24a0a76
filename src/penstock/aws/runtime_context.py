"""What our own Lambda runtime gives a handler: the context, and a log in Lambda's format.

Source: AWS Lambda developer guide, "Lambda context object for Python", "Advanced logging controls".
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

__all__ = ("RuntimeContext", "log_to_stdout")


# What the mobile SDKs tell of themselves.
_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code") + (
    "app_package_name",
)


class RuntimeContext:
    """AWS's context of one invocation.

    Args:
        headers: Of the Runtime API's ``/invocation/next``, names in lower case.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        environ = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn", "")
        self.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = _client_context(headers.get("lambda-runtime-client-context"))
        self.identity = _identity(headers.get("lambda-runtime-cognito-identity"))
        self._deadline = int(headers.get("lambda-runtime-deadline-ms") or 0) / 1000

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is killed, 0 at least."""
        return max(0, int((self._deadline - time.time()) * 1000))

    def log(self, message: Any) -> None:
        """Write ``message`` to the function's log as it is."""
        sys.stdout.write(str(message))


def _client_context(text: str | None) -> Any:
    if not text:
        return None
    given = json.loads(text)
    client = given.get("client") or {}
    return SimpleNamespace(
        custom=given.get("custom"),
        env=given.get("env"),
        client=SimpleNamespace(**{name: client.get(name) for name in _CLIENT}),
    )


def _identity(text: str | None) -> Any:
    given = json.loads(text) if text else {}
    return SimpleNamespace(
        cognito_identity_id=given.get("cognitoIdentityId"),
        cognito_identity_pool_id=given.get("cognitoIdentityPoolId"),
    )


def log_to_stdout(request_id: Callable[[], str]) -> None:
    """Have the root logger write Lambda's lines: text, or JSON where the function is set to it.

    Args:
        request_id: Says which invocation is served.
    """
    handler = logging.StreamHandler(sys.stdout)
    is_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    handler.setFormatter((_JsonLines if is_json else _TextLines)(request_id))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level) or logging.WARNING)


class _Lines(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self, request_id: Callable[[], str]) -> None:
        super().__init__()
        self._request_id = request_id

    def stamp(self, record: logging.LogRecord) -> str:
        moment = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        return f"{moment}.{int(record.msecs):03d}Z"


class _TextLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        return f"[{record.levelname}]\t{self.stamp(record)}\t{self._request_id()}\t{message}"


class _JsonLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": self.stamp(record)[:-5] + "Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": self._request_id(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line |= {
                "errorType": type(error).__name__,
                "errorMessage": str(error),
                "stackTrace": self.formatException(record.exc_info).split("\n"),
            }
        return json.dumps(line, ensure_ascii=False, default=str)
