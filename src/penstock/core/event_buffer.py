"""Events written ahead of being sent: by one batch, or once for many sessions.

Lives here: ``EventBuffer``, and ``push`` with its kin, which sessions have in common with it.
Stays out: where the bytes go.
"""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

from penstock.core.event_writer import EventWriter, Sanitizer, writer_of
from penstock.core.source import open_source
from penstock.errors import UnsupportedItem
from penstock.types import Serializer, Source

__all__ = ("Batch", "EventBuffer", "Pushing")


class Pushing:
    """What takes ``push``: a session, a buffer."""

    __slots__ = ()

    def push(
        self,
        data: Any = None,
        event: str | None = None,
        id: str | int | None = None,
        *,
        retry: int | None = None,
        comment: str | None = None,
    ) -> Awaitable[None]:
        """Write one event."""
        raise NotImplementedError

    async def iterate(self, iterable: Source, event: str | None = None) -> None:
        """Push each item of a sync or async iterable, at the reader's pace.

        Args:
            iterable: Any source; a blocking iterator is read in a thread of its own.
            event: Event name for all of them.
        """
        async with AsyncExitStack() as stack:
            async for item in await open_source(iterable, stack):
                await self.push(item, event)

    async def stream(
        self,
        stream: Source,
        event: str | None = None,
        *,
        transform: Callable[[str], Any] | None = None,
    ) -> None:
        """Push each piece of a stream of text or bytes, at the reader's pace.

        Args:
            stream: Any source of str or bytes, an open file among them. Bytes are UTF-8; no
                character is cut, wherever the pieces are.
            event: Event name for all of them.
            transform: What is pushed in place of a piece, given as str.

        Raises:
            UnsupportedItem: A piece is neither str nor bytes.
        """
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        async with AsyncExitStack() as stack:
            async for piece in await open_source(stream, stack):
                if isinstance(piece, (bytes, bytearray, memoryview)):
                    await self._push_piece(decode(bytes(piece)), event, transform)
                elif isinstance(piece, str):
                    await self._push_piece(piece, event, transform)
                else:
                    raise UnsupportedItem(piece, "session.stream()", "use iterate() for values")
        await self._push_piece(decode(b"", True), event, transform)

    async def _push_piece(
        self, text: str, event: str | None, transform: Callable[[str], Any] | None
    ) -> None:
        if text:
            await self.push(text if transform is None else transform(text), event)


class EventBuffer(Pushing):
    """Events as bytes: pushed once, sent by ``session.batch(buffer)`` to as many as you like.

    Sending does not use it up; ``clear()`` empties it. Its bound is what the caller pushes.

    Args:
        serializer: Makes a value's text, in place of raw str and compact JSON.
        sanitizer: Sees each field's text before it is checked.
        name_from: Member of a mapping that names its event; None: no name.

    Example:
        ``hello = EventBuffer(); hello.push("hi", "greeting"); await session.batch(hello)``
    """

    __slots__ = ("_pieces", "_writer")

    def __init__(
        self,
        *,
        serializer: Serializer | None = None,
        sanitizer: Sanitizer | None = None,
        name_from: str | None = "type",
    ) -> None:
        self._writer: EventWriter = writer_of(serializer, sanitizer, name_from)
        self._pieces: list[bytes] = []

    def push(
        self,
        data: Any = None,
        event: str | None = None,
        id: str | int | None = None,
        *,
        retry: int | None = None,
        comment: str | None = None,
    ) -> Awaitable[None]:
        """Add one event; what it returns need not be awaited.

        Raises:
            InvalidField, NotSerializable, UnsupportedItem: The event has no bytes.
        """
        item = self._writer.item(data, event, id, retry, comment)
        self._pieces.append(self._writer.encode(item))
        return _AT_ONCE

    def clear(self) -> None:
        """Forget what was pushed."""
        self._pieces.clear()

    def read(self) -> bytes:
        """Return what was pushed, as it goes on the wire."""
        return b"".join(self._pieces)

    def __len__(self) -> int:
        return len(self._pieces)

    @classmethod
    def with_writer(cls, writer: EventWriter) -> EventBuffer:
        """Return an empty buffer that writes as ``writer`` does."""
        buffer = cls()
        buffer._writer = writer
        return buffer


class _AtOnce:
    """An awaitable of what is done already."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


_AT_ONCE = _AtOnce()


class Batch:
    """Several events that leave in one write: await it with a function, or enter it.

    Args:
        buffer: Where the events gather.
        send: Sends their bytes as one, and returns what may be awaited.
        fill: Fills the buffer; None: it is full, or the ``async with`` block fills it.
    """

    __slots__ = ("_buffer", "_fill", "_send", "_used")

    def __init__(
        self,
        buffer: EventBuffer,
        send: Callable[[bytes], Awaitable[None]],
        fill: Callable[[EventBuffer], Awaitable[None] | None] | None,
    ) -> None:
        self._buffer, self._send, self._fill = buffer, send, fill
        self._used = False

    def __await__(self) -> Generator[Any, None, None]:
        return self._run().__await__()

    async def _run(self) -> None:
        self._used = True
        filled = self._fill(self._buffer) if self._fill is not None else None
        if filled is not None:
            await filled
        await self._flush()

    async def _flush(self) -> None:
        data = self._buffer.read()
        if data:
            await self._send(data)

    def __del__(self) -> None:
        if not self._used:  # as Python tells of a coroutine
            message = "a batch was never sent: await session.batch(...), or enter it"
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    async def __aenter__(self) -> EventBuffer:
        self._used = True
        return self._buffer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self._flush()
