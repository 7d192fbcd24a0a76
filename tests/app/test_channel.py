"""Channels without a log: who gets a broadcast, in which order, what a slow reader does to it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from penstock import (
    Channel,
    Context,
    Ending,
    InvalidField,
    InvalidOption,
    NotSerializable,
    Overflow,
    Session,
    StreamClosed,
    UsageError,
    endpoint,
)
from penstock.testing import open_stream
from tests.app.rooms import join, texts


async def test_everybody_gets_it_once_and_in_order() -> None:
    # S3
    room: Channel[None] = Channel("room")
    async with join(room) as ada, join(room) as bob:
        for number in range(5):
            await room.broadcast({"n": number}, "tick")
        for reader in (ada, bob):
            assert await reader.data(5) == [f'{{"n":{number}}}' for number in range(5)]
        assert ada.stream.body == bob.stream.body
        assert room.session_count == 2
        assert room.active_sessions == [ada.session, bob.session]
    assert room.session_count == 0


async def test_it_is_serialised_once_however_many_sessions() -> None:
    # S3
    made: list[Any] = []

    def serializer(value: Any) -> str:
        made.append(value)
        return str(value)

    room: Channel[None] = Channel()
    options = {"serializer": serializer}
    async with join(room, options=options) as ada, join(room, options=options) as bob:
        await room.broadcast("x", "tick")
        assert [await ada.data(), await bob.data()] == [["x"], ["x"]]
    assert made == ["x"]


async def test_each_session_writes_in_its_own_way() -> None:
    # S2, S3
    room: Channel[None] = Channel()
    async with (
        join(room) as plain,
        join(room, options={"serializer": lambda value: f"<{value}>"}) as own,
    ):
        await room.broadcast("x")
        assert [await plain.data(), await own.data()] == [["x"], ["<x>"]]


class Team(Enum):
    BLUE = "blue"


@dataclass
class User:
    name: str
    team: Team = Team.BLUE
    key: UUID = UUID(int=1)
    admin: bool = True


# S4
MATCHES: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "mapping": ({"user": "ada"}, {"user": "ada"}, True),
    "another": ({"user": "bob"}, {"user": "ada"}, False),
    "attributes": (User("ada"), {"name": "ada", "admin": True}, True),
    "one of two": (User("ada"), {"name": "ada", "admin": False}, False),
    "missing": ({"user": "ada"}, {"team": "blue"}, False),
    "no state": (None, {"user": "ada"}, False),
    "enum": (User("ada"), {"team": "blue"}, True),
    "enum on both sides": (User("ada"), {"team": Team.BLUE}, True),
    "uuid": (User("ada"), {"key": UUID(int=1)}, True),
    "1 is not True": ({"admin": 1}, {"admin": True}, False),
    "none": ({"team": None}, {"team": None}, True),
    "nested": ({"a": {"b": [1]}}, {"a": {"b": [1]}}, True),
}


@pytest.mark.parametrize(("state", "match", "expected"), MATCHES.values(), ids=MATCHES)
async def test_match(state: Any, match: Any, expected: bool) -> None:
    room: Channel[Any] = Channel()
    async with join(room, state=state) as reader:
        await room.broadcast("for some", match=match)
        await room.broadcast("for all")
        assert await reader.data() == (["for some"] if expected else ["for all"])


async def test_filter() -> None:
    # S3
    room: Channel[Any] = Channel()
    async with join(room, state={"admin": True}) as ada, join(room, state={}) as bob:
        await room.broadcast("secret", filter=lambda session: session.state.get("admin"))
        await room.broadcast("open")
        assert [await ada.data(2), await bob.data()] == [["secret", "open"], ["open"]]


async def test_a_filter_that_fails_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    # S3, E6
    room: Channel[Any] = Channel("room")
    async with (
        join(room, state={}) as ada,
        join(room, state={}),
        join(room, state={"admin": True}) as bob,
    ):
        await room.broadcast("x", filter=lambda session: session.state["admin"])
        assert await bob.data() == ["x"]
        assert ada.session.is_open
        assert texts(ada) == []
    assert [record.message for record in caplog.records] == ["a filter failed in channel 'room'"]


async def test_a_session_that_fails_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    # S3, E6
    room: Channel[Any] = Channel()

    def serializer(value: Any) -> str:
        raise ZeroDivisionError

    async with join(room, options={"serializer": serializer}) as broken, join(room) as whole:
        await room.broadcast("x")
        assert await whole.data() == ["x"]
        await broken.stream.read()
        assert broken.stream.events[-1].event == "error"
        assert broken.session.ending == Ending.ERROR
        await room.broadcast("y")
        assert await whole.data() == ["y"]
        assert room.session_count == 1
    assert len(caplog.records) == 1


# --- mistakes

REFUSED: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "no JSON": ({"data": object()}, NotSerializable),
    "a name that forges": ({"data": 1, "event": "a\nb"}, InvalidField),
    "match that is no mapping": ({"match": "ada"}, InvalidOption),
    "match of nothing": ({"match": {}}, InvalidOption),
    "filter that cannot be called": ({"filter": {"user": "ada"}}, InvalidOption),
}


@pytest.mark.parametrize(("call", "error"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_sent_reaches_nobody(call: Any, error: Any) -> None:
    # W4, W10
    room: Channel[Any] = Channel()
    async with join(room) as reader:
        with pytest.raises(error):
            room.broadcast(**call)
        await room.broadcast("after")
        assert await reader.data() == ["after"]


OPTIONS: list[dict[str, Any]] = [
    {"name": ""},
    {"history": -1},
    {"history": True},
    {"overflow": "wait"},
    {"max_queue": 0},
    {"log": "redis://127.0.0.1"},
    {"snapshot": "now"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_that_cannot_be_meant(options: Any) -> None:
    with pytest.raises(InvalidOption):
        Channel(**options)


def test_without_a_loop_it_says_what_to_call() -> None:
    room: Channel[Any] = Channel()
    with pytest.raises(UsageError, match="broadcast_threadsafe"):
        room.broadcast("x")


# --- registering


async def test_registering_twice_is_harmless_and_a_closed_session_is_an_error() -> None:
    # S3
    room: Channel[Any] = Channel()
    async with join(room) as reader:
        assert room.register(reader.session) is room.register(reader.session)
        await room.broadcast("once")
        assert await reader.data() == ["once"]
    assert texts(reader) == ["once"]
    with pytest.raises(StreamClosed):
        room.register(reader.session)


async def test_a_registration_is_a_context_manager() -> None:
    # S3
    room: Channel[Any] = Channel()
    other: Channel[Any] = Channel("other")
    async with join(other) as reader:
        with room.register(reader.session) as registration:
            await registration
            await room.broadcast("in")
            assert await reader.data() == ["in"]
        await room.broadcast("out")
        async with room.register(reader.session):
            assert room.session_count == 1
        room.deregister(reader.session)
        await other.broadcast("other")
        assert await reader.data() == ["other"]
        assert reader.session.is_open


async def test_hooks_in_order() -> None:
    # S3
    seen: list[str] = []
    room: Channel[Any] = Channel()
    for name in ("registered", "disconnected", "deregistered"):
        room.on(name, lambda session, name=name: seen.append(name))

    @room.on("broadcast")
    async def told(item: Any, match: Any) -> None:
        seen.append(f"broadcast {item}")

    async with join(room) as reader:
        reader.session.on("disconnected", lambda session: seen.append("session disconnected"))
        await room.broadcast("x")
        await reader.data()
    assert seen == [
        "registered",
        "broadcast x",
        "session disconnected",
        "disconnected",
        "deregistered",
    ]


async def test_presence_by_hooks() -> None:
    # S3: a hook may broadcast
    room: Channel[Any] = Channel()

    def tell(session: Session[Any]) -> None:
        room.broadcast(sorted(each.state for each in room.active_sessions), "here")

    room.on("registered", tell)
    room.on("deregistered", tell)
    async with join(room, state="ada") as ada:
        async with join(room, state="bob"):
            assert await ada.data(2) == ['["ada"]', '["ada","bob"]']
        assert await ada.data() == ['["ada"]']


# --- slow readers: F9


async def stall_and_broadcast(room: Channel[Any], slow: Any, quick: Any, count: int) -> None:
    slow.stream.stall()
    for number in range(count):
        await room.broadcast(str(number))
        await quick.stream.next_event()


async def test_close_ends_the_slow_one_alone() -> None:
    # F9, F1
    room: Channel[Any] = Channel(max_queue=10)
    ends: list[Any] = []
    async with join(room) as slow, join(room) as quick:
        slow.session.on("disconnected", lambda session: ends.append(session.ending))
        await stall_and_broadcast(room, slow, quick, 30)
        assert room.session_count == 1
        slow.stream.resume()
        await slow.stream.read()
    assert ends == [Ending.OVERFLOW]


async def test_drop_oldest_keeps_the_newest() -> None:
    # F9
    room: Channel[Any] = Channel(max_queue=10, overflow="drop_oldest")
    async with join(room) as slow, join(room) as quick:
        await stall_and_broadcast(room, slow, quick, 50)
        slow.session.push("mine")
        slow.stream.resume()
        seen: list[str] = []
        while not seen or seen[-1] != "mine":
            seen += await slow.data()
        assert seen[-5:] == ["46", "47", "48", "49", "mine"]
        assert len(seen) <= 13
        assert slow.session.is_open


async def test_block_makes_an_awaited_broadcast_wait() -> None:
    # F9
    room: Channel[Any] = Channel(max_queue=10, overflow="block")
    sent: list[int] = []

    async def send() -> None:
        for number in range(50):
            await room.broadcast(str(number))
            sent.append(number)

    async with join(room) as slow, join(room) as quick:
        slow.stream.stall()
        sending = asyncio.ensure_future(send())
        await asyncio.sleep(0.05)
        assert len(sent) < 20
        slow.stream.resume()
        assert await slow.data(50) == [str(number) for number in range(50)]
        await quick.data(50)
        await sending


@pytest.mark.parametrize("overflow", ["close", "drop_oldest", "block"])
async def test_a_broadcaster_that_awaits_nothing_overflows_itself(overflow: Any) -> None:
    # F13: its readers are not slow, and stay
    room: Channel[Any] = Channel(max_queue=100, overflow=overflow)
    async with join(room) as reader:
        with pytest.raises(Overflow):
            for number in range(1000):
                room.broadcast(str(number))
        assert await reader.data(100) == [str(number) for number in range(100)]
        assert reader.session.is_open


async def test_a_broadcaster_that_awaits_closes_no_quick_reader() -> None:
    # F9, F13
    room: Channel[Any] = Channel()
    async with join(room) as reader:
        reading = asyncio.ensure_future(reader.data(3000))
        for _ in range(3000):
            await room.broadcast("x" * 200)
        await reading
        assert reader.session.is_open


# --- other threads


async def test_broadcast_threadsafe() -> None:
    # S3
    room: Channel[Any] = Channel()
    async with join(room) as reader:

        def work() -> None:
            for number in range(3):
                room.broadcast_threadsafe(str(number)).result(timeout=10)

        await asyncio.to_thread(work)
        assert await reader.data(3) == ["0", "1", "2"]


async def test_sessions_on_another_loop_get_it_too() -> None:
    # S3
    room: Channel[Any] = Channel()
    got: list[list[str]] = []
    joined = threading.Event()

    async def elsewhere() -> None:
        async with join(room) as reader:
            joined.set()
            got.append(await reader.data())

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(joined.wait, 10)
    async with join(room) as here:
        assert room.session_count == 2
        await room.broadcast("x")
        assert await here.data() == ["x"]
    await asyncio.to_thread(thread.join, 10)
    assert got == [["x"]]


def test_a_channel_outlives_its_loops() -> None:
    room: Channel[Any] = Channel()

    async def once() -> None:
        async with join(room) as reader:
            await room.broadcast("x")
            assert await reader.data() == ["x"]

    for _ in range(3):
        asyncio.run(once())
    assert room.broadcast_threadsafe("to nobody").result(timeout=10) is None


# --- as a source, and its end


@pytest.mark.parametrize(
    ("format", "wire"),
    [("sse", b': open\nevent: tick\ndata: {"n":1}\n\n'), ("ndjson", b'{"n":1}\n')],
)
async def test_subscribe_in_a_format(format: str, wire: bytes) -> None:
    # S3, E0
    room: Channel[Any] = Channel()

    @endpoint(format=format, done=None) if format == "sse" else endpoint(format=format)
    def app(ctx: Context) -> Any:
        return room.subscribe()

    async with open_stream(app) as stream:
        await room.broadcast({"n": 1}, "tick")
        room.close()
        await stream.read()
        assert stream.body == wire


async def test_subscribe_by_hand_matches_and_ends() -> None:
    # S3, S4
    room: Channel[Any] = Channel()
    got: list[Any] = []

    async def read() -> None:
        async for event in room.subscribe(state={"user": "ada"}):
            got.append((event.event, event.data))

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    await room.broadcast(1, "n", match={"user": "ada"})
    await room.broadcast(2, "n", match={"user": "bob"})
    await room.broadcast(3)
    room.close()
    await reading
    assert got == [("n", 1), (None, 3)]


async def test_a_subscription_dropped_by_a_users_generator_is_gone() -> None:
    # F4
    room: Channel[Any] = Channel()

    @endpoint(done=None)
    async def app(ctx: Context) -> Any:
        async for event in room.subscribe():
            yield event

    async with open_stream(app, wait=False) as stream:
        while room.hub().is_empty:
            await asyncio.sleep(0)
        await room.broadcast("x")
        assert (await stream.next_event()).data == "x"
        await stream.disconnect()
    assert room.hub().is_empty


SUBSCRIBER_OVERFLOWS: dict[str, tuple[str, list[int]]] = {
    "drop_oldest": ("drop_oldest", [17, 18, 19]),
    "close": ("close", []),
}


@pytest.mark.parametrize(
    ("overflow", "expected"), SUBSCRIBER_OVERFLOWS.values(), ids=SUBSCRIBER_OVERFLOWS
)
async def test_a_slow_subscriber(overflow: Any, expected: list[int]) -> None:
    # F9
    room: Channel[Any] = Channel(max_queue=3, overflow=overflow)
    events = aiter(room.subscribe())
    for number in range(20):
        room.broadcast(number)
        await asyncio.sleep(0)
    got: list[Any] = []
    try:
        while len(got) < len(expected) or not expected:
            got.append((await anext(events)).data)
    except Overflow:
        assert overflow == "close"
    assert got == expected
    await events.aclose()  # type: ignore[attr-defined]  # it has one
