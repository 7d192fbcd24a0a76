"""Many readers at once that leave at random."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time

from tests.servers.reading import complaints, debug, read_until, start, wait_for
from tests.support.http import request

READERS = 200
SECONDS = 30.0 if os.environ.get("PENSTOCK_LONG") else 4.0


def test_readers_that_come_and_go_leave_nothing_behind() -> None:
    # F4: no task, no producer and no descriptor is left, and nobody complains
    with start("uvicorn", args=["--no-access-log"]) as server:
        baseline = debug(server)
        until = time.monotonic() + SECONDS
        failures: list[BaseException] = []

        def come_and_go(seed: int) -> None:
            chance = random.Random(seed)
            try:
                turns = itertools.count()
                while next(turns) < 2 or time.monotonic() < until:
                    with request(server.port, target="/ticks?gap=0.1", timeout=30.0) as stream:
                        for _ in range(chance.randrange(8)):
                            read_until(stream, b"\n\n", 30.0)
                        chance.choice((stream.leave, stream.reset))()
            except BaseException as exc:  # of a thread: told to the test
                failures.append(exc)

        threads = [threading.Thread(target=come_and_go, args=(i,)) for i in range(READERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        seen = wait_for(
            server,
            lambda seen: (
                not seen["calls"]
                and not seen["tasks"]
                and seen["started"] == seen["cleaned"]
                and seen["fds"] <= baseline["fds"] + 1
            ),
        )
        print(f"{seen['started']['ticks']} streams, {seen['made']['ticks']} events")
        assert seen["started"]["ticks"] > READERS
        assert not complaints(server)
