"""A deployed function, called, and its stream read as it arrives.

Lives here: ``InvokeWithResponseStream`` by boto3. Stays out: signing, retries: boto3's.

Source: AWS Lambda API reference, "InvokeWithResponseStream".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.errors import ExtraNotInstalled, PeerError, TransportError
from penstock.formats._json import dumps

__all__ = ("InvocationFailed", "invoke_stream")


class InvocationFailed(PeerError):
    """The function failed; what it streamed before that has been given out.

    Attributes:
        code: The error's type.
        details: What the function said of it: JSON, as a rule.
    """

    def __init__(self, code: str, details: str = "") -> None:
        super().__init__(f"the function failed: {code} {details}".rstrip())
        self.code, self.details = code, details


def invoke_stream(
    function: str, payload: Any = None, *, client: Any = None, **options: Any
) -> Iterator[bytes]:
    """Call ``function``; yield its response's bytes as they arrive.

    Leaving the iterator early closes the connection.

    Args:
        function: Name or ARN.
        payload: The event: bytes as they are, anything else as JSON.
        client: A boto3 Lambda client; by default ``boto3.client("lambda")``.
        **options: boto3's own: ``Qualifier``, ``LogType``, ``ClientContext``, …

    Raises:
        InvocationFailed: The function failed.
        TransportError: The stream ended before the function had.
        ExtraNotInstalled: boto3 is missing.
        botocore.exceptions.ClientError: Lambda refused the call.

    Example:
        ``for chunk in invoke_stream("worker", {"prompt": "hi"}): print(chunk.decode(), end="")``
    """
    ours = None
    if client is None:
        try:
            import boto3
        except ImportError as exc:
            raise ExtraNotInstalled("aws") from exc
        client = ours = boto3.client("lambda")
    body = bytes(payload) if isinstance(payload, (bytes, bytearray)) else dumps(payload)
    response = client.invoke_with_response_stream(FunctionName=function, Payload=body, **options)
    return _chunks(response["EventStream"], ours)


def _chunks(events: Any, client: Any) -> Iterator[bytes]:
    """Decode; close the stream in the end, and ``client`` where it was made for it."""
    complete = False
    try:
        for event in events:
            if "PayloadChunk" in event:
                yield event["PayloadChunk"]["Payload"]
            elif "InvokeComplete" in event:
                complete = True
                told = event["InvokeComplete"]
                if told.get("ErrorCode"):
                    raise InvocationFailed(told["ErrorCode"], told.get("ErrorDetails") or "")
    except InvocationFailed:
        raise
    except Exception as exc:
        if not _is_transport(exc):
            raise
        raise TransportError(f"the stream ended before the function had ({exc})") from exc
    finally:
        events.close()
        if client is not None:
            client.close()
    if not complete:
        raise TransportError("the stream ended before the function had")


def _is_transport(error: Exception) -> bool:
    """Whether it is the connection's, told by where its class comes from: boto3 may be a fake."""
    module = type(error).__module__
    return module.startswith("urllib3") or type(error).__name__ in (
        "ConnectionClosedError",
        "ReadTimeoutError",
        "ResponseStreamingError",
        "IncompleteReadError",
    )
