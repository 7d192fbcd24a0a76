"""A log in an SQLite file: it survives a restart, and serves the processes of one machine.

Lives here: the log's words as transactions. Stays out: the thread that runs them
(``_sqlite_thread.py``), and the statements (``_sqlite_rows.py``).

What an append that returned survives is the death of every process (WAL, synchronous=NORMAL); after
a loss of power the last ones may be missing.
"""

from __future__ import annotations

import math
import os
import sqlite3
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TypeVar

from penstock.clock import current_clock
from penstock.core.log import Claim, Entry, EventId, Fence, Keep, NewEntry, Sequenced, follow_log
from penstock.errors import InvalidOption, LogClosed, LogFull
from penstock.logs._ids import make_id, new_epoch
from penstock.logs._sqlite_rows import (
    check_fence,
    delete_key,
    find_key,
    open_key,
    put_rows,
    read_page,
    remember,
    seen_ids,
    set_ttl,
    set_until,
    to_text,
    writing,
)
from penstock.logs._sqlite_thread import SqliteThread
from penstock.logs._waiters import Waiters

__all__ = ("SqliteLog",)

T = TypeVar("T")

_KEEP = Keep()

# Seconds between two sweeps for what has expired, and rows that one takes.
_SWEEP_EVERY, _SWEEP_ROWS = 5.0, 200

# Seconds a claim is remembered after its lease; its number then begins again.
_CLAIM_KEPT = 86_400.0


class SqliteLog:
    """An ``EventLog`` in an SQLite file.

    Processes on other machines must not share the file: SQLite's locks do not reach over a
    network.

    Args:
        path: The file; made where there is none. Two more appear beside it.
        poll: Seconds between two looks for what other processes wrote, while somebody waits.

    Raises:
        InvalidOption: ``path`` is a database in memory, or ``poll`` no number above 0.

    Example:
        ``log = SqliteLog("events.db"); id = await log.append("room", b"hi")``
    """

    def __init__(self, path: str | os.PathLike[str], *, poll: float = 0.02) -> None:
        self._path = os.fspath(path)
        if not self._path or self._path.startswith((":memory:", "file:")):
            raise InvalidOption("path", path, "the name of a file (MemoryLog keeps in memory)")
        if isinstance(poll, bool) or not isinstance(poll, (int, float)) or not 0 < poll <= 10:
            raise InvalidOption("poll", poll, "seconds, above 0 and at most 10")
        self._path, self._poll = os.path.abspath(self._path), poll
        self._waiters = Waiters()
        self._thread: SqliteThread | None = None
        self._process = 0
        self._swept = -math.inf

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
        return (await self.append_many(key, entries, fence=fence, sequence=sequence, keep=keep))[0]

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
        if not entries:
            return []
        now, keep = self._now(), keep or _KEEP
        rows = [(bytes(each.data), to_text(each.meta), None) for each in entries]

        def job(db: sqlite3.Connection) -> list[EventId]:
            with writing(db):
                self._sweep(db, now)
                check_fence(db, fence, now)
                row = open_key(db, key, now, fence)
                if sequence is not None and (ids := seen_ids(db, row, sequence)) is not None:
                    return ids
                if row.ending is not None:
                    raise LogClosed(key, row.ending)
                if not keep.trim and row.last - row.first + 1 + len(rows) > keep.max_events:
                    raise LogFull(key, keep.max_events)
                last = put_rows(db, row, rows, keep, now)
                if sequence is not None:
                    remember(db, row, sequence, last)
            self._waiters.wake(key)
            return [make_id(row.epoch, number) for number in range(row.last + 1, last + 1)]

        return await self._do(job)

    async def read(
        self, key: str, *, after: EventId | None = None, limit: int = 256, wait: float = 0.0
    ) -> list[Entry]:
        """Return the events after a cursor (``EventLog``)."""
        now = self._now()

        def job(db: sqlite3.Connection) -> list[Entry]:
            return read_page(db, key, after, limit, now)

        thread = self._opened()  # one for all three: a log that is closed meanwhile stays closed
        page = await thread.do(job)
        if page or wait <= 0:
            return page
        with thread.waiters.ticket(key) as ticket:
            page = await thread.do(job)  # an append in between
            if page or not await ticket.wait(wait):
                return page
        now = self._now()
        return await thread.do(job)

    def follow(self, key: str, *, after: EventId | None = None) -> AsyncGenerator[Entry]:
        """Yield what is held, then what comes (``EventLog``)."""
        return follow_log(self, key, after=after)

    async def tail(self, key: str) -> EventId:
        """Return the cursor of now (``EventLog``)."""
        now = self._now()

        def job(db: sqlite3.Connection) -> EventId:
            with writing(db):
                row = open_key(db, key, now, None)
            return make_id(row.epoch, row.last)

        return await self._do(job)

    async def oldest(self, key: str) -> EventId | None:
        """Return the id of the oldest event that is held (``EventLog``)."""
        now = self._now()

        def job(db: sqlite3.Connection) -> EventId | None:
            row = find_key(db, key, now)
            return make_id(row.epoch, row.first) if row and row.first <= row.last else None

        return await self._do(job)

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
        now = self._now()

        def job(db: sqlite3.Connection) -> bool:
            with writing(db):
                check_fence(db, fence, now)
                row = open_key(db, key, now, fence)
                if row.ending is not None:
                    return False
                put_rows(db, row, [(bytes(data), None, ending)], None, now)
                db.execute("UPDATE penstock_keys SET ending = ? WHERE id = ?", (ending, row.id))
                if keep is not None:
                    set_ttl(db, row, keep, now)
            self._waiters.wake(key)
            return True

        return await self._do(job)

    async def ending(self, key: str) -> str | None:
        """Return how a key has ended (``EventLog``)."""
        now = self._now()

        def job(db: sqlite3.Connection) -> str | None:
            row = find_key(db, key, now)
            return row.ending if row is not None else None

        return await self._do(job)

    async def delete(self, key: str) -> None:
        """Forget a key (``EventLog``)."""

        def job(db: sqlite3.Connection) -> None:
            with writing(db):
                delete_key(db, key)
                db.execute("UPDATE penstock_news SET deletions = deletions + 1")
            self._waiters.wake(key)

        await self._do(job)

    # --- claims

    async def claim(self, key: str, *, lease: float, takeover: bool = False) -> Fence | None:
        """Become the one writer of ``key`` (``EventLog``)."""
        now = self._now()

        def job(db: sqlite3.Connection) -> Fence | None:
            with writing(db):
                row = db.execute(
                    "SELECT run, until FROM penstock_claims WHERE key = ?", (key,)
                ).fetchone()
                if row is not None and row[1] > now and not takeover:
                    return None
                # Made under the lock: it sorts behind the one before.
                fence = Fence(key, row[0] + 1 if row else 1, new_epoch())
                db.execute(
                    "INSERT OR REPLACE INTO penstock_claims VALUES (?, ?, ?, ?)",
                    (key, fence.run, fence.token, now + lease),
                )
                return fence

        return await self._do(job)

    async def renew(self, fence: Fence, *, lease: float) -> None:
        """Hold the claim for ``lease`` seconds from now (``EventLog``)."""
        now = self._now()

        def job(db: sqlite3.Connection) -> None:
            with writing(db):
                check_fence(db, fence, now)
                set_until(db, fence, now + lease)

        await self._do(job)

    async def release(self, fence: Fence) -> None:
        """Give the claim back (``EventLog``)."""
        now = self._now()
        await self._do(lambda db: set_until(db, fence, now))

    async def claimed(self, key: str) -> Claim | None:
        """Return how the claim on ``key`` stands (``EventLog``)."""
        now = self._now()

        def job(db: sqlite3.Connection) -> Claim | None:
            row = db.execute(
                "SELECT run, token, until FROM penstock_claims WHERE key = ?", (key,)
            ).fetchone()
            return Claim(row[0], row[1], max(0.0, row[2] - now)) if row else None

        return await self._do(job)

    # --- the thread

    async def aclose(self) -> None:
        """End the thread, close the file (``EventLog``)."""
        thread, self._thread = self._thread, None
        self._waiters.close()
        if thread is not None and self._process == os.getpid():
            await thread.stopped()

    @staticmethod
    def _now() -> float:
        return current_clock().wall()

    async def _do(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._opened().do(job)

    def _opened(self) -> SqliteThread:
        if self._thread is None or self._process != os.getpid():
            # Here, not in the constructor: a fork takes over neither threads nor connections.
            self._waiters, self._process = Waiters(), os.getpid()
            self._thread = SqliteThread(self._path, self._waiters, self._poll)
            weakref.finalize(self, self._thread.stop)  # a log that nobody closed, and nobody has
        return self._thread

    def _sweep(self, db: sqlite3.Connection, now: float) -> None:
        if now - self._swept < _SWEEP_EVERY:
            return
        self._swept = now
        rows = db.execute(
            "SELECT key FROM penstock_keys WHERE expires <= ? LIMIT ?", (now, _SWEEP_ROWS)
        ).fetchall()
        for (key,) in rows:
            delete_key(db, key)
        db.execute("DELETE FROM penstock_claims WHERE until < ?", (now - _CLAIM_KEPT,))
