"""What chat front ends post."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.errors import HttpError
from penstock.llm.requests import parse_chat_request

# As DefaultChatTransport sends it, with parts of every kind that comes back from a stream.
MESSAGES: list[dict[str, Any]] = [
    {"id": "s", "role": "system", "parts": [{"type": "text", "text": "Be brief."}]},
    {
        "id": "u1",
        "role": "user",
        "parts": [{"type": "text", "text": "Weather?"}, {"type": "text", "text": " Please."}],
        "metadata": {"at": 1},
    },
    {
        "id": "a1",
        "role": "assistant",
        "parts": [
            {"type": "step-start"},
            {"type": "reasoning", "id": "r1", "text": "hm", "state": "done"},
            {"type": "text", "text": "Let me see.", "state": "done"},
            {
                "type": "tool-weather",
                "toolCallId": "c1",
                "state": "output-available",
                "input": {"city": "Oslo"},
                "output": {"celsius": 3},
                "brandNewKey": True,
            },
            {
                "type": "dynamic-tool",
                "toolName": "news",
                "toolCallId": "c2",
                "state": "output-error",
                "rawInput": '{"q"',
                "errorText": "no",
            },
            {"type": "step-start"},
            {"type": "source-url", "sourceId": "1", "url": "http://x/"},
            {"type": "data-chart", "data": {}},
            {"type": "brand-new-part", "text": "?"},
            {"type": "text", "text": "Three degrees.", "state": "done"},
        ],
    },
    {"id": "u2", "role": "user", "parts": [{"type": "text", "text": "Thanks"}]},
]
BODY = {"id": "chat 1", "messages": MESSAGES, "trigger": "submit-message", "model": "big", "n": 2}


@pytest.mark.parametrize("body", [BODY, json.dumps(BODY), json.dumps(BODY).encode()])
def test_a_request(body: Any) -> None:
    # C8
    request = parse_chat_request(body)
    assert (request.id, request.trigger, request.message_id) == ("chat 1", "submit-message", None)
    assert request.extra == {"model": "big", "n": 2}
    assert request.raw == BODY
    assert request.text == "Thanks"
    assert [message.role for message in request.messages] == [m["role"] for m in MESSAGES]
    assert request.messages[1].text == "Weather? Please."
    assert (request.messages[1].id, request.messages[1].metadata) == ("u1", {"at": 1})
    # Everything that came is still there.
    assert [list(message.parts) for message in request.messages] == [m["parts"] for m in MESSAGES]
    assert [message.raw for message in request.messages] == MESSAGES


def test_tools() -> None:
    # C8
    weather, news = parse_chat_request(BODY).messages[2].tools
    assert (weather.id, weather.name, weather.state) == ("c1", "weather", "output-available")
    assert (weather.input, weather.output) == ({"city": "Oslo"}, {"celsius": 3})
    assert weather.raw["brandNewKey"] is True
    assert (news.name, news.input, news.error) == ("news", '{"q"', "no")


@pytest.mark.parametrize(
    ("state", "has_result"),
    [
        *(("input-streaming", False), ("input-available", False), ("approval-requested", False)),
        *(("approval-responded", False), ("output-available", True), ("output-error", True)),
        *(("output-denied", True), ("brand-new-state", False), (None, False)),
    ],
)
def test_tool_states(state: str | None, has_result: bool) -> None:
    # C8
    part = {"type": "tool-t", "toolCallId": "c", "state": state, "approval": {"id": "a"}}
    request = parse_chat_request({"messages": [{"role": "assistant", "parts": [part]}]})
    (tool,) = request.messages[0].tools
    assert tool.has_result is has_result
    assert tool.approval == {"id": "a"}


def test_regenerate() -> None:
    body = {**BODY, "trigger": "regenerate-message", "messageId": "a1"}
    request = parse_chat_request(body)
    assert (request.trigger, request.message_id) == ("regenerate-message", "a1")


SHORTER: dict[str, tuple[dict[str, Any], str]] = {
    "the newest message only": ({"id": "c", "message": MESSAGES[3]}, "Thanks"),
    "useCompletion": ({"prompt": "Once upon"}, "Once upon"),
    "content, not parts": ({"messages": [{"role": "user", "content": "hi"}]}, "hi"),
    "content in parts": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        "hi",
    ),
    "nulls": (
        {
            "id": None,
            "messageId": None,
            "trigger": None,
            "messages": [{"id": None, "role": "user", "parts": [None, 7, {"type": 7}]}],
        },
        "",
    ),
    "no user": ({"messages": [{"role": "assistant"}]}, ""),
}


@pytest.mark.parametrize(("body", "text"), SHORTER.values(), ids=SHORTER)
def test_other_shapes(body: dict[str, Any], text: str) -> None:
    # C8
    assert parse_chat_request(body).text == text


def test_an_id_that_is_a_number() -> None:
    assert parse_chat_request({"id": 7, "prompt": ""}).id == "7"


REFUSED: dict[str, tuple[Any, str]] = {
    "not JSON": (b"{", "the body is not JSON"),
    "a list": ([], "must be a JSON object, not a list"),
    "null": (None, "not null"),
    "nothing to answer": ({}, "neither messages"),
    "no list": ({"messages": {}}, "messages must be a list, not an object"),
    "empty": ({"messages": []}, "messages is empty"),
    "a number": ({"messages": [7]}, r"messages\[0\] must be an object, not a number"),
    "no role": ({"messages": [{"parts": []}]}, r"messages\[0\].role must be"),
    "parts": ({"messages": [{"role": "user", "parts": 7}]}, "parts must be a list, not a number"),
    "a prompt of another kind": ({"prompt": ["a"]}, "neither messages"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: Any, message: str) -> None:
    # C8
    with pytest.raises(HttpError, match=message) as caught:
        parse_chat_request(body)
    assert caught.value.status == 400
