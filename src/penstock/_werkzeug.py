"""Werkzeug's HTTP exceptions and ours, for Flask and Quart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from werkzeug.exceptions import HTTPException, default_exceptions

from penstock._face import http_error
from penstock.errors import HttpError

__all__ = ("to_ours", "to_theirs")

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
