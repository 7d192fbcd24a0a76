"""The samples that ask a model, with the official SDKs and a scripted provider on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from penstock import SseDecoder
from penstock.testing import open_stream
from tests.aws.support.functions import running
from tests.llm.support.provider import Provider, Script, running_provider
from tests.llm.test_provider import ANTHROPIC, OPENAI
from tests.seeds.apps import models

APP = "tests.seeds.apps.models"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


def test_a_models_answer_on_lambda(provider: Provider) -> None:
    # L14, C7: system 1
    provider.script(Script(ANTHROPIC))
    environment = {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "k"}
    with running(f"{APP}.answer", **environment) as function:
        call = function.api.invoke({"prompt": "Tell me a joke"}).wait()
    events = SseDecoder().feed(call.body)
    assert [event.event for event in events] == ["text", "done"]
    assert events[0].json() == {"type": "text", "content": "Hello"}
    assert events[1].json()["finish_reason"] == "stop"


def test_a_models_text_on_lambda(provider: Provider) -> None:
    # L14, C7, W16: system 3
    provider.script(Script(OPENAI))
    environment = {"OPENAI_BASE_URL": f"{provider.url}/v1", "OPENAI_API_KEY": "k"}
    with running(f"{APP}.text", **environment) as function:
        call = function.api.invoke({}).wait()
    assert call.header["content-type"] == "text/plain"
    assert call.body == b"Hello"


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_either_providers_stream_pushed(
    name: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    # S2: system 5
    provider.script(Script(OPENAI if name == "openai" else ANTHROPIC))
    url = f"{provider.url}/v1" if name == "openai" else provider.url
    monkeypatch.setenv(f"{name.upper()}_BASE_URL", url)
    monkeypatch.setenv(f"{name.upper()}_API_KEY", "k")
    async with open_stream(getattr(models, f"chat_with_{name}"), timeout=20) as stream:
        events = [event async for event in stream]
    assert [(event.event, event.data) for event in events] == [
        ("llm-chunk", "Hello"),
        ("llm-done", json.dumps({"done": True}, separators=(",", ":"))),
    ]
