"""What a log says to SQLite.

Lives here: the statements, each inside a transaction of its caller's, on the tables of
``_sqlite_thread.py``. Stays out: threads, and what a log promises.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from penstock.core.log import PAGE_BYTES, Entry, EventId, Fence, Keep, Sequenced
from penstock.errors import StaleFence
from penstock.logs._ids import Span, make_id, new_epoch

__all__ = (
    "Row",
    "check_fence",
    "delete_key",
    "find_key",
    "open_key",
    "put_rows",
    "read_page",
    "remember",
    "seen_ids",
    "set_ttl",
    "set_until",
    "to_text",
    "writing",
)

# Writers of a key whose last append is remembered, so that its retry is recognised.
_MAX_WRITERS = 256


class Row(NamedTuple):
    """A key as it stands in its table."""

    id: int
    epoch: str
    first: int
    last: int
    ending: str | None


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction that holds the file's one write lock from its start."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def find_key(db: sqlite3.Connection, key: str, now: float) -> Row | None:
    row = db.execute(
        "SELECT id, epoch, first, last, ending FROM penstock_keys "
        "WHERE key = ? AND (expires IS NULL OR expires > ?)",
        (key, now),
    ).fetchone()
    return Row(*row) if row else None


def open_key(db: sqlite3.Connection, key: str, now: float, fence: Fence | None) -> Row:
    """Return the key; begin it where there is none."""
    row = find_key(db, key, now)
    if row is None:
        delete_key(db, key)  # it may have expired
        epoch = fence.token if fence is not None else new_epoch()
        db.execute(
            "INSERT INTO penstock_keys (key, epoch, first, last, rev) VALUES (?, ?, 1, 0, 0)",
            (key, epoch),
        )
        row = find_key(db, key, now)
        assert row is not None
    return row


def put_rows(
    db: sqlite3.Connection,
    row: Row,
    rows: Sequence[tuple[Any, ...]],
    keep: Keep | None,
    now: float,
) -> int:
    """Add events; return the number of the last."""
    last = row.last + len(rows)
    numbers = range(row.last + 1, last + 1)
    db.executemany(
        "INSERT INTO penstock_events VALUES (?, ?, ?, ?, ?)",
        [(row.id, number, *each) for number, each in zip(numbers, rows, strict=True)],
    )
    db.execute("UPDATE penstock_news SET rev = rev + 1")
    db.execute(
        "UPDATE penstock_keys SET last = ?, rev = (SELECT rev FROM penstock_news) WHERE id = ?",
        (last, row.id),
    )
    if keep is not None:
        first = max(row.first, last - keep.max_events + 1)
        set_ttl(db, row, keep, now)
        if first > row.first:
            db.execute("UPDATE penstock_keys SET first = ? WHERE id = ?", (first, row.id))
            db.execute(
                "DELETE FROM penstock_events WHERE key_id = ? AND number < ?", (row.id, first)
            )
    return last


def set_ttl(db: sqlite3.Connection, row: Row, keep: Keep, now: float) -> None:
    """Say when the key is forgotten."""
    expires = None if keep.ttl is None else now + keep.ttl
    db.execute("UPDATE penstock_keys SET expires = ? WHERE id = ?", (expires, row.id))


def read_page(
    db: sqlite3.Connection, key: str, after: EventId | None, limit: int, now: float
) -> list[Entry]:
    db.execute("BEGIN")  # both selects see one moment
    try:
        row = find_key(db, key, now)
        span = Span(row.epoch, row.first, row.last) if row else Span(None, 1, 0)
        start = span.start(after)
        if row is None or start > row.last:
            return []
        rows = db.execute(
            "SELECT number, data, meta, ending FROM penstock_events "
            "WHERE key_id = ? AND number >= ? ORDER BY number LIMIT ?",
            (row.id, start, limit),
        )
        return _page(row, rows)
    finally:
        db.execute("COMMIT")


def _page(row: Row, rows: sqlite3.Cursor) -> list[Entry]:
    page, size = [], 0
    for number, data, meta, ending in rows:
        known = json.loads(meta) if meta else {}
        page.append(Entry(make_id(row.epoch, number), data, known, ending))
        size += len(data)
        if size > PAGE_BYTES:
            break
    rows.close()  # or the transaction could not end
    return page


def seen_ids(db: sqlite3.Connection, row: Row, sequence: Sequenced) -> list[EventId] | None:
    """Return the ids that this append got when it was made before."""
    found = db.execute(
        "SELECT number, first, last FROM penstock_writers WHERE key_id = ? AND writer = ?",
        (row.id, sequence[0]),
    ).fetchone()
    if found is None or sequence[1] > found[0]:
        return None
    return [make_id(row.epoch, number) for number in range(found[1], found[2] + 1)]


def remember(db: sqlite3.Connection, row: Row, sequence: Sequenced, last: int) -> None:
    db.execute(
        "INSERT OR REPLACE INTO penstock_writers VALUES (?, ?, ?, ?, ?)",
        (row.id, *sequence, row.last + 1, last),
    )
    db.execute(
        "DELETE FROM penstock_writers WHERE key_id = ?1 AND first < (SELECT first FROM "
        "penstock_writers WHERE key_id = ?1 ORDER BY first DESC LIMIT 1 OFFSET ?2)",
        (row.id, _MAX_WRITERS),
    )


def delete_key(db: sqlite3.Connection, key: str) -> None:
    row = db.execute("SELECT id FROM penstock_keys WHERE key = ?", (key,)).fetchone()
    if row is not None:
        db.execute("DELETE FROM penstock_events WHERE key_id = ?", row)
        db.execute("DELETE FROM penstock_writers WHERE key_id = ?", row)
        db.execute("DELETE FROM penstock_keys WHERE id = ?", row)


def check_fence(db: sqlite3.Connection, fence: Fence | None, now: float) -> None:
    if fence is None:
        return
    held = db.execute(
        "SELECT 1 FROM penstock_claims WHERE key = ? AND token = ? AND until > ?",
        (fence.key, fence.token, now),
    ).fetchone()
    if held is None:
        raise StaleFence(fence.key, fence.run)


def set_until(db: sqlite3.Connection, fence: Fence, until: float) -> None:
    db.execute(
        "UPDATE penstock_claims SET until = ? WHERE key = ? AND token = ?",
        (until, fence.key, fence.token),
    )


def to_text(meta: Mapping[str, str]) -> str | None:
    return json.dumps(dict(meta)) if meta else None
