"""From an exception to what the reader is told, and to what the log is told.

Lives here: which exceptions carry a status, what is kept and what is hidden, one log record.
Stays out: how a problem is written (``formats/``), and who renders it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from penstock.core.request import Request
from penstock.errors import ClientDisconnected, HttpError, Problem

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
        detail = (error.detail or f"{error.title}.") if error.status < 500 else _HIDDEN
        problem = Problem(error.status, error.title, detail)
    else:
        problem = Problem(500, detail=_HIDDEN)
    problem = problem if scrub is None else _scrubbed(error, problem, scrub)
    problem.cause = error
    return problem


def _scrubbed(error: BaseException, problem: Problem, scrub: Scrub) -> Problem:
    """Ask ``scrub``; where that fails, show an unknown error: it must not fail to be told."""
    try:
        shown: object = scrub(error, problem)  # whatever its annotation says
    except Exception:
        logger.exception("scrub= failed")
    else:
        if isinstance(shown, Problem):
            return shown
        logger.error("scrub= returned %s, not a Problem", type(shown).__name__)
    return Problem(500, detail=_HIDDEN)


def report(error: BaseException, what: str, request: Request | None) -> None:
    """Log ``error`` once, with its traceback and the request it belongs to.

    A 4xx is the caller's own affair and is not logged; nor is a body that its sender broke off.
    """
    if isinstance(error, HttpError) and (error.status < 500 or error.was_reported):
        return
    if isinstance(error, ClientDisconnected) and request is not None and request.inbox.is_gone:
        return
    label = f" [{request.label}]" if request is not None else ""
    extra = {"request_id": request.id} if request is not None else None
    logger.error("%s%s", what, label, exc_info=error, extra=extra)
