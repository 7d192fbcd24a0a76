"""One owner of receive: body readers and the disconnect watch share it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.core.inbox import Inbox
from penstock.errors import ClientDisconnected

from .sinks import until


class Host:
    """ASGI's receive, fed by the test; it fails when two ask at once."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.asking = 0
        self.asked = 0

    def body(self, data: bytes, more: bool = False) -> None:
        self.messages.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def leave(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> Any:
        assert not self.asking, "two asked for a message at once"
        self.asking += 1
        self.asked += 1
        try:
            return await self.messages.get()
        finally:
            self.asking -= 1


def run(test: Any) -> None:
    async def main() -> None:
        host = Host()
        await test(host, Inbox(host.receive))

    asyncio.run(main())


def test_the_body_comes_piece_by_piece() -> None:
    # F11
    async def test(host: Host, inbox: Inbox) -> None:
        host.body(b"ab", more=True)
        host.body(b"", more=True)
        host.body(b"c")
        assert [await inbox.read() for _ in range(4)] == [b"ab", b"c", None, None]
        assert host.asked == 3

    run(test)


def test_a_body_that_breaks_off_raises() -> None:
    # F11, E7
    async def test(host: Host, inbox: Inbox) -> None:
        host.body(b"ab", more=True)
        host.leave()
        assert await inbox.read() == b"ab"
        with pytest.raises(ClientDisconnected):
            await inbox.read()
        assert inbox.is_gone

    run(test)


def test_reader_and_watch_share_what_comes() -> None:
    # F11
    async def test(host: Host, inbox: Inbox) -> None:
        left: list[bool] = []
        inbox.watch(lambda: left.append(True))
        reading = asyncio.create_task(inbox.read())
        await asyncio.sleep(0.001)
        host.body(b"a", more=True)
        assert await reading == b"a"
        host.body(b"b")
        assert await inbox.read() == b"b"
        assert await inbox.read() is None
        host.leave()
        await until(lambda: left)
        assert left == [True]

    run(test)


def test_a_watch_that_begins_while_a_reader_waits() -> None:
    # F11
    async def test(host: Host, inbox: Inbox) -> None:
        left: list[bool] = []
        reading = asyncio.create_task(inbox.read())
        await asyncio.sleep(0.001)
        inbox.watch(lambda: left.append(True))
        await asyncio.sleep(0.001)
        host.body(b"a")
        assert await reading == b"a"
        host.leave()
        await until(lambda: left)

    run(test)


def test_the_watch_stops_pulling_a_body_that_nobody_reads() -> None:
    # F11: 64 KiB, then it waits for the handler
    async def test(host: Host, inbox: Inbox) -> None:
        left: list[bool] = []
        for _ in range(10):
            host.body(b"x" * 32 * 1024, more=True)
        host.leave()
        inbox.watch(lambda: left.append(True))
        await asyncio.sleep(0.005)
        assert host.asked == 3
        assert not left
        for _ in range(10):
            assert await inbox.read()
        await until(lambda: left)

    run(test)


def test_unwatch_leaves_nothing_running() -> None:
    # F4
    async def test(host: Host, inbox: Inbox) -> None:
        inbox.watch(lambda: None)
        await asyncio.sleep(0.001)
        inbox.unwatch()
        await until(lambda: len(asyncio.all_tasks()) == 1)
        assert not host.asking

    run(test)


def test_a_receive_that_fails_counts_as_gone(caplog: pytest.LogCaptureFixture) -> None:
    # F4
    async def main() -> None:
        async def receive() -> Any:
            raise RuntimeError("the host broke")

        left: list[bool] = []
        Inbox(receive).watch(lambda: left.append(True))
        await until(lambda: left)

    asyncio.run(main())
    assert "the host broke" in caplog.text


def test_a_receive_that_runs_dry_after_the_request_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # F4: nobody can tell, which is not to say that nobody is there
    async def main() -> None:
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            return messages.pop(0)

        left: list[bool] = []
        inbox = Inbox(receive)
        inbox.watch(lambda: left.append(True))
        await until(lambda: len(asyncio.all_tasks()) == 1)
        assert (left, inbox.is_gone) == ([], False)

    asyncio.run(main())
    assert "nobody tells" in caplog.text


def test_a_receive_that_never_waits_does_not_stop_the_loop() -> None:
    # F11, F2: asked again, some hosts say the same again instead of waiting for the departure
    async def main() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        left: list[bool] = []
        inbox = Inbox(receive)
        inbox.watch(lambda: left.append(True))
        for _ in range(5):
            await asyncio.sleep(0)
        assert await inbox.read() is None
        assert not left
        inbox.unwatch()

    asyncio.run(main())
