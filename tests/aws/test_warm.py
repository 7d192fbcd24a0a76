"""A container's long life: many invocations, large ones, slow ones."""

from __future__ import annotations

import json
import random

from tests.aws.support.functions import running
from tests.support.process import rss

MEGABYTE = 1024 * 1024


def test_a_thousand_invocations_in_one_process() -> None:
    # L12: one in ten fails, in a random way; the next is always clean
    chance = random.Random(4)
    kinds = ["raise", "leak", "cancel", "early", "deadline"]
    with running("shapes.random") as function:
        seen = []
        for number in range(1000):
            kind = chance.choice(kinds) if chance.random() < 0.1 else "good"
            early = (413, b"{}") if kind == "early" else None
            call = function.api.invoke({"kind": kind}, early=early).wait()
            assert call.refusals == []
            if kind == "good":
                assert not call.trailers
                seen.append(json.loads(call.body))
            if number % 100 == 0:
                assert function.process.poll() is None
        assert function.api.refused == []
        # As at the beginning, when it had warmed up.
        assert seen[-1]["fds"] <= seen[3]["fds"]
        assert seen[-1]["tasks"] <= seen[3]["tasks"]


def test_200_mb_at_a_slow_readers_pace() -> None:
    # L13
    with running("shapes.flood") as function:
        function.api.invoke({"bytes": 10 * MEGABYTE}, keep=False).wait()
        before = rss(function.process.pid)
        call = function.api.invoke(
            {"bytes": 200 * MEGABYTE}, keep=False, read_rate=60 * MEGABYTE, deadline=120
        )
        call.started.wait(20)
        most = before
        while not call.answered.wait(0.1):
            most = max(most, rss(function.process.pid))
        assert call.size == 200 * MEGABYTE
        assert most - before < 12 * MEGABYTE
