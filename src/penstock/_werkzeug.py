"""What Flask and Quart share: werkzeug's HTTP exceptions and ours, a head on its response."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from werkzeug.exceptions import HTTPException, default_exceptions

from penstock._face import FaceStream, http_error, pairs
from penstock.core.head import Head
from penstock.errors import HttpError

__all__ = ("refusal", "show_head", "to_ours", "to_theirs")

# What describes a body that is not sent.
_OF_THE_BODY = ("content-type", "content-length")


def to_ours(error: BaseException) -> HttpError | None:
    """Return the ``HttpError`` that ``error`` is; None for any other exception."""
    if not isinstance(error, HTTPException) or error.code is None:
        return None
    headers = {
        name: value for name, value in error.get_headers() if name.lower() not in _OF_THE_BODY
    }
    return http_error(error.code, error.description, headers)


def to_theirs(error: HttpError) -> HTTPException:
    """Return ``error`` as werkzeug's exception of that status, its headers included."""
    base: type[HTTPException] = default_exceptions.get(error.status, HTTPException)
    more: Iterable[tuple[str, str]] = error.headers.items()

    class Refusal(base):  # type: ignore[misc, valid-type]  # handlers look for the status's own class
        code = error.status

        def get_headers(self, environ: Any = None, scope: Any = None) -> list[tuple[str, str]]:
            return [*super().get_headers(environ, scope), *more]

    return Refusal(error.detail or error.title)


def refusal(stream: FaceStream, error: HttpError) -> Exception:
    """Return what the framework is to make its answer of, when ``stream`` raised ``error``."""
    refused = stream.refusal(error)
    return error if refused is None else to_theirs(refused)


def show_head(response: Any, head: Head) -> None:
    """Let the framework's ``response`` have the status and headers that ``head`` has."""
    response.status_code = head.status
    response.headers.clear()
    response.headers.extend(pairs(head))
