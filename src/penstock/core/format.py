"""What the core needs of a wire format. ``formats/`` fills it; a user's own may too.

Nothing here inherits: an object with these names is a format.
"""

from __future__ import annotations

from typing import Any, Protocol

from penstock.core.ending import Ending
from penstock.errors import Problem
from penstock.types import HeaderValues

__all__ = ("Encoder", "Format")


class Encoder(Protocol):
    """Turns one stream's items into bytes. One encoder serves one stream, in order.

    Whatever it returns ends at an event boundary, so that a keep-alive or an error may follow.
    """

    def open(self) -> bytes:
        """Return what stands before everything else; may be empty."""
        ...

    def item(self, item: Any) -> bytes:
        """Return one item's bytes; empty when the item has none on this wire.

        Raises:
            UnsupportedItem: This format does not write such items.
            NotSerializable: The item holds what JSON cannot carry.
            HttpError: The item is a model's error chunk: end the stream with it.
        """
        ...

    def control(self, kind: str) -> bytes:
        """Return an in-band note; empty where the wire has no such thing.

        ``"open"``: the head left before there was an item.
        """
        ...

    def error(self, problem: Problem) -> bytes | None:
        """Return the one error event, or None: break off, the wire has no form for it."""
        ...

    def keep_alive(self) -> bytes:
        """Return bytes that every reader ignores; empty where the wire has none."""
        ...

    def close(self, ending: Ending) -> bytes | None:
        """Return the last words for a stream that ended so.

        None: this wire has no goodbye that a reader could tell from a finished stream; the
        stream then ends with ``error(...)``.
        """
        ...


class Format(Protocol):
    """Names a content type and makes encoders."""

    @property
    def name(self) -> str:
        """What users call it: ``"sse"``."""
        ...

    @property
    def content_type(self) -> str:
        """The default ``Content-Type``."""
        ...

    @property
    def headers(self) -> HeaderValues:
        """Further default headers."""
        ...

    @property
    def keep_alive(self) -> float | None:
        """Default idle time before a keep-alive, in seconds; None: none."""
        ...

    def encoder(self, *, end_mark: bool) -> Encoder:
        """Return the encoder of one stream.

        ``end_mark``: the stream is one answer that finishes, so a reader may be told not to ask
        for it again; False for streams that are written to by hand.
        """
        ...
