"""From an exception to what the reader is told, and to what the log is told.

Lives here: which exceptions carry a status, what is kept and what is hidden, one log record.
Stays out: how a problem is written (``formats/``), and who renders it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from penstock.core.request import Request
from penstock.errors import HttpError, Problem

__all__ = ("Scrub", "Translate", "problem_of", "report")

logger = logging.getLogger("penstock")

# Shown instead of what an unknown exception, or a 5xx, has to say.
_HIDDEN = "The server could not finish this request."

# The error and what would be shown of it, to what is shown.
Scrub: TypeAlias = Callable[[BaseException, Problem], Problem]

# A framework's own HTTP exception to ours; None for any other exception.
Translate: TypeAlias = Callable[[BaseException], HttpError | None]


def problem_of(error: BaseException, scrub: Scrub | None = None) -> Problem:
    """Return what the reader is told of ``error``.

    Only an ``HttpError`` carries a status: an upstream's own ``status_code`` says nothing about
    this response. The detail of a 4xx is kept, that of a 5xx is replaced; ``scrub`` decides
    otherwise.
    """
    if isinstance(error, HttpError):
        detail = error.detail if error.status < 500 else _HIDDEN
        problem = Problem(error.status, error.title, detail)
    else:
        problem = Problem(500, detail=_HIDDEN)
    return scrub(error, problem) if scrub is not None else problem


def report(error: BaseException, what: str, request: Request | None) -> None:
    """Log ``error`` once, with its traceback and the request it belongs to.

    A 4xx is the caller's own affair and is not logged.
    """
    if isinstance(error, HttpError) and error.status < 500:
        return
    label = f" [{request.label}]" if request is not None else ""
    extra = {"request_id": request.id} if request is not None else None
    logger.error("%s%s", what, label, exc_info=error, extra=extra)
