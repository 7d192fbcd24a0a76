"""Recorded bodies through the official SDKs, cut at random places: the manifest's answers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from penstock.chunk import Done, Reasoning, Text, ToolCall, ToolResult
from penstock.llm import chunks
from tests.conftest import require
from tests.llm.support import sdks
from tests.llm.support.provider import Provider, Script

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "llm_streams"
STREAMS = json.loads((FOLDER / "manifest.json").read_text())["streams"] if FOLDER.is_dir() else []
PARTS = {part["file"]: (stream["provider"], part) for stream in STREAMS for part in stream["parts"]}
WAYS: dict[str, list[tuple[Any, Any]]] = {
    "openai.chat": [(sdks.async_openai, sdks.open_chat), (sdks.sync_openai, sdks.open_chat)],
    "openai.responses": [
        (sdks.async_openai, sdks.open_responses),
        (sdks.sync_openai, sdks.open_responses),
    ],
    "anthropic": [
        (sdks.async_anthropic, sdks.open_messages),
        (sdks.sync_anthropic, sdks.open_messages),
        (sdks.async_anthropic, sdks.open_helper),
        (sdks.sync_anthropic, sdks.open_helper),
    ],
    "bedrock": [(sdks.boto, sdks.open_converse)],
    "google": [(sdks.async_google, sdks.open_google), (sdks.sync_google, sdks.open_google)],
}
CASES = [
    pytest.param(part, client, open_stream, id=f"{name}-{client.__name__}-{open_stream.__name__}")
    for name, (provider, part) in PARTS.items()
    for client, open_stream in WAYS[provider]
]
REASONS = {"stop", "length", "tool-calls", "content-filter"}


def test_the_recordings_are_there() -> None:
    require(CASES, "the recorded streams beside the repository")


@pytest.mark.parametrize(("part", "client", "open_stream"), CASES)
async def test_a_recording_is_what_the_manifest_says(  # C1, C2, C3
    provider: Provider, part: dict[str, Any], client: Any, open_stream: Any
) -> None:
    body = (FOLDER / part["file"]).read_bytes()
    expected = _expected(part["expected"])
    for seed in (1, 2):
        provider.script(Script(body, content_type=part["content_type"], seed=seed))
        sdk = client(provider.url)
        got = [chunk async for chunk in chunks(partial(open_stream, sdk))]
        assert _text(got, Text) == expected["text"]
        assert _text(got, Reasoning) == expected["reasoning"]
        calls = [chunk for chunk in got if isinstance(chunk, ToolCall)]
        assert [call.name for call in calls] == [call["name"] for call in expected["tool_calls"]]
        for call, wanted in zip(calls, expected["tool_calls"], strict=True):
            arguments = wanted["arguments"]
            loaded = json.loads(arguments) if isinstance(arguments, str) else arguments
            assert call.input == json.loads(call.arguments) == loaded
            assert wanted["id"] in (None, call.id)
            assert call.provider_executed is (wanted.get("provider_executed") or None)
        results = [chunk.id for chunk in got if isinstance(chunk, ToolResult)]
        assert results == [each["tool_use_id"] for each in expected["server_tool_results"]]
        done = got[-1]
        assert isinstance(done, Done)
        assert done.finish_reason == part["ai_sdk_oracle"]["finishReason"]
        assert done.finish_reason in REASONS
        usage = part["ai_sdk_oracle"]["usage"]
        assert done.usage is not None
        counted = (done.usage.input, done.usage.output, done.usage.total)
        assert counted == (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"])
        if "reasoningTokens" in usage:
            assert done.usage.reasoning in (usage["reasoningTokens"], None)
        assert sum(isinstance(chunk, Done) for chunk in got) == 1


def _expected(expected: dict[str, Any]) -> dict[str, Any]:
    choice = expected["choices"][0] if "choices" in expected else expected
    return {
        "text": choice.get("text") or choice.get("refusal") or "",
        "reasoning": choice.get("reasoning") or "",
        "tool_calls": choice.get("tool_calls", []),
        "server_tool_results": choice.get("server_tool_results", []),
    }


def _text(got: list[Any], kind: Any) -> str:
    return "".join(chunk.content for chunk in got if isinstance(chunk, kind))
