"""An official SDK's own stream, returned from a view of each framework, as DESIGN shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from penstock.testing import check_ui_message_stream
from tests.faces.clients import FACES, Face
from tests.llm.support import sdks
from tests.llm.support.provider import Provider, Script, running_provider
from tests.llm.test_provider import ANTHROPIC, OPENAI

WAYS: dict[str, tuple[Any, Any, bytes]] = {
    "anthropic, async": (sdks.async_anthropic, sdks.open_messages, ANTHROPIC),
    "anthropic, sync": (sdks.sync_anthropic, sdks.open_messages, ANTHROPIC),
    "openai, async": (sdks.async_openai, sdks.open_chat, OPENAI),
    "openai, sync": (sdks.sync_openai, sdks.open_chat, OPENAI),
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider
    sdks.close_all()


def ask(face: Face, provider: Provider, way: str, format: str) -> Any:
    client, open_way, body = WAYS[way]
    provider.script(Script(body, seed=1))

    def view() -> Any:
        sdk = client(provider.url)
        return face.response(lambda: open_way(sdk), format)

    return face.ask(view)


@pytest.fixture(params=list(FACES.values()), ids=list(FACES))
def face(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("way", WAYS)
def test_a_message_stream(face: Face, provider: Provider, way: str) -> None:  # C1, C6
    answer = ask(face, provider, way, "ui-message-stream")
    assert answer.status == 200
    assert answer.one("x-vercel-ai-ui-message-stream") == "v1"
    chunks = check_ui_message_stream(answer.text.encode())
    assert "".join(chunk.get("delta", "") for chunk in chunks) == "Hello"
    assert chunks[-1]["finishReason"] == "stop"


@pytest.mark.parametrize("way", WAYS)
def test_openais_chunks(face: Face, provider: Provider, way: str) -> None:  # C1, C6
    answer = ask(face, provider, way, "openai")
    assert answer.status == 200
    assert answer.text.count('"content":"Hello"') == 1
    assert answer.text.endswith("data: [DONE]\n\n")


def test_an_answer_that_ends_early(face: Face, provider: Provider) -> None:  # C4, E2
    client, open_way, body = WAYS["anthropic, async"]
    provider.script(Script(body.partition(b"event: message_stop")[0]))

    def view() -> Any:
        sdk = client(provider.url)
        return face.response(lambda: open_way(sdk), "ui-message-stream")

    answer = face.ask(view)
    chunks = check_ui_message_stream(answer.text.encode())
    assert chunks[-1]["type"] == "error"
