"""Sources written to a handler's response stream.

Lives here: ``create_lambda_stream``. Stays out: the response stream itself, whole ``Stream``s
(``sink.py``).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from penstock.aws.response_stream import ResponseStream
from penstock.core.ending import Ending
from penstock.core.format import Encoder, Format
from penstock.core.head import Head
from penstock.errors import Overflow
from penstock.formats import get_format
from penstock.providers.producing import producer_of
from penstock.types import Source

__all__ = ("create_lambda_stream",)


async def create_lambda_stream(
    source: Source, stream: ResponseStream, format: str | Format | None = None
) -> None:
    """Write every item of ``source`` to ``stream``, at the reader's pace; do not end it.

    A source that is followed (an answer of a log, a channel's subscription) lets the head leave
    at once; where there is nothing to follow, and nothing was written, the status is 204.

    Args:
        source: As of a ``Stream``: an async or sync iterable, a callable of one, …
        stream: The handler's ``context.response_stream``.
        format: How items are written; by default the handler's own format.

    Raises:
        Exception: What the source raised.
        Overflow: A channel's subscription was slower than the channel allows.

    Example:
        ``await create_lambda_stream(model_stream(), context.response_stream)``
    """
    chosen = get_format(format) if format is not None else None
    feed = _Piped(stream, chosen.encoder(end_mark=False) if chosen is not None else None)
    await producer_of(source, chosen or stream.encoder.format).produce(feed)
    if feed.ending is Ending.OVERFLOW:
        raise Overflow("the source held as much as it may: this stream is written too slowly")


class _Piped:
    """A ``Feed`` that writes to a response stream."""

    def __init__(self, stream: ResponseStream, encoder: Encoder | None) -> None:
        self._stream, self._own = stream, encoder
        self.encoder: Encoder = encoder or stream.encoder
        self.head = stream.head
        if stream.begun.done() and not self.head.is_committed:
            # What was written is about to leave: nothing may forbid it a body any more.
            self.head = Head()
            self.head.commit()
        self.ending: Ending | None = None
        self._last: Awaitable[None] | None = None

    @property
    def outbox(self) -> Any:
        return self

    def commit(self) -> None:
        self._stream.commit()

    def stop(self, ending: Ending) -> None:
        """Only the source is over; whoever writes the stream may go on."""
        self.ending = ending

    def put(self, item: Any) -> bool:
        if self._own is None:
            self._last = self._stream.write_item(item)
        else:
            self._last = self._stream.write(self._own.item(item))
        return True

    def put_unasked(self, item: Any) -> Any:
        self.put(item)
        return self._last

    async def turn(self) -> None:
        """Return when there is room for more."""
        if self._last is not None:
            await self._last
