"""What the formats have in common: errors on the wire, serializers, default headers.

Lives here: what is said the same way in several formats.
Stays out: any one format's bytes.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from penstock.errors import HttpError, InvalidOption, NotSerializable, Problem
from penstock.formats._json import dumps
from penstock.types import HeaderValues, Serializer

if TYPE_CHECKING:
    from penstock.chunk import Error

__all__ = (
    "END_ID",
    "PLAIN_HEADERS",
    "STREAM_HEADERS",
    "check_serializer",
    "fixed",
    "http_error",
    "problem_json",
    "problem_of",
    "serialized",
)

_T = TypeVar("_T")

# The last event ID of an answer that has ended: who comes back with it is told 204.
END_ID: Final = "~end"

# no-transform keeps a proxy from compressing, X-Accel-Buffering nginx from holding back.
STREAM_HEADERS: Final[HeaderValues] = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}

# Compressing middlewares know to leave text/event-stream alone. They would gather any other
# stream until a block is full; one that says its coding they pass through.
PLAIN_HEADERS: Final[HeaderValues] = {**STREAM_HEADERS, "Content-Encoding": "identity"}


def fixed(value: _T) -> _T:
    """Return a dataclass field that belongs to the format itself and is no option of it."""
    made: _T = field(default=value, init=False, repr=False, compare=False)
    return made


def check_serializer(serializer: Serializer | None) -> None:
    """Refuse a ``serializer`` that cannot be called.

    Raises:
        InvalidOption: It is neither callable nor None.
    """
    if serializer is not None and not callable(serializer):
        raise InvalidOption("serializer", serializer, "a callable from a value to str or bytes")


def serialized(value: Any, serializer: Serializer) -> str:
    """Return what ``serializer`` makes of ``value``, as text.

    Raises:
        NotSerializable: It returned neither str nor UTF-8.
    """
    result: object = serializer(value)  # whatever its annotation says
    if isinstance(result, str):
        return result
    if not isinstance(result, (bytes, bytearray)):
        reason = f"serializer= returned {type(result).__name__}, neither str nor bytes"
        raise NotSerializable("$", type(value).__name__, reason)
    try:
        return result.decode()
    except UnicodeDecodeError as exc:
        reason = "serializer= returned bytes that are not UTF-8"
        raise NotSerializable("$", type(value).__name__, reason) from exc


def problem_of(chunk: Error) -> Problem:
    """Return what a reader is told of a model's error chunk."""
    return Problem(_error_status(chunk), chunk.title, chunk.detail)


def http_error(chunk: Error) -> HttpError:
    """Return the error that ends a stream in which ``chunk`` was an item."""
    return HttpError(_error_status(chunk), chunk.title, chunk.detail)


def problem_json(problem: Problem) -> bytes:
    """Return ``problem`` as JSON. Never raises: an error must not fail to be told."""
    try:
        return dumps(problem.to_dict())
    except NotSerializable:  # such as a detail cut out of bad UTF-8: the status still counts
        return dumps(Problem(problem.status).to_dict())


def _error_status(chunk: Error) -> int:
    return min(max(chunk.status, 400), 599)
