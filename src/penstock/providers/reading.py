"""``chunks``: any provider's stream as chunks, from its opening to its one end.

Lives here: reading the events, what becomes of an error, and closing the provider's connection.
Stays out: what one provider's events mean.

An error before the first event is raised: it is the request that failed. After it the answer has
begun, and the error is its last chunk.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

from penstock.chunk import Chunk, Done, Error, Text
from penstock.core.producer import Attaching, Feed
from penstock.core.source import close_iterator
from penstock.errors import StreamError
from penstock.event import Event
from penstock.providers.failure import ended_early, raised
from penstock.providers.opening import Opened, check_stream, discard_stream, open_stream
from penstock.providers.recognise import recognise
from penstock.providers.shape import Shape, ends

__all__ = ("Chunks", "chunks")


def chunks(stream: Any) -> Chunks:
    """Return the chunks of an official SDK's stream; exactly one ``Done`` or ``Error`` is the last.

    OpenAI's chat completions and Responses, Anthropic's raw events and helper, Bedrock's
    ConverseStream and InvokeModelWithResponseStream, Gemini, Ollama, LiteLLM and all that speak
    like OpenAI are known by the shape of their events; plain text iterables are text.

    Args:
        stream: An async or sync iterable of events, an awaitable, a context manager, a boto3
            response, or a zero-argument callable of one. It is opened when the first chunk is
            asked for, and closed, with the provider's connection, when no more are.

    Raises:
        TypeError: ``stream`` can never be one; while iterating: its events are of no known shape.
        Exception: While iterating: what the SDK raised before its first event.

    Example:
        ``async for chunk in chunks(lambda: client.messages.create(..., stream=True)): ...``
    """
    return Chunks(stream)


class Chunks:
    """An async iterator over the chunks of one stream; ``aclose()`` stops the provider.

    Args:
        stream: See ``chunks``.
        lenient: Hand on what is of no known shape as it is, for a format to write or refuse.
    """

    __slots__ = ("__weakref__", "_begun", "_feeds", "_items", "_stream")

    def __init__(self, stream: Any, *, lenient: bool = False) -> None:
        check_stream(stream)
        self._stream, self._begun = stream, False
        self._feeds: list[Feed] = []  # one at most: the stream that it feeds
        self._items: AsyncGenerator[Any, None] = _read(stream, lenient, self._feeds)

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Any:
        self._begun = True
        return await self._items.__anext__()

    async def attach_to_feed(self, feed: Feed) -> None:
        """Keep ``feed`` for an iterator of ours that wants to know it (``Attaching``)."""
        self._feeds[:] = [feed]

    async def aclose(self) -> None:
        """Close the stream, and the provider's connection; harmless when it has ended."""
        if not self._begun:
            self._begun = True
            await discard_stream(self._stream)
        else:
            await close_iterator(self._items)


async def _read(stream: Any, lenient: bool, feeds: list[Feed]) -> AsyncGenerator[Any, None]:
    """Read ``stream`` in the task of whoever iterates: a cancelled read is the SDK's to unwind."""
    async with AsyncExitStack() as stack:
        opened = await open_stream(stream, stack)
        events, reading = opened.events, _Reading(opened, lenient)
        if lenient and isinstance(events, Attaching):
            async for item in _attached(events, feeds):
                yield item
            return
        while True:
            try:
                event = await events.__anext__()
            except StopAsyncIteration:
                break
            except Exception as exc:
                failure = reading.failure(exc)
                if failure is None:
                    raise
                yield failure
                return
            for piece in reading.take(event):
                yield piece
            if reading.ended:
                return
        for piece in reading.end():
            yield piece


async def _attached(events: Any, feeds: list[Feed]) -> AsyncGenerator[Any, None]:
    """Yield what a channel's subscriber or an answer's follower yields: it is the format's."""
    for feed in feeds:
        await events.attach_to_feed(feed)
    async for item in events:
        yield item


class _Reading:
    """What is known of one stream so far."""

    __slots__ = ("_lenient", "_opened", "_shape", "ended")

    def __init__(self, opened: Opened, lenient: bool) -> None:
        self._opened, self._lenient = opened, lenient
        self._shape: Shape | None = None
        self.ended = False

    def take(self, event: Any) -> list[Any]:
        """Return what ``event`` means; it may end the stream.

        Raises:
            TypeError: It is of no known shape.
        """
        shape = self._shape
        if shape is None or isinstance(event, Chunk):
            own = self._own(event)
            if own is not None:
                return own
            shape = self._shape = recognise(event)
            if shape is None:
                if self._lenient:
                    return [event]
                raise TypeError(_unknown(event))
        try:
            pieces = shape.feed(event)
        except Exception as exc:
            pieces = [raised(exc)]  # an event that has not the shape of its kind
        if pieces and ends(pieces):
            if self._lenient and not self._opened.is_sdk:
                self._shape = None  # of a generator that asks the model again
            else:
                self.ended = True
        return pieces

    def _own(self, event: Any) -> list[Any] | None:
        """Return what the application itself put in; None: it is a provider's."""
        if self._lenient:
            return [event] if isinstance(event, (Chunk, str, Event)) else None
        if isinstance(event, Chunk):
            self.ended = isinstance(event, (Done, Error))
            return [event]
        if isinstance(event, str):
            return [Text(event)] if event else []
        return None

    def failure(self, error: Exception) -> Error | None:
        """Return the chunk that tells of ``error``; None: it is not the provider's, or too early.

        An error before the first event is the request's own, unless the provider had answered.
        """
        if isinstance(error, StreamError):
            return None
        if self._opened.is_answered:
            return raised(error)
        begun = self._shape is not None
        ours = self._opened.is_sdk or not self._lenient
        return raised(error) if begun and ours else None

    def end(self) -> list[Any]:
        """The source is over: return what remains."""
        if self._shape is not None:
            return self._shape.end()
        if self._opened.is_sdk:
            return [ended_early()]
        return [] if self._lenient else [Done()]


def _unknown(event: Any) -> str:
    kind = type(event)
    return (
        f"expected a model's stream, of a shape that penstock knows, or text; got an item of type "
        f"{kind.__module__}.{kind.__qualname__}: {event!r:.200}"
    )
