"""A key that is deleted while it is followed, in each log."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from penstock import CursorGone
from tests.logs.making import LOGS, OpenLog


@pytest.fixture(params=LOGS)
def open_log(request: pytest.FixtureRequest) -> OpenLog:
    opener: OpenLog = request.getfixturevalue(f"open_{request.param}")
    return opener


async def test_a_follower_of_a_deleted_key_is_told_at_once(open_log: OpenLog) -> None:  # S5, S6
    async with open_log() as log, open_log() as other:
        for deleter in (log, other):
            ids = [await log.append("k", b"") for _ in range(3)]
            followers = [each.follow("k", after=ids[0]) for each in (log, other)]
            async with aclosing(followers[0]), aclosing(followers[1]):
                for follower in followers:
                    assert [(await anext(follower)).id for _ in ids[1:]] == ids[1:]
                waiting = [asyncio.ensure_future(anext(follower)) for follower in followers]
                await asyncio.sleep(0.05)
                await deleter.delete("k")
                with pytest.raises(CursorGone, match="unknown"):
                    await deleter.read("k", after=ids[0])  # nor is it still at hand
                async with asyncio.timeout(10):
                    for told in waiting:
                        with pytest.raises(CursorGone, match="unknown"):
                            await told
            for each in (log, other):
                with pytest.raises(CursorGone, match="unknown"):
                    await each.read("k", after=ids[0])
