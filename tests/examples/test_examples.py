"""The examples run, each as its own first lines say. Those that deploy: ``tests/cdk``."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from penstock.aws.emulator import LocalLambda
from tests.conftest import require
from tests.support.http import Arrived, Response, request
from tests.support.redis import RedisServer
from tests.support.servers import Server, serve

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FORM = ("Content-Type", "application/x-www-form-urlencoded")


@contextmanager
def example(name: str, **env: str) -> Iterator[Server]:
    """Run ``examples/<name>/main.py`` as its first lines say, under uvicorn."""
    # No key of the machine's: the model that answers is the example's own.
    env = {"ANTHROPIC_API_KEY": "", "OPENAI_API_KEY": "", **env}
    with serve("uvicorn", "main:app", path=EXAMPLES / name, env=env) as server:
        yield server


def say(server: Server, text: str) -> None:
    body = json.dumps({"text": text}).encode()
    with request(server.port, "POST", "/say", body=body) as response:
        assert response.status == 200, response.read()


def next_of(events: Iterator[Arrived], kind: str) -> Arrived:
    return next(arrived for arrived in events if arrived.event.event == kind)


def test_a_room_over_two_processes() -> None:
    # S3, S5, S6
    require(shutil.which("redis-server"), "redis-server")
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        here, there = (
            stack.enter_context(example("redis-room", REDIS_URL=redis.url)) for _ in range(2)
        )
        with request(here.port) as page:
            assert b"EventSource" in page.read()
        say(there, "before anybody came")
        with request(here.port, target="/events") as stream:
            events = stream.events()
            first = next_of(events, "said")
            assert json.loads(first.event.data) == {"text": "before anybody came"}
            say(there, "hello")
            assert json.loads(next_of(events, "said").event.data) == {"text": "hello"}
        cursor = [("Last-Event-ID", first.event.id)]
        with request(there.port, target="/events", headers=cursor) as stream:
            assert json.loads(next_of(stream.events(), "said").event.data) == {"text": "hello"}
        with request(here.port, "POST", "/say", body=b'{"text": 7}') as refused:
            assert refused.status == 422


def test_notifications_from_a_sync_view() -> None:
    # S3, S4: each user gets theirs
    with example("django-notifications") as server:
        with request(server.port) as page:
            assert b"EventSource" in page.read()
        with request(server.port, target="/events?user=ada") as stream:
            assert stream.status == 200
            for user in ("bob", "ada"):
                body = f"user={user}&text=for+{user}".encode()
                with request(server.port, "POST", "/notify", headers=[FORM], body=body) as sent:
                    assert sent.status == 200, server.output()
            arrived = next_of(stream.events(), "notification")
            assert json.loads(arrived.event.data) == {"text": "for ada"}


def test_a_chat_in_fastapi() -> None:
    # S8, C6
    question = {"id": "7", "messages": [{"role": "user", "content": "hello"}]}
    with example("fastapi-chat") as server:
        body = json.dumps(question).encode()
        with request(server.port, "POST", "/chat", body=body) as stream:
            text = _text_of(stream)
        assert text == "You said: hello "
        with request(server.port, target="/chat/7/stream") as stream:
            assert stream.status == 204


def _text_of(stream: Response) -> str:
    assert stream.status == 200, stream.read()
    chunks = [json.loads(each.event.data) for each in stream.events() if each.event.data[0] == "{"]
    return "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("lambda-sse", ['{"i":0}', '{"i":1}']),
        ("cdk-app/function", ['{"i":0}', '{"i":1}']),
        ("sam-app/function", ['{"i":0}', '{"i":1}']),
    ],
)
async def test_functions_on_the_local_lambda(folder: str, expected: list[str]) -> None:
    # L1, P4
    async with LocalLambda("main.handler", cwd=EXAMPLES / folder) as function:
        port = int(function.url.rpartition(":")[2].strip("/"))

        def read() -> list[str]:
            with request(port, target="/?n=2", timeout=30.0) as stream:
                assert stream.header("content-type") == "text/event-stream"
                return [each.event.data for each in stream.events() if each.event.data]

        assert await asyncio.to_thread(read) == expected
