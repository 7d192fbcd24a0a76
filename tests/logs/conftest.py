"""Fixtures that make logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.logs.making import OpenLog, memory_opener, sqlite_opener


@pytest.fixture
def open_memory() -> OpenLog:
    return memory_opener()


@pytest.fixture
def open_sqlite(tmp_path: Path) -> OpenLog:
    return sqlite_opener(tmp_path / "events.db")
