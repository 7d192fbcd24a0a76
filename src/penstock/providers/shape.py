"""What every provider's shape is to the reader, and what all shapes have in common.

Lives here: the Protocol, reading a field of an object or a dict, the finish reasons.
Stays out: any one provider.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from penstock.chunk import Chunk, Done, Error, Usage
from penstock.providers.failure import ended_early

__all__ = ("Shape", "at", "ends", "finish", "first", "note_unknown", "usage_of")

logger = logging.getLogger("penstock")

_MISSING: Final = object()
_NOTED = 256
_noted: set[tuple[str, str]] = set()


class Shape(Protocol):
    """Maps the events of one provider's stream to chunks, incrementally.

    The ``Done`` or ``Error`` that it returns is the last chunk of the stream.
    """

    def feed(self, event: Any) -> list[Chunk]:
        """Return the chunks that ``event`` completes; few or none."""
        ...

    def end(self) -> list[Chunk]:
        """The provider's stream is over: return what remains, and the ``Done`` or ``Error``."""
        ...


def at(value: Any, *path: str | int) -> Any:
    """Return what stands at ``path`` in objects, mappings and sequences; None where nothing is."""
    for step in path:
        if value is None:
            return None
        if type(step) is int:
            value = value[step] if isinstance(value, (list, tuple)) and len(value) > step else None
        elif type(value) is dict:
            value = value.get(step)
        else:
            # Not Mapping first: for each object of an SDK that question costs more than the rest.
            found = getattr(value, step, _MISSING)  # type: ignore[arg-type]  # a str: see above
            if found is _MISSING:
                found = value.get(step) if isinstance(value, Mapping) else None
            value = found
    return value


def first(value: Any, *names: str) -> Any:
    """Return the first of the fields ``names`` that is set."""
    for name in names:
        found = at(value, name)
        if found is not None:
            return found
    return None


def usage_of(**counts: Any) -> Usage | None:
    """Return the tokens that are known, or None when none is; the total is their sum."""
    known = {name: count for name, count in counts.items() if type(count) is int}
    if not known:
        return None
    if "total" not in known and "input" in known and "output" in known:
        known["total"] = known["input"] + known["output"]
    return Usage(**known)


def finish(reason: str | None, usage: Usage | None) -> list[Chunk]:
    """Return the end of a stream whose provider gave ``reason``; None: it gave none."""
    if reason is None:
        return [ended_early()]
    return [Done(reason, usage)]


def note_unknown(provider: str, what: Any) -> None:
    """Log, once, that a part of an event was passed over because nobody here knows its kind."""
    key = (provider, str(what)[:100])
    if key not in _noted and len(_noted) < _NOTED:
        _noted.add(key)
        logger.warning("%s streamed %r, which penstock does not know: passed over", *key)


def ends(chunks: list[Chunk]) -> bool:
    """Whether ``chunks`` end the stream."""
    return bool(chunks) and isinstance(chunks[-1], (Done, Error))
