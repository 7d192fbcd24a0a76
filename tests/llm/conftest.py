"""One scripted provider for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.llm.support import sdks
from tests.llm.support.provider import Provider, running_provider

__all__ = ("closed_sdks", "provider")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def closed_sdks() -> Iterator[None]:
    yield
    sdks.close_all()
