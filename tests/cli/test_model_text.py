"""Where each wire keeps a model's text, and its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock import ServerSentEvent
from penstock.cli.model_text import error_after, error_of, text_of

TEXTS: dict[str, tuple[Any, str]] = {
    "ours": ({"type": "text", "content": "hi"}, "hi"),
    "ours, another type": ({"type": "tool_call", "content": "hi"}, ""),
    "ai sdk": ({"type": "text-delta", "id": "0", "delta": "hi"}, "hi"),
    "ai sdk 4": ({"type": "text-delta", "textDelta": "hi"}, "hi"),
    "ai sdk, reasoning": ({"type": "reasoning-delta", "delta": "hm"}, ""),
    "openai chat": ({"choices": [{"index": 0, "delta": {"content": "hi"}}]}, "hi"),
    "openai chat, role": ({"choices": [{"delta": {"role": "assistant", "content": None}}]}, ""),
    "openai chat, usage": ({"choices": [], "usage": {}}, ""),
    "openai completions": ({"choices": [{"text": "hi"}]}, "hi"),
    "openai responses": ({"type": "response.output_text.delta", "delta": "hi"}, "hi"),
    "openai responses, done": ({"type": "response.output_text.done", "text": "hi"}, ""),
    "anthropic": (
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hi"}},
        "hi",
    ),
    "anthropic, tool": ({"type": "content_block_delta", "delta": {"partial_json": "{"}}, ""),
    "gemini": ({"candidates": [{"content": {"parts": [{"text": "h"}, {"text": "i"}]}}]}, "hi"),
    "bedrock": ({"contentBlockDelta": {"delta": {"text": "hi"}}}, "hi"),
    "ollama chat": ({"message": {"role": "assistant", "content": "hi"}, "done": False}, "hi"),
    "ollama generate": ({"response": "hi"}, "hi"),
    "by hand": ({"delta": "hi"}, "hi"),
    "nothing": ({"i": 1}, ""),
}


@pytest.mark.parametrize(("value", "text"), TEXTS.values(), ids=TEXTS)
def test_text_in_json(value: Any, text: str) -> None:
    assert text_of(value) == text
    assert text_of(ServerSentEvent(data=json.dumps(value))) == text


PLAIN = {
    "text": (ServerSentEvent(data="hi there"), "hi there"),
    "a number is text": (ServerSentEvent(data="42"), "42"),
    "a brace is text": (ServerSentEvent(data="{ not json"), "{ not json"),
    "the end": (ServerSentEvent(data="[DONE]"), ""),
    "our end": (ServerSentEvent("done", ""), ""),
    "an error": (ServerSentEvent("error", "broke"), ""),
    "a JSON string": ("hi", "hi"),
    "a JSON number": (3, ""),
}


@pytest.mark.parametrize(("item", "text"), PLAIN.values(), ids=PLAIN)
def test_text_as_it_is(item: Any, text: str) -> None:
    assert text_of(item) == text


OURS = {"errors": [{"status": 502, "title": "Bad Gateway", "detail": "it broke"}]}
ERRORS: dict[str, tuple[Any, str | None]] = {
    "ours": (ServerSentEvent("error", json.dumps(OURS)), "it broke"),
    "ours in ndjson": ({"error": OURS}, "it broke"),
    "a chunk": ({"type": "error", "error": {"message": "overloaded"}}, "overloaded"),
    "ai sdk": (ServerSentEvent(data='{"type":"error","errorText":"no"}'), "no"),
    "openai": ({"error": {"message": "bad key", "code": 1}}, "bad key"),
    "openai in sse": (ServerSentEvent(data='{"error":{"message":"bad key"}}'), "bad key"),
    "text": (ServerSentEvent("error", "broke"), "broke"),
    "without a sentence": (ServerSentEvent("error", '{"a":1}'), '{"a": 1}'),
    "a row with a column": ({"id": 1, "error": None}, None),
    "none": (ServerSentEvent(data='{"error":"in a message"}'), None),
}


@pytest.mark.parametrize(("item", "said"), ERRORS.values(), ids=ERRORS)
def test_errors(item: Any, said: str | None) -> None:
    assert error_of(item) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [("[DONE]", "no"), ('{"type":"finish"}', "no"), ('{"type":"text-delta","delta":"a"}', None)],
)
def test_what_closes_a_wire_leaves_its_error(data: str, said: str | None) -> None:
    assert error_after("no", ServerSentEvent(data=data)) == said
