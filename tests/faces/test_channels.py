"""A channel in frameworks that have no sessions: as a source, and told from synchronous views."""

from __future__ import annotations

import threading
from typing import Any

import flask

from penstock import Channel, SseDecoder
from penstock.flask import StreamResponse
from tests.app.calls import open_wsgi

room: Channel[Any] = Channel("room", history=10)
app = flask.Flask(__name__)


@app.get("/events")
def events() -> Any:
    after = flask.request.headers.get("last-event-id")
    return StreamResponse(room.subscribe(after=after))


@app.post("/say")
def say() -> dict[str, str]:
    return {"id": room.broadcast_threadsafe({"text": "hi"}, "chat").result(timeout=10)}


def post() -> str:
    with open_wsgi(app, "/say", method="POST") as (status, _, chunks):
        assert status == 200
        body = b"".join(chunks)
    return str(flask.json.loads(body)["id"])


def test_flask_listens_and_tells() -> None:
    # S3, S5, F10: without a loop of its own
    first = post()
    second = post()
    with open_wsgi(app, "/events", headers={"last-event-id": first}) as (status, headers, chunks):
        assert status == 200
        assert headers["content-type"] == "text/event-stream"
        decoder = SseDecoder()
        seen: list[Any] = []
        while not seen:
            seen += decoder.feed(next(chunks))
        assert [(event.event, event.id) for event in seen] == [("chat", second)]
        telling = threading.Thread(target=post)
        telling.start()
        while len(seen) < 2:
            seen += decoder.feed(next(chunks))
        telling.join()
        assert seen[1].json() == {"text": "hi"}
