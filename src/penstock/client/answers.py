"""What a response's head means to a reader of streams.

Lives here: status and content type, and the error that tells what the server said instead.
Source: WHATWG HTML, section 9.2.3, for GET; RFC 9110 for what is retried.
Stays out: sending, reading, decoding.
"""

from __future__ import annotations

import json
from typing import Any

from penstock.client.steps import Head
from penstock.errors import ResponseError

__all__ = ("ERROR_BODY", "choose_format", "is_redirect", "response_error", "retry_after")

ERROR_BODY = 64 * 1024  # bytes of an error's body that are read

_SSE = "text/event-stream"
_NDJSON = frozenset(
    f"application/{name}"
    for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "x-nljson")
)
# Taken for NDJSON only when the caller says that it is: others send it under these.
_NDJSON_IF_TOLD = frozenset(("application/json", "text/plain", "application/stream+json"))
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# Worth another attempt of a stream that was open before: the server is busy, or restarts.
_TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))


def is_redirect(head: Head) -> bool:
    """Whether the answer sends somewhere else."""
    return head.status in _REDIRECTS


def retry_after(head: Head) -> float | None:
    """Return the seconds to wait at least before asking again; None: asking again is no use."""
    if head.status not in _TRANSIENT:
        return None
    value = head.headers.get("retry-after", "")
    # As a date it is read as "soon": clocks differ, and the backoff grows anyway.
    return min(float(value), 3600.0) if value.isascii() and value.isdigit() else 0.0


def choose_format(head: Head, wanted: str | None, method: str) -> str | None:
    """Return "sse" or "ndjson"; None when the answer is no stream of the ``wanted`` format."""
    # 201 and the like answer a POST; of a GET the standard takes 200 only.
    if head.status != 200 and (method == "GET" or not 200 < head.status < 300):
        return None
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    if wanted in (None, "sse") and kind == _SSE:
        return "sse"
    if wanted != "sse" and kind in _NDJSON:
        return "ndjson"
    return "ndjson" if wanted not in (None, "sse") and kind in _NDJSON_IF_TOLD else None


def response_error(head: Head, method: str, body: bytes, wanted: str | None) -> ResponseError:
    """Return the error for an answer that is no stream, with what its ``body`` says."""
    text = body.decode(errors="replace")
    said = _said(text)
    if is_redirect(head):
        said = f"a redirect that leads nowhere: location {head.headers.get('location', '')!r}"
    elif 200 <= head.status < 300 and head.status != 205:
        kind = head.headers.get("content-type") or "no content type"
        expected = {None: f"{_SSE} or NDJSON", "sse": _SSE}.get(wanted, "NDJSON")
        said = f"{kind}, where {expected} was expected" + (f": {said}" if said else "")
    message = f"{method} {head.url} was answered {head.status}" + (f": {said}" if said else "")
    return ResponseError(
        message, status=head.status, headers=dict(head.headers), body=text, url=head.url
    )


def _said(text: str) -> str:
    """Return the gist of an error's body, on one line."""
    try:
        found = _gist(json.loads(text))
    except (ValueError, RecursionError):
        found = None
    line = " ".join((found or text).split())
    return line if len(line) <= 500 else f"{line[:500]}…"


def _gist(value: Any) -> str | None:
    """Find the sentence in an error as ours, OpenAI's, FastAPI's or RFC 9457's look."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_gist, value))) or None
    if not isinstance(value, dict):
        return None
    parts = [
        str(value[key]) for key in ("title", "detail", "message", "msg") if _is_text(value, key)
    ]
    if parts:
        return ": ".join(parts)
    inner = (_gist(value[key]) for key in ("errors", "error", "detail") if key in value)
    return next(filter(None, inner), None)


def _is_text(value: dict[str, Any], key: str) -> bool:
    return isinstance(value.get(key), str)
