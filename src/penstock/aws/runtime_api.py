"""The Lambda Runtime API's bytes, without a socket.

Lives here: the streamed POST (head, chunks, trailers), the prelude of HTTP integrations, error
payloads, and the reading of what the API answers.
Stays out: connections (``runtime_client.py``), events, what is streamed.

Source: AWS Lambda developer guide, "Using the Lambda runtime API" and "Building a custom runtime",
section "Response streaming"; RFC 9112, section 7.1 (chunks and trailers).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import PeerError
from penstock.formats._json import dumps

__all__ = (
    "HTTP_INTEGRATION",
    "PRELUDE_END",
    "ApiReply",
    "FunctionError",
    "ReplyReader",
    "chunk",
    "last_chunk",
    "prelude",
    "response_head",
)

_PREFIX = "/2018-06-01/runtime/invocation"

# The content type by which the front door expects a prelude.
HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = b"\0" * 8

_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = "Lambda-Runtime-Function-Error-Body"

# Of the error's JSON. The API refuses trailers of more than 4 KiB, and base64 adds a third.
_MAX_ERROR = 2900
_MAX_ERROR_TYPE = 100

# Of an answer of the API; its own are a line.
_MAX_REPLY = 64 * 1024


def response_head(
    host: str, request_id: str, content_type: str, invocation_id: str | None = None
) -> bytes:
    """Return the head of the POST that streams a response.

    Args:
        host: Address of the Runtime API, ``host:port``.
        request_id: Which invocation is answered.
        content_type: Of the body; the caller gets to see it.
        invocation_id: ``Lambda-Runtime-Invocation-Id`` of the invocation, where it had one.
    """
    lines = [
        f"POST {_PREFIX}/{request_id}/response HTTP/1.1",
        f"Host: {host}",
        f"Content-Type: {content_type}",
        "Lambda-Runtime-Function-Response-Mode: streaming",
        "Transfer-Encoding: chunked",
        # Declared up front, or an error after the first byte could not be told any more.
        f"Trailer: {_ERROR_TYPE}",
        f"Trailer: {_ERROR_BODY}",
    ]
    if invocation_id:
        lines.append(f"Lambda-Runtime-Invocation-Id: {invocation_id}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk; nothing for no data, since an empty chunk is the end."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def prelude(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    """Return the metadata that stand before an HTTP body, with the NULs that end them.

    Args:
        status: HTTP status.
        headers: (name, value) in order; ``set-cookie`` become the cookies, other repeated names
            one value. What describes the connection has been left out.
    """
    return dumps(metadata(status, headers)) + PRELUDE_END  # JSON escapes a NUL


def metadata(status: int, headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return status, headers and cookies as AWS's proxy results name them."""
    single: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in headers:
        if name.lower() == "set-cookie":
            cookies.append(value)
        else:
            single[name] = f"{single[name]}, {value}" if name in single else value
    found: dict[str, Any] = {"statusCode": status, "headers": single}
    if cookies:
        found["cookies"] = cookies
    return found


class FunctionError:
    """A failure as Lambda is told of it.

    Attributes:
        kind: Error type: the exception's name.
        payload: ``errorMessage``, ``errorType``, ``requestId``, ``stackTrace``.
    """

    __slots__ = ("kind", "payload")

    def __init__(self, kind: str, payload: Mapping[str, Any]) -> None:
        self.kind, self.payload = kind, payload

    @classmethod
    def of(cls, error: BaseException, request_id: str) -> FunctionError:
        """Return what ``error`` is to Lambda, in the words of AWS's own runtime for Python."""
        import traceback  # loaded by logging, as a rule; not needed before

        kind = type(error).__name__
        frames = traceback.format_list(traceback.extract_tb(error.__traceback__))
        payload = {
            "errorMessage": str(error),
            "errorType": kind,
            "requestId": request_id,
            "stackTrace": frames,
        }
        return cls(kind, payload)

    def body(self, limit: int | None = None) -> bytes:
        """Return the payload as JSON of at most ``limit`` bytes: the stack goes first."""
        whole = dumps(dict(self.payload))
        if limit is None or len(whole) <= limit:
            return whole
        short = {**self.payload, "stackTrace": list(self.payload.get("stackTrace") or ())}
        while short["stackTrace"] and len(dumps(short)) > limit:
            short["stackTrace"].pop(0)  # the innermost frames say most
        message = str(short["errorMessage"])
        while (over := len(dumps(short)) - limit) > 0 and message:
            # Characters may be several bytes; each round takes off at least what is over in ASCII.
            message = message[: -max(over // 6, 1)]
            short["errorMessage"] = message + "…"
        return dumps(short)


def last_chunk(error: FunctionError | None = None) -> bytes:
    """Return the end of the chunks, with the trailers that tell of ``error``."""
    if error is None:
        return b"0\r\n\r\n"
    kind = "".join(char for char in error.kind if "!" <= char <= "~")[:_MAX_ERROR_TYPE]
    body = b64encode(error.body(_MAX_ERROR)).decode("ascii")
    return f"0\r\n{_ERROR_TYPE}: {kind}\r\n{_ERROR_BODY}: {body}\r\n\r\n".encode("ascii")


class ApiReply:
    """What the Runtime API answered.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        body: All of it.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def keeps_open(self) -> bool:
        """Whether the connection may be used again."""
        return self.headers.get("connection", "").lower() != "close"


class ReplyReader:
    """Reads one answer of the Runtime API at a time from bytes as they come.

    Args:
        max_body: Bytes of body it may have.
    """

    def __init__(self, max_body: int = _MAX_REPLY) -> None:
        self._max_body = max_body
        self._data = bytearray()

    def feed(self, data: bytes) -> ApiReply | None:
        """Return the answer when it is whole.

        Raises:
            PeerError: It is no HTTP/1.1 answer, or larger than anything the API sends.
        """
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            self._check(len(self._data), _MAX_REPLY)
            return None
        status, headers = _parse_head(bytes(head))
        if 100 <= status < 200:
            self._data = rest
            return self.feed(b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = _dechunk(bytes(rest))
            self._check(len(rest), 2 * self._max_body)
        else:
            length = int(headers.get("content-length") or 0)
            self._check(length, self._max_body)
            body = bytes(rest[:length]) if len(rest) >= length else None
        if body is None:
            return None
        self._data.clear()  # one request at a time: nothing follows an answer
        return ApiReply(status, headers, body)

    def end(self) -> ApiReply | None:
        """The API closed the connection: return the answer that this ended, if one had begun."""
        head, found, rest = self._data.partition(b"\r\n\r\n")
        self._data.clear()
        return ApiReply(*_parse_head(bytes(head)), bytes(rest)) if found else None

    def _check(self, size: int, limit: int) -> None:
        if size > limit:
            raise PeerError(f"the Runtime API sent {size} bytes, expected at most {limit}")


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, status = first.partition(" ")
    if not version.startswith("HTTP/1.") or not status[:3].isdigit():
        raise PeerError(f"expected an HTTP/1.1 answer of the Runtime API, got {first!r}")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(status[:3]), headers


def _dechunk(data: bytes) -> bytes | None:
    """Return the body of ``data``'s chunks; None: there are more to come."""
    body = b""
    while True:
        line, found, data = data.partition(b"\r\n")
        if not found:
            return None
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            return body if data.startswith(b"\r\n") or b"\r\n\r\n" in data else None
        if len(data) < size + 2:
            return None
        body, data = body + data[:size], data[size + 2 :]
