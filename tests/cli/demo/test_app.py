"""The demo in process, on a clock of the test's own."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from penstock.cli.demo.app import create_app, model_of
from penstock.cli.demo.journal import Journal, Line
from penstock.cli.demo.script import answer_to, steps
from penstock.llm import Llm
from penstock.testing import FakeClock, open_stream
from penstock.types import ASGIApp

FORMATS = ("sse", "ndjson", "text")


@pytest.fixture
def told() -> list[Line]:
    return []


@pytest.fixture
def app(told: list[Line]) -> ASGIApp:
    return create_app(Journal(echo=told.append))


def spoken(format: str, events: list[Any]) -> str:
    """Return the text that a reader of ``format`` has at the end."""
    if format == "text":
        return "".join(events)
    values = [event.json() if format == "sse" else event for event in events if event]
    return "".join(value["content"] for value in values if value.get("type") == "text")


@pytest.mark.parametrize("format", FORMATS)
async def test_one_generator_in_three_formats(format: str, app: ASGIApp, told: list[Line]) -> None:
    # W14, W16, H1
    clock = FakeClock()
    params = {"prompt": "some code", "format": format}
    async with open_stream(app, "/chat", params=params, clock=clock, wait=False) as stream:
        await clock.advance(60)
        await stream.read()
        said = "".join(step.text for step in steps(answer_to("some code")))
        assert stream.ended == "complete"
        assert spoken(format, stream.events) == said
    assert [line.kind for line in told] == ["start", "first", "clean", "end"]
    assert told[-1].text.startswith("completed · ")


@pytest.mark.parametrize(("format", "count"), [("sse", 3), ("ndjson", 3), ("text", 0)])
async def test_silence_is_kept_alive_where_the_format_can(
    format: str, count: int, app: ASGIApp, told: list[Line]
) -> None:
    # F3
    clock = FakeClock()
    params = {"prompt": "be quiet", "format": format}
    async with open_stream(app, "/chat", params=params, clock=clock, wait=False) as stream:
        for _ in range(200):
            await clock.advance(0.1)
        await stream.read()
    found = re.search(r"(\d+) keep-alives", told[-1].text)
    assert (int(found[1]) if found else 0) == count


async def test_a_reader_that_leaves_stops_the_producer(app: ASGIApp, told: list[Line]) -> None:
    # F4
    clock = FakeClock()
    async with open_stream(app, "/chat?prompt=story", clock=clock, wait=False) as stream:
        await clock.advance(1)
        seen = len(stream.events)
        await stream.disconnect()
    assert seen > 3
    assert [line.kind for line in told] == ["start", "first", "stop", "clean", "end"]
    assert told[2].text == f"producer told to stop after {seen} tokens"
    assert told[-1].text.startswith(f"reader left, producer stopped · {seen} events")


REFUSED = {
    "by the model": ("/chat?prompt=refuse", 429),
    "nothing said": ("/chat", 400),
    "blank": ("/chat?prompt=+%20", 400),
    "too much said": ("/chat?prompt=" + "x" * 2_001, 413),
    "unknown format": ("/chat?prompt=hello&format=xml", 400),
    "no such page": ("/nothing", 404),
}


@pytest.mark.parametrize(("target", "status"), REFUSED.values(), ids=REFUSED)
async def test_errors_before_the_first_byte_have_a_status(
    target: str, status: int, app: ASGIApp
) -> None:
    # E1, M5
    async with open_stream(app, target, clock=FakeClock()) as stream:
        assert stream.status == status
        (problem,) = (await stream.json())["errors"]
        assert problem["status"] == status
        assert problem["detail"]


@pytest.mark.parametrize("format", FORMATS)
async def test_an_error_midway_is_told_in_the_stream(
    format: str, app: ASGIApp, told: list[Line]
) -> None:
    # E2
    clock = FakeClock()
    params = {"prompt": "fail", "format": format}
    async with open_stream(app, "/chat", params=params, clock=clock, wait=False) as stream:
        await clock.advance(60)
        await stream.read()
        assert stream.status == 200
        assert stream.ended == ("cut" if format == "text" else "complete")
        if format != "text":
            assert stream.error["errors"][0]["title"] == "Lost the thread"
    assert [line.kind for line in told] == ["start", "first", "error", "clean", "error"]


async def test_the_log_is_a_stream_too(app: ASGIApp) -> None:
    # E0
    async with open_stream(app, "/log") as log:
        async with open_stream(app, "/chat?prompt=refuse", clock=FakeClock()) as chat:
            assert chat.status == 429
        events = [await log.next_event() for _ in range(2)]
    assert [event.event for event in events] == ["log", "log"]
    assert "refuse" in events[0].json()["text"]
    assert events[1].json()["text"] == "answered 429 before the first byte"


async def test_the_page_is_one_file(app: ASGIApp) -> None:
    async with open_stream(app, "/") as stream:
        page = (await stream.read()).decode()
        assert stream.status == 200
        assert stream.content_type == "text/html; charset=utf-8"
        assert "default-src 'none'" in stream.headers["content-security-policy"]
    assert "{{" not in page
    # Nothing is fetched from elsewhere; the icon's namespace is a name, not an address.
    assert set(re.findall(r"https?://[^'\"\s]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(?:script|img|iframe)[^>]+src=|@import|innerHTML|eval\(", page)


class Provider:
    """Stands for OpenAI's client."""

    def __init__(self) -> None:
        self.chat = self.completions = self
        self.asked: list[Any] = []

    async def create(self, **asked: Any) -> Any:
        self.asked.append(asked)
        return self._answer()

    async def _answer(self) -> AsyncGenerator[str]:
        yield "a real "
        yield "answer"


async def test_a_real_model_answers_all_that_is_not_staged(told: list[Line]) -> None:
    provider = Provider()
    app = create_app(Journal(echo=told.append), Llm("openai", "big <1>", client=provider))
    async with open_stream(app, "/") as stream:
        page = (await stream.read()).decode()
    assert "The model is big &lt;1&gt;." in page
    assert "The model is scripted" not in page
    async with open_stream(app, "/chat", params={"prompt": "hello"}) as stream:
        await stream.read()
        assert spoken("sse", stream.events) == "a real answer"
    async with open_stream(app, "/chat", params={"prompt": "please refuse"}) as stream:
        assert stream.status == 429
    assert len(provider.asked) == 1
    assert [line.kind for line in told][:3] == ["start", "first", "clean"]


def test_the_key_chooses_the_model() -> None:
    # Without a key, everything is scripted.
    assert model_of({}) is None
    chosen = model_of({"OPENAI_API_KEY": "k", "PENSTOCK_DEMO_MODEL": "big"})
    assert chosen is not None
    assert (chosen.provider, chosen.model) == ("openai", "big")


async def test_reasoning_tools_and_sources_are_chunks(app: ASGIApp) -> None:
    clock = FakeClock()
    params = {"prompt": "use your tools", "format": "ndjson"}
    async with open_stream(app, "/chat", params=params, clock=clock, wait=False) as stream:
        await clock.advance(60)
        await stream.read()
        kinds = list(dict.fromkeys(event["type"] for event in stream.events if event))
    assert kinds == [
        *("reasoning", "tool_call_start", "tool_call_delta", "tool_call", "tool_result"),
        *("text", "source", "done"),
    ]
