"""A small Lambda runtime: for images without awslambdaric, and for local runs.

    python -m penstock.aws.runtime module.handler

Lives here: the loop of invocations, the handler's loading, and how a result or an error is posted.
Stays out: log lines and the context (``runtime_context.py``), streams: those are the handler's.

AWS's own runtime is the better one where it is: this one knows neither SnapStart nor managed
instances.

Source: AWS Lambda developer guide, "Using the Lambda runtime API".
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

from penstock.aws.invocation import at_runtime_api, begin, end, is_answered
from penstock.aws.runtime_api import FunctionError
from penstock.aws.runtime_context import RuntimeContext, log_to_stdout
from penstock.errors import TransportError
from penstock.formats._json import dumps

__all__ = ("main", "run")

logger = logging.getLogger("penstock")

_RUNTIME = "/2018-06-01/runtime"
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"


class LoadError(Exception):
    """The handler could not be loaded.

    Attributes:
        kind: Lambda's error type.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Api:
    """The Runtime API, one blocking request at a time."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._connection = HTTPConnection(address)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[dict[str, str], bytes]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, _RUNTIME + path, body, names)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status not in (200, 202):
            raise TransportError(f"the Runtime API answered {path}: {response.status} {answer!r}")
        return {name.lower(): value for name, value in response.getheaders()}, answer


def load(name: str) -> Callable[[Any, Any], Any]:
    """Return the handler called ``module.function``.

    Raises:
        LoadError: There is none.
    """
    module_name, found, function_name = name.rpartition(".")
    if not found or not module_name or not function_name:
        raise LoadError(
            "Runtime.MalformedHandlerName", f"bad handler {name!r}: expected module.function"
        )
    try:
        # The one place where a user's module is known by its name alone.
        module = importlib.import_module(module_name.replace("/", "."))
    except SyntaxError as exc:
        kind = "Runtime.UserCodeSyntaxError"
        raise LoadError(kind, f"Syntax error in module {module_name!r}: {exc}") from exc
    except ImportError as exc:
        kind = "Runtime.ImportModuleError"
        raise LoadError(kind, f"Unable to import module {module_name!r}: {exc}") from exc
    handler = getattr(module, function_name, None)
    if not callable(handler):
        kind = "Runtime.HandlerNotFound"
        raise LoadError(kind, f"Handler {function_name!r} missing on module {module_name!r}")
    made: Callable[[Any, Any], Any] = handler
    return made


def run(name: str, address: str) -> None:
    """Serve invocations with the handler called ``name``, for ever.

    Args:
        name: ``module.function``.
        address: ``host:port`` of the Runtime API.

    Raises:
        SystemExit: The handler could not be loaded; the API has been told.
        TransportError: The API does not do what it should.
    """
    api = _Api(address)
    contexts: list[RuntimeContext] = []
    log_to_stdout(lambda: contexts[-1].aws_request_id if contexts else "")
    try:
        handler = load(name)
    except Exception as exc:
        kind = exc.kind if isinstance(exc, LoadError) else f"Runtime.{type(exc).__name__}"
        payload = {**FunctionError.of(exc, "").payload, "errorType": kind}
        logger.exception("%s: %s", kind, exc)
        body = dumps(payload)
        api.ask("POST", "/init/error", body, **{_ERROR_TYPE.replace("-", "_"): kind})
        raise SystemExit(1) from exc
    while True:
        headers, body = api.ask("GET", "/invocation/next")
        context = RuntimeContext(headers)
        contexts[:] = [context]
        _set_trace(headers.get("lambda-runtime-trace-id"))
        _serve(api, handler, body, context, headers.get("lambda-runtime-invocation-id"))


def _serve(
    api: _Api,
    handler: Callable[[Any, Any], Any],
    body: bytes,
    context: RuntimeContext,
    invocation_id: str | None,
) -> None:
    request_id = context.aws_request_id
    begin(at_runtime_api(request_id, api.address, invocation_id))
    path = f"/invocation/{request_id}"
    echoed = {"Lambda_Runtime_Invocation_Id": invocation_id} if invocation_id else {}
    try:
        result = handler(json.loads(body), context)
        # A streamed answer has left; what else the handler returned goes nowhere.
        answer = b"" if is_answered(request_id) else json.dumps(result, ensure_ascii=False).encode()
    except Exception as exc:
        logger.error("%s: %s", type(exc).__name__, exc, exc_info=exc)
        if not end(request_id):
            error = FunctionError.of(exc, request_id)
            kind = {_ERROR_TYPE.replace("-", "_"): error.kind}
            api.ask("POST", f"{path}/error", error.body(), **kind, **echoed)
        return
    if not end(request_id):
        json_type = {"Content_Type": "application/json"}
        api.ask("POST", f"{path}/response", answer, **json_type, **echoed)


def _set_trace(trace_id: str | None) -> None:
    """Where the X-Ray SDK looks for it."""
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def main() -> None:
    """Run as a program: the handler is the first argument, or ``_HANDLER``."""
    name = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("_HANDLER", "")
    address = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    if not name or not address:
        raise SystemExit(
            "usage: python -m penstock.aws.runtime module.handler, "
            "with AWS_LAMBDA_RUNTIME_API=host:port"
        )
    sys.path.insert(0, os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd())
    run(name, address)


if __name__ == "__main__":
    main()
