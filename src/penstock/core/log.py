"""``EventLog``: the single idea behind history, fan-out, ``Last-Event-ID`` and resumable answers.

Lives here: the Protocol with its promises, and the values it speaks of. Stays out: how a log keeps
its events (``logs/``), and what an event means (``channel``, ``resume``).

A log keeps, for each key, a list of events in one order. What is promised, by every log:

- **Order.** All readers of a key see its events in one order, that of their ids.
- **Kept.** An append that returned is seen by every later read, from every process that the log
  serves, and survives what the log says it survives (memory: nothing; SQLite: the death of a
  process; Redis: what its own fsync policy says).
- **Once.** A retry under the same ``sequence`` is recognised and not kept twice. So is a log's own
  retry after a reply that was lost.
- **Together.** What one ``append_many`` adds stands together: nothing comes in between.
- **Ids.** An id, ``<epoch>-<number>``, names one event for ever. Ids of a key sort as strings and
  keep growing; they hold only ``[0-9a-f-]``, so they may stand in a ``Last-Event-ID``. The
  *epoch* is one life of the key: when it begins anew (a memory log's process has restarted, a key
  has expired), its old ids are unknown, and never taken for another event's. What begins under a
  fence has its token for an epoch. Numbers count from 1, without a gap.
- **Never a silent gap.** A reader whose cursor is unknown or too old gets ``CursorGone``.
- **One writer**, where that is wanted: a claim is won by one of all processes, for the time of a
  lease that is renewed; whoever lost it gets ``StaleFence`` from everything it does.
- **Bounded.** Each key by ``Keep``, a reader by its page: no log buffers for a slow reader, which
  reads on by id. Readers that wait are woken at once, in other processes within some 30 ms.

Not promised: order across keys; that a key's events outlive its bound or its time to live.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from penstock.errors import InvalidOption

__all__ = (
    "PAGE_BYTES",
    "Claim",
    "Entry",
    "EventId",
    "EventLog",
    "Fence",
    "Keep",
    "NewEntry",
    "Sequenced",
    "follow_log",
    "split_cursor",
)

# Sorts as a string within its key; "" and None are never ids.
EventId: TypeAlias = str

# A writer's name, unique for its life, and the number of this append of its: each higher than the
# one before. A number that was seen already is not appended again.
Sequenced: TypeAlias = tuple[str, int]

_ID = re.compile(r"([0-9a-f]{20})-([0-9]{12})", re.ASCII)

_NOTHING: Mapping[str, str] = {}

# Bytes of payload past which no event is added to a page.
PAGE_BYTES = 1 << 20

# Seconds that one wait of a follower takes at most; it then looks again.
_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is to be appended.

    Attributes:
        data: The payload; the log does not look into it.
        meta: A little text beside it, such as a channel's event name and ``match``.
    """

    data: bytes
    meta: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Entry:
    """What was appended, as it is read back.

    Attributes:
        id: Its id, the cursor of a reader that has come so far.
        data: The payload.
        meta: The text beside it.
        ending: None; in a closed key's last entry, how it ended: a word of whoever closed it.
    """

    id: EventId
    data: bytes
    meta: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    ending: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much of a key is kept; given with each append, and the last word counts.

    Attributes:
        max_events: Events that a key holds at most.
        trim: Past it: the oldest are dropped (a channel), or the append fails (an answer).
        ttl: Seconds after its last append at which a key is forgotten; None: never.
    """

    max_events: int = 1000
    trim: bool = True
    ttl: float | None = None

    def __post_init__(self) -> None:
        if type(self.max_events) is not int or self.max_events < 1:
            raise InvalidOption("max_events", self.max_events, "a whole number above 0")
        ttl = self.ttl
        if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, (int, float))):
            raise InvalidOption("ttl", ttl, "seconds, as a number above 0, or None")
        if ttl is not None and not 0 < ttl < float("inf"):
            raise InvalidOption("ttl", ttl, "seconds, as a number above 0, or None")


@dataclass(frozen=True, slots=True)
class Fence:
    """The proof of a claim, shown with everything its holder writes.

    Attributes:
        key: What is claimed.
        run: How often it was claimed, this time included.
        token: Tells this holder from every other, and sorts behind those before it.
    """

    key: str
    run: int
    token: str


@dataclass(frozen=True, slots=True)
class Claim:
    """How a claim stands.

    Attributes:
        run: Number of the newest run.
        token: Its fence's.
        remaining: Seconds until its lease ends unless it is renewed; 0 when it has ended or was
            released.
    """

    run: int
    token: str
    remaining: float

    @property
    def is_held(self) -> bool:
        """Whether somebody holds it now."""
        return self.remaining > 0


class EventLog(Protocol):
    """Keeps the events of keys. The module's docstring says what is promised.

    A log may be made anywhere, at import too: it connects when it is first used, on the loop and
    in the process that use it.

    Every method may raise ``LogUnavailable`` where a server or file is behind it.
    """

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
        """Add one event; return its id once it is kept.

        Appends that are under way at once, from one process, are kept in the order of the calls.

        Args:
            key: Which list it goes to.
            data: The payload.
            meta: A little text beside it.
            fence: The claim under which it is written; of whatever key.
            sequence: Makes a retry recognisable.
            keep: The key's bounds; None: ``Keep()``.

        Raises:
            StaleFence: The claim is over.
            LogClosed: The key has ended.
            LogFull: It is past a bound that may not be trimmed.
        """
        ...

    async def append_many(
        self,
        key: str,
        entries: Sequence[NewEntry],
        *,
        fence: Fence | None = None,
        sequence: Sequenced | None = None,
        keep: Keep | None = None,
    ) -> list[EventId]:
        """Add several events that stand together: all of them, or none.

        Raises:
            StaleFence, LogClosed, LogFull: As for ``append``.
        """
        ...

    async def read(
        self, key: str, *, after: EventId | None = None, limit: int = 256, wait: float = 0.0
    ) -> list[Entry]:
        """Return up to ``limit`` of the events after ``after``, the oldest first.

        Fewer, but one at least, where they are large: a page of a log that is kept elsewhere is
        cut at ``PAGE_BYTES``.

        Args:
            key: Which list.
            after: Cursor: the id of the last event that the reader has; None: from the oldest.
            limit: How many at most.
            wait: Seconds to wait where there is none yet; the list is empty when none came.

        Raises:
            CursorGone: It cannot be told what came after the cursor.
        """
        ...

    def follow(self, key: str, *, after: EventId | None = None) -> AsyncGenerator[Entry]:
        """Yield what is held after ``after``, then what comes, each once; in the end the ending.

        It ends behind the entry that closed the key. It holds no more than a page of entries: a
        slow follower reads on by id.

        Raises:
            CursorGone: As for ``read``; later on, too, when the follower is so slow that what it
                needs next was trimmed, or when the key was forgotten and began anew.
        """
        ...

    async def tail(self, key: str) -> EventId:
        """Return the cursor of now: a read after it gives what is appended from here on.

        It is the id of the newest event, or, in a key without any, a cursor before the first.
        """
        ...

    async def oldest(self, key: str) -> EventId | None:
        """Return the id of the oldest event that is held; None when none is."""
        ...

    async def close(
        self,
        key: str,
        ending: str = "closed",
        *,
        data: bytes = b"",
        fence: Fence | None = None,
        keep: Keep | None = None,
    ) -> bool:
        """End a key: its readers get a last entry that says ``ending``, its writers ``LogClosed``.

        Return False, and leave it alone, when it has ended already.

        Args:
            key: Which list.
            ending: How it ended, in one word of the caller's.
            data: What the last entry carries; it has room whatever the key's bound.
            fence: The claim under which it is closed; None: anybody may.
            keep: Its ``ttl`` counts from now; None: as it was.

        Raises:
            StaleFence: The claim is over.
        """
        ...

    async def ending(self, key: str) -> str | None:
        """Return how a key has ended; None when it has not, or is not there."""
        ...

    async def delete(self, key: str) -> None:
        """Forget a key's events and its ending; whoever follows it gets ``CursorGone``."""
        ...

    async def claim(self, key: str, *, lease: float, takeover: bool = False) -> Fence | None:
        """Become the one writer of ``key`` for ``lease`` seconds; None when somebody else is.

        ``takeover``: whoever holds it loses it.
        """
        ...

    async def renew(self, fence: Fence, *, lease: float) -> None:
        """Hold the claim for ``lease`` seconds from now.

        Raises:
            StaleFence: It is over: the lease has ended, or another took over.
        """
        ...

    async def release(self, fence: Fence) -> None:
        """Give the claim back; harmless when it is over."""
        ...

    async def claimed(self, key: str) -> Claim | None:
        """Return how the claim on ``key`` stands; None when there was none, or long ago."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads; those that wait for events get ``StreamClosed``.

        What is kept stays, and a log that is used again opens again.
        """
        ...


def split_cursor(id: EventId) -> tuple[str, int] | None:
    """Return the epoch and the number of an id; None when it is not one of a log's."""
    match = _ID.fullmatch(id)
    return (match[1], int(match[2])) if match else None


async def follow_log(
    log: EventLog, key: str, *, after: EventId | None = None
) -> AsyncGenerator[Entry]:
    """Follow ``key`` by reads that wait: what every log's ``follow`` is made of."""
    while True:
        for entry in await log.read(key, after=after, wait=_WAIT):
            after = entry.id
            yield entry
            if entry.ending is not None:
                return
