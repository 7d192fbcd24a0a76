"""Half a minute of the soak; ``make soak`` is ten minutes of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers.reading import complaints as printed
from tests.soak import complaints, soak
from tests.support.servers import serve


@pytest.mark.timeout(180)
def test_nothing_is_left_behind() -> None:
    # F1, F4, F9, E6, S3
    with serve("uvicorn", "soak_room:app") as server:
        before, after, done = asyncio.run(soak(server, 26.0, seed=1))
        assert complaints(before, after) == []
        assert all(done.values()), done
        assert not printed(server)
