"""Fixtures that make logs."""

from __future__ import annotations

import pytest

from tests.logs.making import OpenLog, memory_opener


@pytest.fixture
def open_memory() -> OpenLog:
    return memory_opener()
