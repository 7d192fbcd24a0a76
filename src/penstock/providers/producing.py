"""A source as the producer that a format needs.

Lives here: the one decision: a format that writes a model's chunks gets chunks, also where the
source yields an SDK's own events. Stays out: what the events mean.
"""

from __future__ import annotations

import inspect
from typing import Any

from penstock.core.format import Format
from penstock.core.producer import Producer, Reading
from penstock.core.upstream import is_provider_stream

__all__ = ("producer_of",)

# Formats that write a model's chunks and, of anything else, only text. The others write an SDK's
# event as they write any model or mapping: as it is.
_OF_CHUNKS = frozenset(("ui-message-stream", "openai"))


def producer_of(source: Any, format: Format) -> Producer:
    """Return what reads ``source`` for ``format``.

    Raises:
        TypeError: ``source`` can never be one.
    """
    if format.name not in _OF_CHUNKS and (format.name != "text" or _is_ours(source)):
        return Reading(source)
    from penstock.providers.reading import Chunks  # what a stream of rows never needs

    return Reading(Chunks(source, lenient=True))


def _is_ours(source: Any) -> bool:
    """Whether it is the application's own text for sure, which need not be looked at."""
    if inspect.isasyncgen(source) or inspect.isgenerator(source):
        return not is_provider_stream(source)
    if isinstance(source, (list, tuple)):
        return True
    return inspect.isasyncgenfunction(source) or inspect.isgeneratorfunction(source)
