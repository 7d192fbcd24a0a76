"""System 5: sessions, and channels of them."""

from __future__ import annotations

from typing import Any

from penstock.testing import open_stream
from tests.app.calls import fetch
from tests.seeds.apps.stream_llm_rooms import (
    app,
    batched,
    chat_channel,
    configured,
    iterated,
    notify,
    process,
)
from tests.seeds.hosts import on_asgi


async def test_the_first_program() -> None:
    # S2, W8
    answer = await on_asgi(app, "/sse")
    assert answer.said == [
        ("message", "Hello, world!"),
        ("update", '{"text":"Hello!","timestamp":1767225600000}'),
    ]


async def test_a_models_answer() -> None:
    # S2, F13
    answer = await on_asgi(app, "/story", method="POST", json={"prompt": "Once upon"})
    assert answer.said == [
        ("llm-chunk", "Once "),
        ("llm-chunk", "upon "),
        ("llm-done", '{"done":true}'),
    ]


async def test_a_chat() -> None:
    # S3
    async with open_stream(app, "/chat?user=ada&admin=true") as ada:
        assert (await ada.next_event()).json() == {"user": "ada", "action": "joined"}
        async with open_stream(app, "/chat?user=bob") as bob:
            for stream in (ada, bob):
                assert (await stream.next_event()).json()["user"] == "bob"
            message: dict[str, Any] = {"user": "bob", "message": "hi"}
            reply = await fetch(app, "/send-message", method="POST", json=message)
            assert reply.json == {"success": True}
            for stream in (ada, bob):
                event = await stream.next_event()
                assert (event.event, event.json()) == ("chat-message", message)
            await fetch(app, "/announce", method="POST")
            assert (await ada.next_event()).event == "admin-alert"
            assert len(bob.events) == 2
            assert chat_channel.session_count == 2
    assert chat_channel.session_count == 0


async def test_notifications_reach_one_user_also_later() -> None:
    # S4, S5
    async with (
        open_stream(app, "/notifications/ada") as ada,
        open_stream(app, "/notifications/bob") as bob,
    ):
        await ada.wait_for(lambda: b"id: " in ada.body)
        await bob.wait_for(lambda: b"id: " in bob.body)
        await notify("ada", "one")
        await notify("bob", "two")
        event = await ada.next_event()
        assert event.json() == {"message": "one"}
        assert (await bob.next_event()).json() == {"message": "two"}
    await notify("bob", "not hers")
    await notify("ada", "missed")
    headers = {"last-event-id": event.id}
    async with open_stream(app, "/notifications/ada", headers=headers) as ada:
        assert (await ada.next_event()).json() == {"message": "missed"}


async def test_a_batch() -> None:
    # S2
    async with open_stream(batched) as stream:
        await stream.read()
        assert [event.data for event in stream.events] == ["Event 1", "Event 2", "4", "5", "6"]
        assert any(chunk.count(b"data:") == 5 for chunk in stream.chunks)


async def test_iterables_and_pieces() -> None:
    # S2
    answer = await on_asgi(iterated)
    assert [name for name, _ in answer.said] == ["number"] * 3 + ["tick"] * 3 + ["data"] * 4
    assert "".join(e.json()["text"] for e in answer.events if e.event == "data") == "Hello World!"


async def test_every_option() -> None:
    # S2, W3, W7
    answer = await on_asgi(configured)
    assert answer.headers["x-custom-header"] == "value"
    assert answer.body == b": open\nretry: 3000\nid: 7\ndata: <a b>\n\n"


async def test_progress() -> None:
    # S2
    answer = await on_asgi(process, method="POST")
    assert [event.json().get("progress") for event in answer.events] == [33, 67, 100, None]
