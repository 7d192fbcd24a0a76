"""The thread that owns a log's SQLite connection.

Lives here: the connection, the jobs done on it one after the other, and the watch for what other
processes write. Stays out: what the jobs say (``sqlite.py``).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from penstock.errors import LogUnavailable, StreamClosed
from penstock.logs._waiters import Waiters

__all__ = ("SqliteThread",)

T = TypeVar("T")

# Seconds to wait for another process's write; SQLite holds its lock for one transaction.
_BUSY = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS penstock_keys (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, ending TEXT, expires REAL, rev INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS penstock_keys_rev ON penstock_keys (rev);
CREATE INDEX IF NOT EXISTS penstock_keys_expires ON penstock_keys (expires);
CREATE TABLE IF NOT EXISTS penstock_events (
    key_id INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL, meta TEXT, ending TEXT,
    PRIMARY KEY (key_id, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS penstock_writers (
    key_id INTEGER NOT NULL, writer TEXT NOT NULL, number INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (key_id, writer)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS penstock_claims (
    key TEXT PRIMARY KEY, run INTEGER NOT NULL, token TEXT NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS penstock_news (rev INTEGER NOT NULL, deletions INTEGER NOT NULL);
INSERT INTO penstock_news SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM penstock_news);
"""

# A job, and whom to give its result to: (result, error).
_Give: TypeAlias = Callable[[Any, BaseException | None], None]
_Job: TypeAlias = tuple[Callable[[sqlite3.Connection], Any], _Give]


class SqliteThread:
    """A thread with a connection of its own.

    Args:
        path: The database's file.
        waiters: Who is woken by what other processes write.
        poll: Seconds between two looks, while somebody waits.
    """

    def __init__(self, path: str, waiters: Waiters, poll: float) -> None:
        self._path, self.waiters, self._poll = path, waiters, poll
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._over = False
        self._looked = 0.0
        self._version = self._rev = self._deletions = -1
        self._thread = threading.Thread(target=self._run, name="penstock sqlite", daemon=True)
        self._thread.start()

    async def do(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``job(connection)`` returns; jobs are done in the order of the calls.

        Raises:
            LogUnavailable: SQLite failed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((job, _giver(future, loop)))
        if self._over:
            self._refuse_rest()
        return await future

    def stop(self) -> None:
        """End once what was asked for is done; do not wait for it."""
        self._jobs.put(None)

    async def stopped(self) -> None:
        """Return once the connection is closed."""
        self.stop()
        await asyncio.to_thread(self._thread.join)

    # --- in the thread

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            while True:
                try:
                    job = self._jobs.get(timeout=self._poll if self.waiters else None)
                    if job is None:
                        return
                    if connection is None:
                        connection = self._open(job)
                    if connection is not None:
                        _perform(job, connection)
                except queue.Empty:
                    pass
                # Not only when there is nothing else to do: a busy writer's readers wait too.
                if connection is not None and time.monotonic() - self._looked >= self._poll:
                    self._look(connection)
        finally:
            self._over = True
            if connection is not None:
                connection.close()
            self._refuse_rest()

    def _open(self, job: _Job) -> sqlite3.Connection | None:
        """Return the connection; where that fails, tell the job that wanted it."""
        try:
            connection = connect(self._path)
            self._version = -1
            self._look(connection)
        except sqlite3.Error as exc:
            job[1](None, _unavailable(self._path, exc))
            return None
        return connection

    def _look(self, connection: sqlite3.Connection) -> None:
        """Wake whoever waits for a key that another connection wrote to."""
        self._looked = time.monotonic()
        try:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version == self._version:
                return
            news = connection.execute("SELECT rev, deletions FROM penstock_news").fetchone()
            rows = connection.execute("SELECT key FROM penstock_keys WHERE rev > ?", (self._rev,))
            keys = [key for (key,) in rows]
        except sqlite3.Error:
            # Whoever waits looks for itself, meets the same error, and can be told.
            self.waiters.wake_all()
            return
        self._version = version
        (self._rev, deletions), before = news, self._deletions
        self._deletions = deletions
        if before != deletions:
            self.waiters.wake_all()
        for key in keys:
            self.waiters.wake(key)

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                job[1](None, StreamClosed("the log was closed"))


def connect(path: str) -> sqlite3.Connection:
    """Return a connection to a database that is in WAL mode and has the tables."""
    connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _BUSY
    while True:
        try:
            # Going over to WAL takes a lock that SQLite's own timeout does not wait for.
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as exc:
            busy = exc.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


def _giver(future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> _Give:
    def give(result: Any, error: BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(_settle, future, result, error)
        except RuntimeError:  # that loop is closed, and who waited is gone with it
            return

    return give


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # who waited was cancelled
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _perform(job: _Job, connection: sqlite3.Connection) -> None:
    try:
        result = job[0](connection)
    except sqlite3.Error as exc:
        job[1](None, _unavailable("the log's file", exc))
    except Exception as exc:  # the job's own answer
        job[1](None, exc)
    else:
        job[1](result, None)


def _unavailable(path: str, exc: sqlite3.Error) -> LogUnavailable:
    error = LogUnavailable(f"{path}: {exc}")
    error.__cause__ = exc
    return error
