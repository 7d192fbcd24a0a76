"""A stream that is lost: what is asked again, when, and when no more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from penstock.client import (
    AsyncEventStream,
    ConnectionLost,
    EventStream,
    Reconnect,
    ResponseError,
    aconnect,
    connect,
)
from penstock.testing import FakeClock
from tests.client.faces import FACES, Read
from tests.support.process import in_some_tries, wait_until
from tests.support.scripted import Peer, scripted

END = b"event: done\ndata:\nid: ~end\n\n"


@pytest.fixture(params=list(FACES.values()), ids=list(FACES))
def read(request: pytest.FixtureRequest) -> Callable[..., Read]:
    return request.param


def in_turn(*acts: Callable[[Peer], object]) -> Callable[[Peer], object]:
    """The first act for the first request, and so on; the last for all that follow."""
    return lambda peer: acts[min(peer.number, len(acts)) - 1](peer)


def sends(data: bytes, *, cut: bool = False) -> Callable[[Peer], None]:
    def act(peer: Peer) -> None:
        peer.head()
        peer.send(data)
        if cut:
            peer.cut()

    return act


@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut"])
def test_a_lost_stream_is_resumed_from_its_last_id(read, cut) -> None:
    # P1: what was not complete is dropped, its id too.
    first = sends(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: cut", cut=cut)
    second = sends(b"data: c\n\n" + END)
    with scripted(in_turn(first, second)) as server:
        found = read(server.url, headers={"X-A": "1"})
    assert found.data == ["a", "b", "c"]
    assert [event.id for event in found.items] == ["1", "2", "2"]
    assert [asked.headers.get("last-event-id") for asked in server.requests] == [None, "2"]
    assert server.requests[1].headers["x-a"] == "1"
    [info] = found.reconnects
    assert (info.attempt, info.delay, info.last_event_id, info.has_cursor) == (1, 0.0, "2", True)
    assert isinstance(info.error, ConnectionLost if cut else type(None))


@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut"])
def test_what_ended_in_done_is_not_asked_for_again(read, cut) -> None:
    # The chat wires' last event: they have no ids, so the whole answer would come once more.
    with scripted(sends(b"data: a\n\ndata: [DONE]\n\n", cut=cut)) as server:
        found = read(server.url)
    assert (found.data, len(server.requests)) == (["a", "[DONE]"], 1)


DONE_IS_NOT_ALL = {
    "told to ask again": ({"reconnect": True}, b"data: [DONE]\n\n", ["[DONE]", "b"]),
    "another end is asked for": ({"until": "over"}, b"data: [DONE]\n\n", ["[DONE]", "b"]),
    "more came behind it": ({}, b"data: [DONE]\n\ndata: a\n\n", ["[DONE]", "a", "b"]),
    "within a text": ({}, b"data: not [DONE]\n\n", ["not [DONE]", "b"]),
}


@pytest.mark.parametrize(("options", "sent", "data"), DONE_IS_NOT_ALL.values(), ids=DONE_IS_NOT_ALL)
def test_done_is_not_the_end_of_all(read, options, sent, data) -> None:
    with scripted(in_turn(sends(sent), sends(b"data: b\n\n" + END))) as server:
        found = read(server.url, **options)
    assert (found.data, len(server.requests)) == (data, 2)


def test_without_ids_it_says_that_there_is_no_cursor(read, caplog) -> None:
    with caplog.at_level("INFO", "penstock.client"):
        with scripted(in_turn(sends(b"data: a\n\n"), sends(END))) as server:
            found = read(server.url)
    assert [info.has_cursor for info in found.reconnects] == [False]
    assert "without an id to resume from" in caplog.text


def test_an_id_may_be_taken_back(read) -> None:
    first = sends(b"id: 1\ndata: a\n\nid\ndata: b\n\n")
    with scripted(in_turn(first, sends(END))) as server:
        read(server.url)
    assert "last-event-id" not in server.requests[1].headers


def test_an_id_in_a_block_without_data_counts(read) -> None:
    with scripted(in_turn(sends(b"data: a\n\nid: 5\n\n"), sends(END))) as server:
        assert read(server.url).data == ["a"]
    assert server.requests[1].headers["last-event-id"] == "5"


def test_the_body_is_sent_again(read) -> None:
    with scripted(in_turn(sends(b"id: 1\ndata: a\n\n"), sends(END))) as server:
        read(server.url, json={"q": 1}, reconnect=True)
    assert [asked.body for asked in server.requests] == [b'{"q":1}'] * 2


POSTS = {
    "an end is the end": (sends(b"id: 1\ndata: a\n\n"), 1, None),
    "a cut with an id is resumed": (sends(b"id: 1\ndata: a\n\n", cut=True), 2, None),
    "a cut without one is an error": (sends(b"data: a\n\n", cut=True), 1, ConnectionLost),
}


@pytest.mark.parametrize(("first", "count", "error"), POSTS.values(), ids=POSTS)
def test_a_post_is_not_simply_repeated(read, first, count, error) -> None:
    with scripted(in_turn(first, sends(END))) as server:
        found = read(server.url, json={})
    assert (found.data, len(server.requests)) == (["a"], count)
    assert isinstance(found.error, error or type(None))


@pytest.mark.parametrize("options", [{"reconnect": False}, {"max_retries": 0}])
def test_not_at_all_when_told_so(read, options) -> None:
    with scripted(sends(b"data: a\n\n")) as server:
        found = read(server.url, **options)
        assert (found.data, found.error, len(server.requests)) == (["a"], None, 1)
    with scripted(sends(b"data: a\n\n", cut=True)) as server:
        assert isinstance(read(server.url, **options).error, ConnectionLost)


def test_retries_have_a_bound(read) -> None:
    with scripted(sends(b"id: 1\ndata: a\n\n")) as server:
        found = read(server.url, max_retries=2, uniform=lambda low, high: low)
    assert found.data == ["a"] * 3
    assert isinstance(found.error, ConnectionLost)
    assert (found.error.retries, found.error.last_event_id) == (2, "1")


BUSY = {
    "first, told to retry": ([503, 429], {"max_retries": 5}, ["a"], None),
    "first": ([503], {}, [], ResponseError),
    "no use": ([404], {"max_retries": 5}, [], ResponseError),
    "all in vain": ([500] * 9, {"max_retries": 2}, [], ResponseError),
}


@pytest.mark.parametrize(("statuses", "options", "data", "error"), BUSY.values(), ids=BUSY)
def test_a_server_that_is_busy(read, statuses, options, data, error) -> None:
    busy = [lambda peer, status=status: peer.answer(status, b"busy") for status in statuses]
    with scripted(in_turn(*busy, sends(b"data: a\n\n" + END))) as server:
        found = read(server.url, uniform=lambda low, high: low, **options)
    assert found.data == data
    assert isinstance(found.error, error or type(None))


def test_a_server_that_restarts_behind_a_proxy(read) -> None:
    # A stream that was open once outlives the 502s of a restart.
    acts = [sends(b"id: 1\ndata: a\n\n"), *[lambda peer: peer.answer(502, b"bad")] * 2]
    with scripted(in_turn(*acts, sends(b"data: b\n\n" + END))) as server:
        found = read(server.url, uniform=lambda low, high: low)
    assert (found.data, found.error) == (["a", "b"], None)
    assert [info.attempt for info in found.reconnects] == [1, 2, 3]
    assert isinstance(found.reconnects[1].error, ResponseError)


def test_retry_after_is_kept_to(read) -> None:
    delays: list[float] = []

    def busy(peer: Peer) -> None:
        peer.answer(503, Retry_After="7")

    async def asleep(delay: float) -> None:
        delays.append(delay)

    sleep = asleep if read is FACES["async"] else delays.append
    with scripted(in_turn(sends(b"data: a\n\n"), busy, sends(END))) as server:
        assert read(server.url, sleep=sleep).data == ["a"]
    assert delays == [0.0, 7.0]


def test_the_servers_retry_is_the_delay(read) -> None:
    # P1, W7: milliseconds on the wire, also when it stands in a block of its own.
    delays: list[float] = []

    async def asleep(delay: float) -> None:
        delays.append(delay)

    sleep = asleep if read is FACES["async"] else delays.append
    acts = [sends(b"retry: 1500\ndata: a\n\n"), sends(b"retry: 250\n\n"), sends(b": hi\n\n")]
    with scripted(in_turn(*acts, sends(END))) as server:
        read(server.url, sleep=sleep, retry_delay=9.0, uniform=lambda low, high: high)
    # The second brought no event, so the third wait grows.
    assert delays == [1.5, 1.0, 2.0]


@in_some_tries  # a machine that stands still for the timeout has heard nothing either
async def test_silence_is_a_loss_and_keep_alives_are_none() -> None:
    # P1
    pings = threading.Event()

    def first(peer: Peer) -> None:
        peer.head()
        peer.send(b"data: a\n\n")
        for _ in range(10):
            peer.send(b": ping\n\n")
            pings.wait(0.25)
        peer.send(b"data: b\n\n")
        peer.hold()

    with scripted(in_turn(first, sends(END))) as server:
        infos: list[Reconnect] = []
        async with aconnect(
            server.url, read_timeout=2.0, retry_delay=0.0, on_reconnect=infos.append
        ) as events:
            assert [event.data async for event in events] == ["a", "b"]
    assert "read_timeout" in str(infos[0].error)


# -- time


async def test_delays_on_a_clock() -> None:
    # T2: no test waits.
    clock = FakeClock()
    with scripted(
        in_turn(sends(b"retry: 60000\ndata: a\n\n"), sends(b"data: b\n\n" + END))
    ) as server:
        async with aconnect(server.url, clock=clock) as events:
            assert (await anext(events)).data == "a"
            second = asyncio.create_task(anext(events))
            while not clock.pending:
                await asyncio.sleep(0.01)
            await clock.advance(59.9)
            assert len(server.requests) == 1
            await clock.advance(0.2)
            assert (await second).data == "b"


async def test_a_healthy_while_sets_the_count_of_retries_back() -> None:
    clock = FakeClock()
    with scripted(sends(b"data: a\n\n")) as server:
        found = []
        with pytest.raises(ConnectionLost):
            async with aconnect(
                server.url, clock=clock, retry_delay=0.0, max_retries=1, healthy_after=5.0
            ) as events:
                async for _ in events:
                    found.append(1)
                    if len(found) <= 3:
                        clock._now += 6.0  # while the connection is open
    # One retry after each healthy one; the fourth was none.
    assert len(found) == 4


# -- from outside


def test_close_from_another_thread() -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"data: a\n\n")
        peer.hold()

    with scripted(script) as server, connect(server.url) as events:
        seen: list[str] = []
        reader = threading.Thread(target=lambda: seen.extend(event.data for event in events))
        reader.start()
        wait_until(lambda: seen == ["a"] and events._is_reading)
        events.close()
        events.close()
        reader.join(10)
        assert not reader.is_alive()
        assert events.is_closed
    assert len(server.requests) == 1


def test_close_while_it_waits_to_ask_again() -> None:
    with scripted(sends(b"data: a\n\n")) as server, connect(server.url, retry_delay=600) as events:
        assert next(events).data == "a"
        timer = threading.Timer(0.3, events.close)
        timer.start()
        assert list(events) == []
        timer.join()


@pytest.mark.parametrize("state", ["reading", "waiting"])
async def test_close_from_another_task(state) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"data: a\n\n")
        if state == "reading":
            peer.hold()

    with scripted(script) as server:
        async with aconnect(server.url, retry_delay=600.0) as events:
            seen = asyncio.Event()

            async def reading() -> list[str]:
                found = []
                async for event in events:
                    found.append(event.data)
                    seen.set()
                return found

            reader = asyncio.create_task(reading())
            await seen.wait()
            await asyncio.sleep(0.05)
            await events.aclose()
            await events.aclose()
            assert await reader == ["a"]
            assert reader.cancelling() == 0
            assert [event async for event in events] == []


async def test_close_from_another_thread_than_the_loops() -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.hold()

    with scripted(script) as server:
        async with aconnect(server.url) as events:
            threading.Timer(0.2, events.close).start()
            assert [event async for event in events] == []


async def test_a_cancelled_reader_is_cancelled() -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.hold()

    with scripted(script) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit, aconnect(server.url) as events:
                limit.reschedule(asyncio.get_running_loop().time() + 0.2)  # now that it is open
                await anext(events)
        assert events.is_closed


def test_restart_from_another_thread() -> None:
    def first(peer: Peer) -> None:
        peer.head()
        peer.send(b"id: 4\ndata: a\n\n")
        peer.hold()

    with scripted(in_turn(first, sends(b"data: b\n\n" + END))) as server:
        with connect(server.url, retry_delay=0.0, max_retries=0) as events:
            assert next(events).data == "a"
            threading.Timer(0.2, events.restart).start()
            assert [event.data for event in events] == ["b"]
    assert server.requests[1].headers["last-event-id"] == "4"


async def test_restart_from_another_task() -> None:
    def first(peer: Peer) -> None:
        peer.head()
        peer.send(b"id: 4\ndata: a\n\n")
        peer.hold()

    with scripted(in_turn(first, sends(b"data: b\n\n" + END))) as server:
        async with aconnect(server.url, retry_delay=0.0) as events:
            assert (await anext(events)).data == "a"
            asyncio.get_running_loop().call_later(0.1, events.restart)
            assert [event.data async for event in events] == ["b"]
    assert server.requests[1].headers["last-event-id"] == "4"


# -- callbacks


async def test_callbacks_in_their_order() -> None:
    said: list[str] = []

    async def on_open(headers) -> None:
        said.append(headers["content-type"])

    async def on_tick(event) -> None:
        said.append(f"tick {event.data}")

    with scripted(
        sends(b":one\ndata: a\n\n:two\r\nevent: tick\rdata: b\r\r:three\n" + END)
    ) as server:
        async with aconnect(server.url, on_open=on_open, on_comment=said.append) as events:
            events.on("tick", on_tick)
            events.on("message", lambda event: said.append(f"message {event.data}"))
            events.on(None, lambda event: said.append("any"))
            await events.run()
    assert said == [
        "text/event-stream", "one", "message a", "any", "two", "tick b", "any", "three",
    ]  # fmt: skip


def test_callbacks_without_a_loop() -> None:
    said: list[str] = []
    with scripted(sends(b"event: tick\ndata: b\n\ndata: c\n\n" + END)) as server:
        with connect(server.url) as events:
            events.on("tick", lambda event: said.append(event.data))
            events.run()
    assert said == ["b"]


def test_an_error_in_a_callback_is_the_callers(read) -> None:
    def boom(text: str) -> None:
        raise KeyError(text)

    with scripted(sends(b":x\n\n" + END)) as server, pytest.raises(KeyError):
        read(server.url, on_comment=boom)


async def test_told_while_nobody_waits() -> None:
    # The reader is busy with an event: the word must not be lost.
    def first(peer: Peer) -> None:
        peer.head()
        peer.send(b"id: 4\ndata: a\n\n")
        peer.hold()

    with scripted(in_turn(first, sends(b"data: b\n\n" + END), first)) as server:
        with connect(server.url, retry_delay=0.0) as events:
            assert next(events).data == "a"
            events.restart()
            assert [event.data for event in events] == ["b"]
        server.requests.clear()
        async with aconnect(server.url, retry_delay=0.0) as stream:
            assert (await anext(stream)).data == "a"
            stream.restart()
            assert [event.data async for event in stream] == ["b"]
        with connect(server.url, retry_delay=0.0) as events:
            assert next(events).data == "a"
            events.close()
            assert list(events) == []


def test_a_retry_of_any_length_is_an_hour_at_most(read) -> None:
    delays: list[float] = []

    async def asleep(delay: float) -> None:
        delays.append(delay)

    sleep = asleep if read is FACES["async"] else delays.append
    first = sends(b"retry: " + b"9" * 3000 + b"\ndata: a\n\n")
    with scripted(in_turn(first, sends(END))) as server:
        assert read(server.url, sleep=sleep).data == ["a"]
    assert delays == [3600.0]


def test_close_within_a_callback() -> None:
    stream: EventStream[Any]
    with scripted(sends(b"data: a\n\n")) as server:
        stream = connect(server.url, retry_delay=600.0, on_reconnect=lambda info: stream.close())
        with stream as events:
            assert [event.data for event in events] == ["a"]
    with scripted(lambda peer: peer.answer(503)) as server:
        stream = connect(
            server.url, retry_delay=600.0, max_retries=3, on_reconnect=lambda info: stream.close()
        )
        with stream as events:
            assert list(events) == []


async def test_aclose_within_a_callback() -> None:
    stream: AsyncEventStream[Any]

    async def stop(info: Reconnect) -> None:
        await stream.aclose()

    options: dict[str, Any] = {"retry_delay": 600.0, "max_retries": 3, "on_reconnect": stop}
    with scripted(lambda peer: peer.answer(503)) as server:
        stream = aconnect(server.url, **options)
        async with stream as events:
            assert [event async for event in events] == []
