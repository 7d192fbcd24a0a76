"""A server killed and restarted 30 times under a reading client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.client import Reconnect, aconnect, connect
from tests.support.process import wait_until
from tests.support.servers import ROOT, held_port

LIVES = 30


class Reborn:
    def __init__(self, stop_file: Path) -> None:
        self._held, self._stop_file = held_port(), stop_file
        self.port = self._held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        command = [sys.executable, "-m", "tests.client.reborn", str(self.port), str(stop_file)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def kill_and_restart(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "again\n"

    def finish(self) -> None:
        self._stop_file.touch()

    def close(self) -> None:
        self.process.communicate("", timeout=30)
        self._held.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Reborn]:
    made = Reborn(tmp_path / "stop")
    try:
        yield made
    finally:
        made.close()


class Reader:
    """A client in a thread of its own, of either kind."""

    def __init__(self, url: str, face: str, **options: Any) -> None:
        self.events: list[Any] = []
        self.reconnects: list[Reconnect] = []
        self.opened: list[Any] = []
        self.options: dict[str, Any] = {
            # The server may not be up yet; and chance would only make the test slower.
            "max_retries": 10_000, "retry_delay": 0.02, "uniform": lambda low, high: low,
            "on_reconnect": self.reconnects.append,
            "on_open": self.opened.append,
            **options,
        }  # fmt: skip
        work = self._read if face == "sync" else lambda url: asyncio.run(self._aread(url))
        self.thread = threading.Thread(target=work, args=(url,), daemon=True)
        self.thread.start()

    def _read(self, url: str) -> None:
        with connect(url, **self.options) as events:
            self.events.extend(events)

    async def _aread(self, url: str) -> None:
        async with aconnect(url, **self.options) as events:
            async for event in events:
                self.events.append(event)

    def wait_for_life(self, number: int) -> None:
        """Wait until events of the server's life of that number have come."""
        wait_until(lambda: len(self.opened) == number, 30.0, "it does not come back")
        count = len(self.events)
        wait_until(lambda: len(self.events) > count + 5, 30.0, "the stream stands still")


def _live(server: Reborn, reader: Reader) -> None:
    for number in range(LIVES):
        reader.wait_for_life(number + 1)
        server.kill_and_restart()
    reader.wait_for_life(LIVES + 1)
    server.finish()
    reader.thread.join(20)
    assert not reader.thread.is_alive()


@pytest.mark.parametrize("face", ["sync", "async"])
def test_with_ids_no_event_is_lost_or_doubled(server: Reborn, face: str) -> None:
    reader = Reader(server.url, face)
    _live(server, reader)
    seen = [event.json()["i"] for event in reader.events]
    assert seen == list(range(1, len(seen) + 1))
    lost = [info for info in reader.reconnects if info.attempt == 1 and info.last_event_id]
    assert len(lost) == LIVES
    assert all(info.has_cursor for info in lost)


def test_on_a_log_of_its_own_no_event_is_lost_or_doubled(server: Reborn) -> None:
    # S6, and S5 over the loss: the writer is killed too, and goes on where its log says.
    reader = Reader(f"{server.url}room", "async", until="over")
    _live(server, reader)
    seen = [event.json()["i"] for event in reader.events if event.event == "message"]
    assert seen == list(range(1, len(seen) + 1))
    assert [event.event for event in reader.events[len(seen) :]] == ["over"]  # and no "reset"
    assert sum(info.attempt == 1 for info in reader.reconnects) >= LIVES


def test_without_ids_the_client_says_that_it_had_no_cursor(server: Reborn) -> None:
    reader = Reader(f"{server.url}?ids=0", "async")
    _live(server, reader)
    assert [event.json()["i"] for event in reader.events].count(1) == LIVES + 1
    assert len(reader.reconnects) >= LIVES
    assert not any(info.has_cursor for info in reader.reconnects)
