"""The bounded buffer between a stream's producer and its writer.

Lives here: the bound, who waits for whom, and when a producer owes the event loop a turn.
Stays out: what the bytes are, and where they go.

Both sides are on one event loop; nothing here is thread-safe.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from penstock.errors import Overflow

__all__ = ("MAX_BYTES", "MAX_EVENTS", "TURN_EVENTS", "TURN_SECONDS", "Outbox")

MAX_BYTES = 64 * 1024
MAX_EVENTS = 1024

# A source that never awaits gives the loop a turn after so many events, or so many seconds.
TURN_EVENTS = 64
TURN_SECONDS = 0.002


class Outbox:
    """Holds what was produced and is not yet written.

    What the writer has taken counts until it says that it is written, so the bound is on all that
    is held for the reader. One event may go past the bound: it was already made when it came.

    Attributes:
        pending: What waits to be taken; always this one list.
        taken: Events that the writer has taken and not yet written.
        size: Bytes held, pending and taken.
        max_bytes: Bound in bytes.
        turn_began: When the producer's turn did; 0.0: it owes one.
        ended: Whether nothing more will come.
        writer: What the writer waits for, while nothing is pending.
        room: What producers wait for, while the bound is reached.

    Args:
        max_bytes: Bound in bytes.
        max_events: Bound in events.
    """

    __slots__ = (
        "_first",
        "_loop_ran",
        "_max_events",
        "_past",
        "ended",
        "max_bytes",
        "pending",
        "room",
        "size",
        "taken",
        "turn_began",
        "writer",
    )

    def __init__(self, max_bytes: int = MAX_BYTES, max_events: int = MAX_EVENTS) -> None:
        self.max_bytes, self._max_events = max_bytes, max_events
        self.pending: list[bytes] = []
        self.taken = self.size = 0
        self._first = True
        self._loop_ran = True  # since the producer's last turn
        self.ended = False
        self.writer: asyncio.Future[None] | None = None
        self.room: list[asyncio.Future[None]] = []
        self._past = 0  # writes let past the bound for the sake of those waiters
        self.turn_began = 0.0

    @property
    def is_full(self) -> bool:
        """Whether the bound is reached."""
        return self.size >= self.max_bytes or len(self.pending) + self.taken >= self._max_events

    @property
    def is_idle(self) -> bool:
        """Whether all that was put is written."""
        return not self.pending and not self.taken

    @property
    def owes_turn(self) -> bool:
        """Whether the producer should let the loop run before it makes more."""
        return (
            len(self.pending) >= TURN_EVENTS
            or self.size >= self.max_bytes
            or monotonic() - self.turn_began > TURN_SECONDS
        )

    # --- the producer's side

    def put(self, data: bytes) -> bool:
        """Add one event's bytes; never waits. Return whether the producer owes the loop a turn."""
        pending = self.pending
        pending.append(data)
        self.size += len(data)
        if len(pending) == 1:  # the writer has been here since the last one: a new turn
            writer, self.writer = self.writer, None
            if writer is not None and not writer.done():
                writer.set_result(None)
            if self._first:
                self._first = False
                self.turn_began = 0.0  # the first byte must not wait for a second event
                return True
            now = monotonic()
            if not self._loop_ran and now - self.turn_began > TURN_SECONDS:
                self.turn_began = 0.0  # a source that blocks: its next item may be long in coming
                return True
            self.turn_began = now
            return self.size >= self.max_bytes
        return self.owes_turn

    def put_unasked(self, data: bytes) -> None:
        """Add one event for a caller that may not wait afterwards.

        Raises:
            Overflow: The bound is reached and nobody waits for capacity.
        """
        if self.is_full:
            # Every caller that does wait lets one other past: they wait at the same time.
            if self._past >= len(self.room):
                count = len(self.pending) + self.taken
                raise Overflow(
                    f"{count} events, {self.size} bytes are waiting for a slow reader; "
                    "await what emit(), push() or write() returns"
                )
            self._past += 1
        self.put(data)

    def add(self, data: bytes) -> None:
        """Add one event of somebody who counts no turns: a channel, which has many outboxes."""
        self.pending.append(data)
        self.size += len(data)
        writer = self.writer
        if writer is not None:
            self.writer = None
            if not writer.done():
                writer.set_result(None)

    async def written(self) -> None:
        """Return when something was written and the bound is not reached, or all was dropped."""
        await self._wait_for_room()

    def let_past(self) -> None:
        """Let one write past the bound, for a caller that does not wait for its own part in it.

        Raises:
            Overflow: As ``put_unasked``.
        """
        if self._past >= len(self.room):
            count = len(self.pending) + self.taken
            raise Overflow(
                f"{count} events, {self.size} bytes are waiting for a slow reader; "
                "await what broadcast() returns"
            )
        self._past += 1

    async def turn(self) -> None:
        """Let the loop run; when the bound is reached, until there is room."""
        self.turn_began = monotonic()
        if not self.is_full:
            await asyncio.sleep(0)
        else:
            await self._wait_for_room()
        self.turn_began, self._loop_ran = monotonic(), False
        asyncio.get_running_loop().call_soon(self._note_loop_ran)

    async def _wait_for_room(self) -> None:
        room = asyncio.get_running_loop().create_future()
        self.room.append(room)
        try:
            await room
        finally:
            if room in self.room:  # cancelled while waiting
                self.room.remove(room)

    def _note_loop_ran(self) -> None:
        self._loop_ran = True

    def end(self) -> None:
        """Nothing more will come; the writer is woken."""
        self.ended = True
        if self.writer is not None and not self.writer.done():
            self.writer.set_result(None)

    def discard(self) -> None:
        """Drop all that is held: nobody reads it."""
        self.pending.clear()
        self.size = self.taken = 0
        self._wake_producers()

    async def flushed(self) -> None:
        """Return when all that was put is written, or dropped."""
        while not self.is_idle:
            room = asyncio.get_running_loop().create_future()
            self.room.append(room)
            await room

    # --- the writer's side: its loop takes from ``pending`` by itself, being as hot as put()

    def make_room(self) -> None:
        """Something was written: producers that wait for room go on."""
        if not self.is_full:
            self._wake_producers()

    def _wake_producers(self) -> None:
        room, self.room, self._past = self.room, [], 0
        for waiter in room:
            if not waiter.done():
                waiter.set_result(None)
