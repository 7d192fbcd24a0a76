"""What the reader of a stream that ends early is told.

Lives here: which endings a wire may close on in good order, and the error where it may not.
"""

from __future__ import annotations

from penstock.core.ending import Ending
from penstock.core.format import Encoder
from penstock.core.problem import report
from penstock.core.request import Request
from penstock.errors import HttpError, Problem

__all__ = ("error_words", "goodbye_error", "last_words")

_ERRORS = {
    Ending.SHUTDOWN: (503, "The server is shutting down."),
    Ending.DEADLINE: (504, None),
    Ending.TIMEOUT: (504, None),
    Ending.OVERFLOW: (503, "The reader is too slow."),
}

# On every wire: a reader must not take what it has for the whole.
_ALWAYS_ERRORS = (Ending.DEADLINE, Ending.TIMEOUT)


def last_words(encoder: Encoder, ending: Ending) -> bytes | None:
    """Return what closes the stream in good order; None: only an error tells the reader."""
    return None if ending in _ALWAYS_ERRORS else encoder.close(ending)


def goodbye_error(ending: Ending) -> HttpError:
    """Return the error that stands for ``ending``."""
    status, detail = _ERRORS.get(ending, (500, None))
    return HttpError(status, detail=detail)


def error_words(encoder: Encoder, problem: Problem, request: Request | None) -> bytes | None:
    """Return the one error event; None: the wire has none, or a user's own format failed at it."""
    try:
        return encoder.error(problem)
    except Exception as exc:  # the stream must end all the same
        report(exc, "an error could not be written", request)
        return None
