from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.aws.container import container
from tests.aws.support.runtime_api import RuntimeApi


@pytest.fixture(scope="session", autouse=True)
def _close_the_container() -> Iterator[None]:
    yield
    container().close()


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as made:
        yield made
        assert made.refused == []
