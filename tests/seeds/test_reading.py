"""Systems 4 and 5: the browser's side of the samples, by our own client against a real server."""

from __future__ import annotations

import json

from penstock import ServerSentEvent
from penstock.client import aconnect, connect
from tests.support.servers import serve


def test_tokens_are_appended_until_done() -> None:
    # P1: onmessage appends, "done" closes.
    told: list[str] = []
    with serve("uvicorn", "tests.seeds.apps.mandu:chat") as server:
        with connect(
            server.url, params={"q": "Once upon"}, headers={"Cookie": "sid=s-ada"}
        ) as events:
            events.on("message", lambda event: told.append(event.data))
            events.on("done", lambda event: events.close())
            events.run()
    assert "".join(told).startswith("Once")
    assert events.headers["x-user"] == "ada"


async def test_listeners_by_the_events_type() -> None:
    # P1: "llm-chunk" is shown, "llm-done" closes.
    shown: list[str] = []
    done: list[object] = []
    with serve("uvicorn", "tests.seeds.apps.greetings.bare:app") as server:
        async with aconnect(f"{server.url}/chat", json={"prompt": "Once upon"}) as events:
            events.on("llm-chunk", lambda event: shown.append(event.data))

            async def over(event: ServerSentEvent) -> None:
                done.append(json.loads(event.data))
                events.close()

            events.on("llm-done", over)
            await events.run()
    assert (shown, done) == (["Once ", "upon "], [{"done": True}])
