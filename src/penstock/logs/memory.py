"""A log in this process's memory: the default; nothing of it survives a restart.

Lives here: keys, claims and their expiry, bounds, and waking who waits. Stays out: other processes.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.clock import Clock, current_clock
from penstock.core.log import Claim, Entry, EventId, Fence, Keep, NewEntry, Sequenced, follow_log
from penstock.errors import InvalidOption, LogClosed, LogFull, StaleFence
from penstock.logs._ids import Span, make_id, new_epoch
from penstock.logs._waiters import Waiters

__all__ = ("MemoryLog",)

# Writers of a key whose last append is remembered, so that its retry is recognised.
_MAX_WRITERS = 256

_KEEP = Keep()


@dataclass(slots=True)
class _Key:
    """One key's events.

    Attributes:
        epoch: This life of the key.
        entries: Its events, behind ``dropped`` trimmed ones: a list's head is not cut each time.
        first: Number of the oldest that is held.
    """

    epoch: str
    first: int = 1
    entries: list[Entry | None] = field(default_factory=list)
    dropped: int = 0
    ending: str | None = None
    expires: float = math.inf
    # writer -> number of its last append, and what that gave
    writers: OrderedDict[str, tuple[int, list[EventId]]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self.entries) - self.dropped

    @property
    def span(self) -> Span:
        return Span(self.epoch, self.first, self.first + len(self) - 1)

    def put(self, entry: NewEntry, ending: str | None = None) -> EventId:
        id = make_id(self.epoch, self.first + len(self))
        self.entries.append(Entry(id, entry.data, entry.meta, ending))
        return id

    def trim(self, size: int) -> None:
        """Drop the oldest, down to ``size`` events."""
        while len(self) > size:
            self.entries[self.dropped] = None
            self.dropped += 1
            self.first += 1
        if self.dropped > 64 and self.dropped > len(self):
            del self.entries[: self.dropped]
            self.dropped = 0

    def page(self, number: int, limit: int) -> list[Entry]:
        """Return up to ``limit`` events from ``number`` on."""
        start = self.dropped + number - self.first
        return [entry for entry in self.entries[start : start + limit] if entry is not None]

    def remember(self, sequence: Sequenced, ids: list[EventId]) -> None:
        """Note a writer's last append."""
        self.writers[sequence[0]] = (sequence[1], ids)
        self.writers.move_to_end(sequence[0])
        if len(self.writers) > _MAX_WRITERS:
            self.writers.popitem(last=False)


@dataclass(slots=True)
class _Held:
    """A claim; ``until`` is when its lease ends."""

    fence: Fence
    until: float


class MemoryLog:
    """An ``EventLog`` in memory.

    It may be used from several event loops and threads of its process.

    Args:
        max_keys: Keys, and claims, that are held at most. Past it the keys that were not appended
            to for the longest time are forgotten, but for those that somebody waits for.
        clock: Where time comes from; None: the clock in force where it is used.

    Raises:
        InvalidOption: ``max_keys`` is no whole number above 0.

    Example:
        ``log = MemoryLog(); id = await log.append("room", b"hi")``
    """

    def __init__(self, *, max_keys: int = 10_000, clock: Clock | None = None) -> None:
        if type(max_keys) is not int or max_keys < 1:
            raise InvalidOption("max_keys", max_keys, "a whole number above 0")
        self._max_keys, self._clock = max_keys, clock
        self._keys: OrderedDict[str, _Key] = OrderedDict()  # the longest without an append first
        self._claims: OrderedDict[str, _Held] = OrderedDict()
        self._waiters = Waiters()
        self._lock = threading.Lock()  # never held across an await

    async def append(
        self,
        key: str,
        data: bytes,
        *,
        meta: Mapping[str, str] | None = None,
        fence: Fence | None = None,
        sequence: Sequenced | None = None,
        keep: Keep | None = None,
    ) -> EventId:
        """Add one event; return its id (``EventLog``)."""
        entries = (NewEntry(data, meta or {}),)
        return self._append(key, entries, fence, sequence, keep or _KEEP)[0]

    async def append_many(
        self,
        key: str,
        entries: Sequence[NewEntry],
        *,
        fence: Fence | None = None,
        sequence: Sequenced | None = None,
        keep: Keep | None = None,
    ) -> list[EventId]:
        """Add several events that stand together (``EventLog``)."""
        return self._append(key, entries, fence, sequence, keep or _KEEP) if entries else []

    def _append(
        self,
        key: str,
        entries: Sequence[NewEntry],
        fence: Fence | None,
        sequence: Sequenced | None,
        keep: Keep,
    ) -> list[EventId]:
        with self._lock:
            self._check(fence)
            held = self._open(key, fence)
            if sequence is not None and sequence[0] in held.writers:
                number, ids = held.writers[sequence[0]]
                if sequence[1] <= number:
                    return ids
            if held.ending is not None:
                raise LogClosed(key, held.ending)
            if not keep.trim and len(held) + len(entries) > keep.max_events:
                raise LogFull(key, keep.max_events)
            ids = [held.put(entry) for entry in entries]
            held.trim(keep.max_events)
            held.expires = math.inf if keep.ttl is None else self._now() + keep.ttl
            if sequence is not None:
                held.remember(sequence, ids)
        self._waiters.wake(key)
        return ids

    async def read(
        self, key: str, *, after: EventId | None = None, limit: int = 256, wait: float = 0.0
    ) -> list[Entry]:
        """Return the events after a cursor (``EventLog``)."""
        page = self._page(key, after, limit)
        if page or wait <= 0:
            return page
        with self._waiters.ticket(key) as ticket:
            page = self._page(key, after, limit)  # another thread's append in between
            if page or not await ticket.wait(wait, self._clock):
                return page
        return self._page(key, after, limit)

    def _page(self, key: str, after: EventId | None, limit: int) -> list[Entry]:
        with self._lock:
            held = self._find(key)
            if held is None:
                Span(None, 1, 0).start(after)
                return []
            return held.page(held.span.start(after), limit)

    def follow(self, key: str, *, after: EventId | None = None) -> AsyncGenerator[Entry]:
        """Yield what is held, then what comes (``EventLog``)."""
        return follow_log(self, key, after=after)

    async def tail(self, key: str) -> EventId:
        """Return the cursor of now (``EventLog``)."""
        with self._lock:
            span = self._open(key).span
            return make_id(span.epoch or "", span.last)

    async def oldest(self, key: str) -> EventId | None:
        """Return the id of the oldest event that is held (``EventLog``)."""
        with self._lock:
            held = self._find(key)
            return make_id(held.epoch, held.first) if held is not None and len(held) else None

    async def close(
        self,
        key: str,
        ending: str = "closed",
        *,
        data: bytes = b"",
        fence: Fence | None = None,
        keep: Keep | None = None,
    ) -> bool:
        """End a key (``EventLog``)."""
        with self._lock:
            self._check(fence)
            held = self._open(key, fence)
            if held.ending is not None:
                return False
            held.ending = ending
            held.put(NewEntry(data), ending)
            if keep is not None:
                held.expires = math.inf if keep.ttl is None else self._now() + keep.ttl
        self._waiters.wake(key)
        return True

    async def ending(self, key: str) -> str | None:
        """Return how a key has ended (``EventLog``)."""
        with self._lock:
            held = self._find(key)
            return held.ending if held is not None else None

    async def delete(self, key: str) -> None:
        """Forget a key (``EventLog``)."""
        with self._lock:
            self._keys.pop(key, None)
        self._waiters.wake(key)

    # --- claims

    async def claim(self, key: str, *, lease: float, takeover: bool = False) -> Fence | None:
        """Become the one writer of ``key`` (``EventLog``)."""
        with self._lock:
            now, held = self._now(), self._claims.get(key)
            if held is not None and held.until > now and not takeover:
                return None
            fence = Fence(key, held.fence.run + 1 if held else 1, new_epoch())
            self._claims[key] = _Held(fence, now + lease)
            self._claims.move_to_end(key)
            self._forget_claims(now)
            return fence

    def _forget_claims(self, now: float) -> None:
        for key in list(self._claims) if len(self._claims) > self._max_keys else ():
            if self._claims[key].until <= now:
                del self._claims[key]
                if len(self._claims) <= self._max_keys:
                    return

    async def renew(self, fence: Fence, *, lease: float) -> None:
        """Hold the claim for ``lease`` seconds from now (``EventLog``)."""
        with self._lock:
            self._check(fence)
            self._claims[fence.key].until = self._now() + lease

    async def release(self, fence: Fence) -> None:
        """Give the claim back (``EventLog``)."""
        with self._lock:
            held = self._claims.get(fence.key)
            if held is not None and held.fence == fence:
                held.until = -math.inf

    async def claimed(self, key: str) -> Claim | None:
        """Return how the claim on ``key`` stands (``EventLog``)."""
        with self._lock:
            held = self._claims.get(key)
            if held is None:
                return None
            remaining = max(0.0, held.until - self._now())
            return Claim(held.fence.run, held.fence.token, remaining)

    def _check(self, fence: Fence | None) -> None:
        if fence is None:
            return
        held = self._claims.get(fence.key)
        if held is None or held.fence != fence or held.until <= self._now():
            raise StaleFence(fence.key, fence.run)

    # --- keys

    async def aclose(self) -> None:
        """Tell those that wait (``EventLog``)."""
        waiters, self._waiters = self._waiters, Waiters()
        waiters.close()

    def _now(self) -> float:
        return (self._clock or current_clock()).now()

    def _find(self, key: str) -> _Key | None:
        held = self._keys.get(key)
        if held is not None and held.expires <= self._now():
            del self._keys[key]
            return None
        return held

    def _open(self, key: str, fence: Fence | None = None) -> _Key:
        """Return the key, now the newest; begin it where there is none."""
        held = self._find(key)
        if held is None:
            self._make_room(key)
            held = self._keys[key] = _Key(fence.token if fence else new_epoch())
        self._keys.move_to_end(key)
        return held

    def _make_room(self, key: str) -> None:
        if len(self._keys) < self._max_keys:
            return
        now = self._now()
        for name in [name for name, held in self._keys.items() if held.expires <= now]:
            del self._keys[name]
        if len(self._keys) < self._max_keys:
            return
        oldest = next((name for name in self._keys if not self._waiters.is_awaited(name)), None)
        if oldest is None:
            raise LogFull(key, self._max_keys, "keys, all of them followed")
        del self._keys[oldest]
