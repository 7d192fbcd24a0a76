"""Fixtures that make logs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import require
from tests.logs.making import OpenLog, memory_opener, redis_opener, sqlite_opener
from tests.support.redis import RedisServer


@pytest.fixture
def open_memory() -> OpenLog:
    return memory_opener()


@pytest.fixture
def open_sqlite(tmp_path: Path) -> OpenLog:
    return sqlite_opener(tmp_path / "events.db")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A redis-server for the whole run; each test has keys of its own in it."""
    require(shutil.which("redis-server"), "redis-server")
    with RedisServer() as server:
        yield server


@pytest.fixture
def open_redis(redis_server: RedisServer) -> OpenLog:
    return redis_opener(redis_server.url, uuid4().hex)
