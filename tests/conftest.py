"""What every test may use.

- ``async def test_...`` runs on an event loop of its own, and fails when it leaves a task running.
- ``require(condition, what)``: a missing component skips, and fails under ``CI=true``.
- ``shared_data``: the folder of measured data beside the repository.
- A server that a test forgot to stop fails the run.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support import servers

__all__ = ("SHARED_DATA", "require")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


# One machine may be slower than the next, and a green run stays green: chance is for `make fuzz`.
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=20_000)
settings.load_profile("fuzz" if os.environ.get("PENSTOCK_FUZZ") else "house")


def require(condition: object, what: str) -> None:
    """Go on only with ``what``: without it skip here, and fail where everything must be there."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(f"missing: {what} (under CI a test may not be skipped for it)")
    pytest.skip(f"missing: {what}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared data folder; skips where the repository stands alone."""
    require(SHARED_DATA.is_dir(), "the shared data beside the repository")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def _no_server_left() -> Iterator[None]:
    yield
    left = list(servers.running)
    for server in left:
        server.kill()
    assert not left, f"servers left running: {left}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what draws its cases at random."""
    for item in items:
        test = getattr(item, "obj", None)
        if getattr(test, "is_hypothesis_test", False) or item.path.stem.endswith("_random"):
            item.add_marker(pytest.mark.fuzz)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an ``async def`` test."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(_alone(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})))
    return True


async def _alone(test: Any) -> None:
    await test
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        # What was told to stop may need a few turns to have stopped.
        _, others = await asyncio.wait(others, timeout=1.0)
    assert not others, f"tasks left running: {sorted(map(repr, others))}"
