"""What went wrong at the provider, as the one error chunk that ends a stream.

Lives here: which failures are worth a retry, and under which status a reader hears of them.
Stays out: the provider's own words: they go to the log, never into the chunk.

The provider's status is not ours: its 401 is our configuration, its 429 our quota. A reader is
told 502 (it failed), 503 (it is overloaded: try again) or 504 (it took too long).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from penstock.chunk import Error

__all__ = ("ended_early", "failed", "is_retryable", "malformed", "raised", "status_of", "unknown")

logger = logging.getLogger("penstock")

_TITLES = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
_DETAILS = {
    502: "The model's provider reported an error.",
    503: "The model's provider is overloaded.",
    504: "The model's provider took too long.",
}

# The kinds of error, by the words in their names, lower case, without separators.
_OVERLOADED = ("overloaded", "ratelimit", "throttling", "unavailable", "toomanyrequests",
               "resourceexhausted", "quota", "notready")  # fmt: skip
_TIMEOUT = ("timeout", "deadlineexceeded", "timedout")
_SERVER = ("internal", "servererror", "apierror", "modelstreamerror", "connection", "protocolerror",
           "readerror", "incompleteread", "midstream", "unknownerror")  # fmt: skip
_CALLER = ("invalid", "validation", "authentication", "permission", "notfound", "accessdenied",
           "insufficientquota", "badrequest", "contextlength", "billing")  # fmt: skip


def ended_early() -> Error:
    """Return the error of a stream that stopped without its terminal event."""
    detail = "The model's stream ended early: the answer is not complete."
    logger.error("a provider's stream ended early, without its terminal event")
    return Error(502, _TITLES[502], detail, retryable=True)


def malformed(what: str, shown: object) -> Error:
    """Return the error of a model that called a tool in a way that nobody can follow."""
    logger.error("a model made a malformed tool call: %s: %.200r", what, shown)
    return Error(502, _TITLES[502], f"The model made a malformed tool call: {what}.", True)


def unknown(provider: str, event: object) -> Error:
    """Return the error of a provider that sent an event of an unknown type."""
    logger.error("%s streamed an event of an unknown type: %.200r", provider, event)
    detail = "The model's provider sent an event of an unknown type."
    return Error(502, _TITLES[502], detail, retryable=False)


def failed(kind: Any = None, message: Any = None, code: Any = None) -> Error:
    """Return the error that a provider reported inside its stream.

    Args:
        kind: Its name for the error, such as ``overloaded_error``.
        message: Its words; they are logged.
        code: Its HTTP status, when it gave one.
    """
    status, retryable = _judge(f"{kind or ''}", _number(code))
    logger.error("a provider reported %s (%s): %.500s", kind, code, message)
    return Error(status, _TITLES[status], _DETAILS[status], retryable)


def raised(error: BaseException) -> Error:
    """Return the error chunk for what an SDK raised in the middle of its stream."""
    status, retryable = _judge(_kind(error), status_of(error))
    logger.error("a provider's stream failed", exc_info=error)
    return Error(status, _TITLES[status], _DETAILS[status], retryable)


def is_retryable(error: BaseException) -> bool:
    """Whether the same request may succeed when it is sent once more."""
    return _judge(_kind(error), status_of(error))[1]


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of the provider's answer that ``error`` carries, if any."""
    for name in ("status_code", "code"):
        number = _number(getattr(error, name, None))
        if number is not None:
            return number
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        return _number(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    return None


def _kind(error: BaseException) -> str:
    """Return the names under which an SDK raised it: its class's, and the provider's own."""
    names = [type(error).__name__]
    names += [str(getattr(error, name, None) or "") for name in ("type", "code")]
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, Mapping):
            names += [str(inner.get(name) or "") for name in ("type", "code", "status")]
    response = getattr(error, "response", None)
    if isinstance(response, Mapping) and isinstance(response.get("Error"), Mapping):
        names.append(str(response["Error"].get("Code") or ""))
    cause = getattr(error, "original_exception", None)  # LiteLLM's
    if isinstance(cause, BaseException) and cause is not error:
        names.append(_kind(cause))
    return " ".join(names)


def _judge(kind: str, code: int | None) -> tuple[int, bool]:
    """Return our status and whether to try again."""
    if code is not None and code >= 400:
        if code in (429, 503, 529):
            return 503, True
        if code in (408, 504):
            return 504, True
        return 502, code in (409, 425) or code >= 500
    words = kind.lower().replace("_", "").replace("-", "")
    if any(word in words for word in _CALLER):
        return 502, False
    if any(word in words for word in _OVERLOADED):
        return 503, True
    if any(word in words for word in _TIMEOUT):
        return 504, True
    return 502, any(word in words for word in _SERVER)


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value
    return None
