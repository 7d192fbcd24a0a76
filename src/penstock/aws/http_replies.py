"""Replies to Lambda's HTTP events: streamed, or buffered as a proxy result.

Lives here: where an app's head and body go, and how each front door wants a whole reply.
Stays out: running the app (``exchange.py``), the wire (``runtime_client.py``).

Source: AWS's documentation of proxy integrations and load balancer targets; LAMBDA limits:
"Lambda quotas", invocation payload.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Protocol

from penstock.aws.http_events import FrontDoor, HttpRequest
from penstock.aws.invocation import Invocation, Wire
from penstock.aws.runtime_api import HTTP_INTEGRATION, FunctionError, metadata, prelude
from penstock.errors import TransportError

__all__ = ("BufferedReply", "Reply", "ReplyTooLarge", "StreamedReply")

# Lambda's own bound on a buffered response.
_MAX_BUFFERED = 6 * 1024 * 1024

# The last bytes of a body leave with its end, unless they are so many that their copy costs more.
_TOGETHER = 64 * 1024

# The connection's, which the front door owns; and the length, which it refuses beside a stream.
_NOT_PASSED_ON = frozenset(
    ("connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-authorization")
    + ("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)

_TEXT_TYPES = (
    "text/",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "image/svg+xml",
)


class ReplyTooLarge(TransportError):
    """A buffered reply grew past what Lambda takes."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the buffered reply has {size} bytes and more, Lambda takes {_MAX_BUFFERED}: stream "
            'it (invoke_mode="stream", where the front door streams), or send less'
        )


class Reply(Protocol):
    """Where one invocation's answer goes."""

    @property
    def is_open(self) -> bool:
        """Whether the head has left."""
        ...

    async def open(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the head."""

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send some of the body; return when there is room for more.

        Args:
            last: Nothing follows but ``finish``.
        """

    def finish(self, error: FunctionError | None = None) -> None:
        """End the body."""

    async def result(self) -> Any:
        """Return what the handler is to return, once the answer was taken."""

    async def close(self) -> None:
        """Let go of what is held."""


class StreamedReply:
    """An answer that leaves while it is made.

    Args:
        invocation: Whose wire it leaves by.
        request: What is answered; it says whether status and headers stand before the body.
    """

    def __init__(self, invocation: Invocation, request: HttpRequest) -> None:
        self._invocation, self._request = invocation, request
        self._wire: Wire | None = None
        self._finished = False

    @property
    def is_open(self) -> bool:
        return self._invocation.is_answered

    async def open(self, status: int, headers: list[tuple[str, str]]) -> None:
        kept = [(name, value) for name, value in headers if name not in _NOT_PASSED_ON]
        content_type = dict(kept).get("content-type", "application/octet-stream")
        has_prelude = self._request.about.has_prelude
        if has_prelude:
            content_type = HTTP_INTEGRATION
        wire = self._wire = await self._invocation.connect(content_type)
        self._invocation.is_answered = True
        # In a write of its own: front doors were seen to stumble over one shared with the body.
        # Without a prelude an empty write: the head leaves now.
        await wire.write(prelude(status, kept) if has_prelude else b"")

    async def write(self, data: bytes, *, last: bool = False) -> None:
        assert self._wire is not None
        if last and len(data) <= _TOGETHER:
            self._wire.finish(data=data)
            self._finished = True
        elif data:
            await self._wire.write(data)

    def finish(self, error: FunctionError | None = None) -> None:
        if self._wire is not None and not self._finished:
            self._finished = True
            if error is None or not self._wire.was_refused:
                self._wire.finish(error)

    async def result(self) -> None:
        if self._wire is not None:
            await self._wire.accepted()

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire.close()


class BufferedReply:
    """An answer that leaves whole, as the handler's return value."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._head: tuple[int, list[tuple[str, str]]] | None = None
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def is_open(self) -> bool:
        return False  # nothing has left: whatever goes wrong, another answer is possible

    async def open(self, status: int, headers: list[tuple[str, str]]) -> None:
        self._head = status, headers
        self._pieces.clear()
        self._size = 0

    async def write(self, data: bytes, *, last: bool = False) -> None:
        self._size += len(data)
        if self._size > _MAX_BUFFERED:
            raise ReplyTooLarge(self._size)
        self._pieces.append(data)

    def finish(self, error: FunctionError | None = None) -> None:
        """What there is, is the body."""

    async def result(self) -> Any:
        body = b"".join(self._pieces)
        if self._head is None:
            return None
        status, headers = self._head
        if self._request.door is FrontDoor.DIRECT:
            return _text_or_base64(body, headers)[0]
        text, is_base64 = _text_or_base64(body, headers)
        if len(text) > _MAX_BUFFERED:  # as base64 it is a third larger
            raise ReplyTooLarge(len(text))
        proxy = self._proxy_head(status, headers)
        return {**proxy, "body": text, "isBase64Encoded": is_base64}

    async def close(self) -> None:
        """Nothing is held."""

    def _proxy_head(self, status: int, headers: list[tuple[str, str]]) -> dict[str, Any]:
        door = self._request.door
        if door in (FrontDoor.FUNCTION_URL, FrontDoor.HTTP_API):
            return metadata(status, [item for item in headers if item[0] != "transfer-encoding"])
        multiple: dict[str, list[str]] = {}
        for name, value in headers:
            multiple.setdefault(name, []).append(value)
        if door is not FrontDoor.ALB:
            return {"statusCode": status, "multiValueHeaders": multiple}
        line = {"statusCode": status, "statusDescription": f"{status} {_phrase(status)}"}
        if self._request.multi_value_headers:
            return {**line, "multiValueHeaders": multiple}
        # One value a name is all it takes; the case of a name tells one cookie from the next.
        single: dict[str, str] = {}
        for name, values in multiple.items():
            if name == "set-cookie":
                single |= dict(zip(_cases(name), values, strict=False))
            else:
                single[name] = ", ".join(values)
        return {**line, "headers": single}


def _text_or_base64(body: bytes, headers: list[tuple[str, str]]) -> tuple[str, bool]:
    given = dict(headers)
    kind = given.get("content-type", "")
    is_text = kind.startswith(_TEXT_TYPES) or "charset=" in kind or "+json" in kind or not kind
    if is_text and given.get("content-encoding", "identity") == "identity":
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # it says it is text, and is not
    return b64encode(body).decode("ascii"), True


def _cases(name: str) -> list[str]:
    """Return spellings of ``name``; HTTP takes them for one, and a mapping does not."""
    letters = [at for at, char in enumerate(name) if char.isalpha()]
    found = []
    for number in range(2 ** min(len(letters), 9)):
        upper = {letters[bit] for bit in range(len(letters)) if number >> bit & 1}
        found.append("".join(c.upper() if at in upper else c for at, c in enumerate(name)))
    return found


def _phrase(status: int) -> str:
    from http import HTTPStatus  # late: a cold start pays for its many members

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
