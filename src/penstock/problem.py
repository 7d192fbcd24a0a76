"""What a reader is told of an error.

Lives here: ``Problem``, and the names of statuses. Stays out: which errors there are
(``errors.py``), and what of one may be told (``core/problem.py``).
"""

from __future__ import annotations

__all__ = ("Problem", "phrase")

# RFC 9110's names, which older Pythons do not know yet.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


class Problem:
    """What a reader is told of an error: an entry of ``{"errors": [...]}``.

    Attributes:
        status: HTTP status.
        title: Short summary of the kind of problem.
        detail: What happened this time, or None.
        cause: The exception it tells of, for ``on_error=``; never written to a wire.
    """

    __slots__ = ("cause", "detail", "status", "title")

    def __init__(
        self,
        status: int,
        title: str | None = None,
        detail: str | None = None,
        *,
        cause: BaseException | None = None,
    ) -> None:
        self.status = status
        self.title = title if title is not None else phrase(status)
        self.detail = detail
        self.cause = cause

    def to_dict(self) -> dict[str, object]:
        """Return ``{"errors": [{"status", "title", "detail"}]}``; an absent detail is left out."""
        entry: dict[str, object] = {"status": self.status, "title": self.title}
        if self.detail is not None:
            entry["detail"] = self.detail
        return {"errors": [entry]}

    def __repr__(self) -> str:
        return f"Problem({self.status}, {self.title!r}, {self.detail!r})"


def phrase(status: int) -> str:
    """Return the name of an HTTP status."""
    if status in _PHRASES:
        return _PHRASES[status]
    from http import HTTPStatus  # late: a cold start pays for its many members

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
