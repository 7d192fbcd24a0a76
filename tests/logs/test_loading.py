"""What naming a log loads, and what its constructor does not do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import penstock.logs
from penstock import ExtraNotInstalled, InvalidOption, LogUnavailable
from penstock.logs import MemoryLog, RedisLog, SqliteLog
from tests.test_house import loaded_by


def test_naming_a_log_loads_no_other() -> None:
    assert not {"redis", "sqlite3"} & loaded_by("import penstock.logs")
    assert not {"redis", "sqlite3"} & loaded_by("from penstock.logs import MemoryLog; MemoryLog()")
    assert "redis" not in loaded_by("from penstock.logs import SqliteLog; SqliteLog('x.db')")
    assert "redis" not in loaded_by("from penstock.logs import RedisLog")


def test_the_names() -> None:
    assert dir(penstock.logs) == sorted(penstock.logs.__all__)
    assert {penstock.logs.MemoryLog, penstock.logs.RedisLog, penstock.logs.SqliteLog} == {
        MemoryLog,
        RedisLog,
        SqliteLog,
    }
    with pytest.raises(AttributeError, match="KafkaLog"):
        penstock.logs.KafkaLog  # noqa: B018  # getting it is the test


def test_a_constructor_opens_nothing(tmp_path: Path) -> None:
    SqliteLog(tmp_path / "missing" / "x.db")
    RedisLog("redis://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []


def test_without_redis_py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ExtraNotInstalled, match=r"penstock\[redis\]"):
        RedisLog("redis://127.0.0.1")


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://127.0.0.1", "", None])
def test_a_url_is_checked(url: str) -> None:
    with pytest.raises(InvalidOption, match="redis://"):
        RedisLog(url)


@pytest.mark.parametrize("patience", [0, -1, 15_000, "1"])
def test_patience_is_checked(patience: float) -> None:
    with pytest.raises(InvalidOption, match="patience"):
        RedisLog("redis://127.0.0.1", patience=patience)


@pytest.mark.parametrize("path", ["", ":memory:", "file:x?mode=memory"])
def test_a_path_is_checked(path: str) -> None:
    with pytest.raises(InvalidOption, match="path"):
        SqliteLog(path)


@pytest.mark.parametrize("poll", [0, -1, 11, "1"])
def test_poll_is_checked(poll: float) -> None:
    with pytest.raises(InvalidOption, match="poll"):
        SqliteLog("x.db", poll=poll)


async def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("this is no database, and long enough to be seen as none" * 20)
    for path in (tmp_path / "missing" / "x.db", tmp_path / "no.db"):
        log = SqliteLog(path)
        with pytest.raises(LogUnavailable):
            await log.append("k", b"")
        with pytest.raises(LogUnavailable):  # and again: the thread lives
            await log.read("k")
        await log.aclose()
