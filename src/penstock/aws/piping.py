"""Sources and streams written to a handler's response stream.

Lives here: ``create_lambda_stream``, and the sink by which a whole stream goes there.
Stays out: the response stream itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from penstock.aws.response_stream import ResponseStream
from penstock.core.ending import Ending
from penstock.core.format import Encoder, Format
from penstock.core.head import Head
from penstock.formats import get_format
from penstock.providers.producing import producer_of
from penstock.types import Source

__all__ = ("LambdaSink", "create_lambda_stream")


async def create_lambda_stream(
    source: Source, stream: ResponseStream, format: str | Format | None = None
) -> None:
    """Write every item of ``source`` to ``stream``, at the reader's pace; do not end it.

    Args:
        source: As of a ``Stream``: an async or sync iterable, a callable of one, …
        stream: The handler's ``context.response_stream``.
        format: How items are written; by default the handler's own format.

    Raises:
        Exception: What the source raised.

    Example:
        ``await create_lambda_stream(model_stream(), context.response_stream)``
    """
    chosen = get_format(format) if format is not None else None
    feed = _Piped(stream, None if chosen is None else chosen.encoder(end_mark=False))
    producer = producer_of(source, chosen or stream.format)
    await producer.produce(feed)


class _Piped:
    """A feed that writes to a response stream."""

    def __init__(self, stream: ResponseStream, encoder: Encoder | None) -> None:
        self._stream, self._encoder = stream, encoder
        self._last: Awaitable[None] | None = None

    @property
    def outbox(self) -> Any:
        return self

    @property
    def encoder(self) -> Encoder:
        return self._encoder or self._stream.encoder

    @property
    def head(self) -> Head:
        return self._stream.head

    def commit(self) -> None:
        """Let the head leave."""
        self._stream.begin()

    def stop(self, ending: Ending) -> None:
        """End the stream so."""
        self._stream.stop(ending)

    def put(self, item: Any) -> bool:
        if self._encoder is None:
            self._last = self._stream.write_item(item)
        else:
            self._last = self._stream.write(self._encoder.item(item))
        return True

    def put_unasked(self, item: Any) -> Any:
        self.put(item)
        return self._last

    async def turn(self) -> None:
        """Return when there is room for more."""
        if self._last is not None:
            await self._last


class LambdaSink:
    """The ``Sink`` of a stream that is written to a response stream.

    Args:
        stream: The handler's.
    """

    def __init__(self, stream: ResponseStream) -> None:
        self._stream = stream

    async def open(self, head: Head) -> None:
        self._stream.absorb(head)

    async def write(self, data: bytes, more: bool) -> None:
        if data:
            await self._stream.write(data)

    def watch(self, left: Callable[[], object]) -> None:
        """Lambda does not tell when a reader leaves."""

    def unwatch(self) -> None:
        """Nobody was watched."""
