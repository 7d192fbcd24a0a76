"""The bounded buffer between a stream's producer and its writer.

Lives here: the bound, who waits for whom, and when a producer owes the event loop a turn.
Stays out: what the bytes are, and where they go.

Both sides are on one event loop; nothing here is thread-safe.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from penstock.errors import Overflow

__all__ = ("MAX_BYTES", "MAX_EVENTS", "Outbox")

MAX_BYTES = 64 * 1024
MAX_EVENTS = 1024

# A source that never awaits gives the loop a turn after so many events, or so many seconds.
_TURN_EVENTS = 64
_TURN_SECONDS = 0.002


class Outbox:
    """Holds what was produced and is not yet written.

    What the writer has taken counts until it says that it is written, so the bound is on all that
    is held for the reader. One event may go past the bound: it was already made when it came.

    Args:
        max_bytes: Bound in bytes.
        max_events: Bound in events.
    """

    __slots__ = (
        "_ended",
        "_first",
        "_max_bytes",
        "_max_events",
        "_past",
        "_pending",
        "_room",
        "_size",
        "_taken",
        "_turn_began",
        "_writer",
    )

    def __init__(self, max_bytes: int = MAX_BYTES, max_events: int = MAX_EVENTS) -> None:
        self._max_bytes, self._max_events = max_bytes, max_events
        self._pending: list[bytes] = []
        self._taken = 0  # events the writer has taken and not yet written
        self._size = 0  # bytes held: pending and taken
        self._first = True
        self._ended = False
        self._writer: asyncio.Future[None] | None = None
        self._room: list[asyncio.Future[None]] = []  # producers that wait for capacity
        self._past = 0  # writes let past the bound for the sake of those waiters
        self._turn_began = 0.0

    @property
    def is_full(self) -> bool:
        """Whether the bound is reached."""
        return self._size >= self._max_bytes or len(self._pending) + self._taken >= self._max_events

    @property
    def is_idle(self) -> bool:
        """Whether all that was put is written."""
        return not self._pending and not self._taken

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    @property
    def owes_turn(self) -> bool:
        """Whether the producer should let the loop run before it makes more."""
        return (
            len(self._pending) >= _TURN_EVENTS
            or self._size >= self._max_bytes
            or monotonic() - self._turn_began > _TURN_SECONDS
        )

    # --- the producer's side

    def put(self, data: bytes) -> bool:
        """Add one event's bytes; never waits. Return whether the producer owes the loop a turn."""
        pending = self._pending
        pending.append(data)
        self._size += len(data)
        if len(pending) == 1:  # the writer has been here since the last one: a new turn
            writer, self._writer = self._writer, None
            if writer is not None and not writer.done():
                writer.set_result(None)
            if self._first:
                self._first = False
                self._turn_began = 0.0  # the first byte must not wait for a second event
                return True
            self._turn_began = monotonic()
            return self._size >= self._max_bytes
        # owes_turn, in line: this is the hottest place there is.
        return (
            len(pending) >= _TURN_EVENTS
            or self._size >= self._max_bytes
            or monotonic() - self._turn_began > _TURN_SECONDS
        )

    def put_unasked(self, data: bytes) -> None:
        """Add one event for a caller that may not wait afterwards.

        Raises:
            Overflow: The bound is reached and nobody waits for capacity.
        """
        if self.is_full:
            # Every caller that does wait lets one other past: they wait at the same time.
            if self._past >= len(self._room):
                count = len(self._pending) + self._taken
                raise Overflow(
                    f"{count} events, {self._size} bytes are waiting for a slow reader; "
                    "await what emit(), push() or write() returns"
                )
            self._past += 1
        self.put(data)

    async def turn(self) -> None:
        """Let the loop run; when the bound is reached, until there is room."""
        self._turn_began = monotonic()
        if not self.is_full:
            await asyncio.sleep(0)
            return
        room = asyncio.get_running_loop().create_future()
        self._room.append(room)
        try:
            await room
        finally:
            if room in self._room:  # cancelled while waiting
                self._room.remove(room)

    def end(self) -> None:
        """Nothing more will come; the writer is woken."""
        self._ended = True
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def discard(self) -> None:
        """Drop all that is held: nobody reads it."""
        self._pending = []
        self._size = self._taken = 0
        self._wake_producers()

    async def flushed(self) -> None:
        """Return when all that was put is written, or dropped."""
        while not self.is_idle:
            room = asyncio.get_running_loop().create_future()
            self._room.append(room)
            await room

    # --- the writer's side

    def news(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None] | None:
        """Return what to await until there is something to take, or nothing more will come.

        None: it is so already. (A future and no coroutine: it is awaited for every event.)
        """
        if self._pending or self._ended:
            return None
        self._writer = loop.create_future()
        return self._writer

    def take(self) -> tuple[bytes, int]:
        """Return all that is there, joined: one write; and how many events it is."""
        pending, self._pending = self._pending, []
        self._taken = len(pending)
        return (pending[0] if len(pending) == 1 else b"".join(pending)), len(pending)

    def release(self, size: int) -> None:
        """What was taken, ``size`` bytes, is written."""
        if self._taken:  # else it was discarded meanwhile
            self._taken = 0
            self._size -= size
            if self._room and not self.is_full:
                self._wake_producers()

    def _wake_producers(self) -> None:
        room, self._room, self._past = self._room, [], 0
        for waiter in room:
            if not waiter.done():
                waiter.set_result(None)
