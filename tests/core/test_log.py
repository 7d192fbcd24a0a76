"""What a log's words are by themselves; what logs do with them: ``tests/logs``."""

from __future__ import annotations

import pytest

from penstock.core.log import Claim, Entry, EventLog, Keep, follow_log, split_cursor
from penstock.errors import CursorGone, InvalidOption
from penstock.logs import MemoryLog, RedisLog, SqliteLog
from penstock.logs._ids import Span, make_id, new_epoch

EPOCH = new_epoch()

CURSORS: dict[str, tuple[str, tuple[str, int] | None]] = {
    "an id": (make_id(EPOCH, 7), (EPOCH, 7)),
    "before the first": (make_id(EPOCH, 0), (EPOCH, 0)),
    "empty": ("", None),
    "a number": ("41", None),
    "the end mark": ("~end", None),
    "a line end": (make_id(EPOCH, 7) + "\n", None),
    "a space": (" " + make_id(EPOCH, 7), None),
    "capitals": ("A" * 20 + "-" + "0" * 12, None),
    "other digits": (EPOCH + "-" + "٣" * 12, None),
    "redis's own": ("1700000000000-0", None),
}


@pytest.mark.parametrize(("cursor", "parts"), CURSORS.values(), ids=CURSORS)
def test_a_cursor_is_taken_apart(cursor: str, parts: tuple[str, int] | None) -> None:
    assert split_cursor(cursor) == parts


def test_epochs_sort_and_are_never_alike() -> None:
    epochs = [new_epoch() for _ in range(2000)]
    assert epochs == sorted(set(epochs))


SPANS: dict[str, tuple[Span, str | None, int | str]] = {
    "no key, no cursor": (Span(None, 1, 0), None, 1),
    "no key": (Span(None, 1, 0), make_id(EPOCH, 1), "unknown"),
    "from the oldest": (Span(EPOCH, 5, 9), None, 5),
    "inside": (Span(EPOCH, 5, 9), make_id(EPOCH, 7), 8),
    "at the end": (Span(EPOCH, 5, 9), make_id(EPOCH, 9), 10),
    "just trimmed": (Span(EPOCH, 5, 9), make_id(EPOCH, 4), 5),
    "trimmed": (Span(EPOCH, 5, 9), make_id(EPOCH, 3), "too old"),
    "of the future": (Span(EPOCH, 5, 9), make_id(EPOCH, 10), "unknown"),
    "another life": (Span(EPOCH, 5, 9), make_id("0" * 20, 7), "unknown"),
    "empty": (Span(EPOCH, 1, 0), make_id(EPOCH, 0), 1),
}


@pytest.mark.parametrize(("span", "cursor", "start"), SPANS.values(), ids=SPANS)
def test_where_a_reader_goes_on(span: Span, cursor: str | None, start: int | str) -> None:  # S5
    if isinstance(start, int):
        assert span.start(cursor) == start
        return
    with pytest.raises(CursorGone) as gone:
        span.start(cursor)
    assert gone.value.reason == start
    assert gone.value.oldest == (make_id(EPOCH, 5) if span.epoch else None)


@pytest.mark.parametrize("wrong", [{"ttl": True}, {"ttl": float("nan")}, {"max_events": True}])
def test_keep_is_checked(wrong: dict) -> None:
    with pytest.raises(InvalidOption):
        Keep(**wrong)


def test_a_claim_says_whether_it_is_held() -> None:
    assert Claim(1, "t", 0.1).is_held
    assert not Claim(1, "t", 0.0).is_held


def test_every_log_fills_the_protocol() -> None:
    logs: list[type[EventLog]] = [MemoryLog, RedisLog, SqliteLog]  # mypy's and pyright's test
    for log in logs:
        for name in (
            "append",
            "append_many",
            "read",
            "follow",
            "tail",
            "oldest",
            "close",
            "ending",
        ):
            assert getattr(log, name).__doc__


async def test_following_ends_behind_the_ending() -> None:
    log = MemoryLog()
    await log.append("k", b"a")
    await log.close("k", "completed")
    entries: list[Entry] = [entry async for entry in follow_log(log, "k")]
    assert [(entry.data, entry.ending) for entry in entries] == [(b"a", None), (b"", "completed")]
