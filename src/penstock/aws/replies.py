"""What a Lambda handler may return, made into a response.

Lives here: proxy results, text, files, iterables; what is none of these is refused before the head
leaves. Stays out: calling the handler (``calling.py``).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from typing import Any

from penstock.aws.mixed import Mixed, Raw
from penstock.aws.response_stream import apply_metadata
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.options import StreamOptions
from penstock.core.producer import Reading
from penstock.core.response import Response, Streaming
from penstock.formats import get_format
from penstock.providers.producing import producer_of

__all__ = ("response_of",)

_PIECE = 64 * 1024
# What API Gateway and function URLs take the body of a proxy result for.
_PROXY_TYPE = "application/json"


def response_of(
    reply: Any, *, format: Format, options: StreamOptions, head: Head, name: str
) -> Response:
    """Return what ``reply`` means.

    Args:
        reply: What the handler returned.
        format: The handler's; names a body that has no type of its own, and writes what is
            neither text nor bytes.
        options: How a stream of it flows and ends.
        head: For a body without one.
        name: The handler's, for errors.

    Raises:
        TypeError: It means nothing.
        InvalidOption, InvalidField: A status or header that cannot be sent.
    """
    if isinstance(reply, Response):
        return reply
    if isinstance(reply, Mapping):
        if "statusCode" in reply:
            return _proxy_response(reply, format, options, head, name)
        return Response(dict(reply))
    if reply is None:
        items: Any = ()
    elif isinstance(reply, (str, bytes, bytearray, memoryview)):
        items = (reply,)
    elif callable(getattr(reply, "read", None)):
        items = _pieces(reply)
    elif isinstance(reply, (AsyncIterable, Iterable)):
        items = reply
    else:
        raise TypeError(
            f"{name} returned {type(reply).__name__}; expected a mapping, str, bytes, a file, an "
            "async or sync iterable, a Stream, or None"
        )
    # A handler's own text is raw; that of a channel or of an answer is an item like the others.
    wire = format if getattr(items, "yields_items", False) else Mixed(format)
    return Streaming(producer_of(items, format), wire, options, head, end_mark=False)


def _proxy_response(
    reply: Mapping[str, Any], format: Format, options: StreamOptions, head: Head, name: str
) -> Response:
    body = reply.get("body")
    if reply.get("isBase64Encoded"):
        body = _decode(body, name)
    if body is None or isinstance(body, (str, bytes, bytearray, memoryview)):
        response = Response(body if body is None or isinstance(body, str) else bytes(body))
        if isinstance(body, str):
            response.head.headers["content-type"] = _PROXY_TYPE
        apply_metadata(response.head, reply)
        return response
    if callable(getattr(body, "read", None)):
        body = _pieces(body)
    elif isinstance(body, Mapping) or not isinstance(body, (AsyncIterable, Iterable)):
        raise TypeError(
            f"{name} returned a body of {type(body).__name__}; expected str (json.dumps(...)), "
            "bytes, a file, an iterable of these, or None"
        )
    own = Head(200)
    own.headers["content-type"] = head.headers.get("content-type") or format.content_type
    apply_metadata(own, reply)
    raw = get_format("text") if not isinstance(format, Raw) else format
    return Streaming(Reading(body), raw, options, own, end_mark=False)


def _decode(body: Any, name: str) -> bytes:
    if not isinstance(body, (str, bytes)):
        raise TypeError(
            f"{name} returned isBase64Encoded with a body of {type(body).__name__}; expected str"
        )
    try:
        return b64decode(body, validate=True)
    except binascii.Error as exc:
        raise TypeError(f"{name} returned a body that is not base64, though it says so") from exc


def _pieces(file: Any) -> Iterator[Any]:
    """Read ``file`` to its end, and close it; runs in the thread of a sync source."""
    try:
        while piece := file.read(_PIECE):
            yield piece
    finally:
        if callable(close := getattr(file, "close", None)):
            close()
