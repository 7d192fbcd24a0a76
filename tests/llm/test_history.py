"""A chat's messages, for each provider; the SDKs' own types say whether they would take them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.errors import HttpError
from penstock.llm.requests import parse_chat_request
from tests.llm.test_requests import BODY

PNG = "data:image/png;base64,AAEC"


def convert(provider: str, *messages: dict[str, Any]) -> dict[str, Any]:
    request = parse_chat_request({"messages": list(messages)} if messages else BODY)
    converted: dict[str, Any] = getattr(request, f"to_{provider}")()
    return converted


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def assistant(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "parts": list(parts)}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def file(kind: str, url: str, **more: Any) -> dict[str, Any]:
    return {"type": "file", "mediaType": kind, "url": url, **more}


def tool(state: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool-t", "toolCallId": "c", "state": state, "input": {"a": 1}, **more}


# A chat with tools: what the model said, its calls, their results, and what it said to these.
WHOLE: dict[str, dict[str, Any]] = {
    "openai": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather? Please."},
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [
                    {
                        "id": id,
                        "type": "function",
                        "function": {"name": name, "arguments": arguments},
                    }
                    for id, name, arguments in (
                        ("c1", "weather", '{"city": "Oslo"}'),
                        ("c2", "news", '{"input": "{\\"q\\""}'),
                    )
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"celsius":3}'},
            {"role": "tool", "tool_call_id": "c2", "content": "no"},
            {"role": "assistant", "content": "Three degrees."},
            {"role": "user", "content": "Thanks"},
        ]
    },
    "anthropic": {
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": [text("Weather?"), text(" Please.")]},
            {
                "role": "assistant",
                "content": [
                    text("Let me see."),
                    {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "c2", "name": "news", "input": {"input": '{"q"'}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": '{"celsius":3}'},
                    {
                        "type": "tool_result",
                        "tool_use_id": "c2",
                        "content": "no",
                        "is_error": True,
                    },
                ],
            },
            {"role": "assistant", "content": [text("Three degrees.")]},
            {"role": "user", "content": [text("Thanks")]},
        ],
    },
    "bedrock": {
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "Weather?"}, {"text": " Please."}]},
            {
                "role": "assistant",
                "content": [
                    {"text": "Let me see."},
                    {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}},
                    {"toolUse": {"toolUseId": "c2", "name": "news", "input": {"input": '{"q"'}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "c1", "content": [{"json": {"celsius": 3}}]}},
                    {
                        "toolResult": {
                            "toolUseId": "c2",
                            "content": [{"text": "no"}],
                            "status": "error",
                        }
                    },
                ],
            },
            {"role": "assistant", "content": [{"text": "Three degrees."}]},
            {"role": "user", "content": [{"text": "Thanks"}]},
        ],
    },
    "google": {
        "config": {"system_instruction": "Be brief."},
        "contents": [
            {"role": "user", "parts": [{"text": "Weather?"}, {"text": " Please."}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Let me see."},
                    {"function_call": {"name": "weather", "args": {"city": "Oslo"}}},
                    {"function_call": {"name": "news", "args": {"input": '{"q"'}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"function_response": {"name": "weather", "response": {"celsius": 3}}},
                    {"function_response": {"name": "news", "response": {"error": "no"}}},
                ],
            },
            {"role": "model", "parts": [{"text": "Three degrees."}]},
            {"role": "user", "parts": [{"text": "Thanks"}]},
        ],
    },
}


@pytest.mark.parametrize("provider", WHOLE)
def test_a_whole_chat(provider: str) -> None:
    # C8
    assert convert(provider) == WHOLE[provider]


FILES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openai": (
        file("image/png", "http://x/i.png"),
        {"type": "image_url", "image_url": {"url": "http://x/i.png"}},
    ),
    "openai pdf": (
        file("application/pdf", "data:application/pdf;base64,AAEC", filename="a.pdf"),
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAEC"},
        },
    ),
    "openai audio": (
        file("audio/wav", "data:;base64,AAEC"),
        {"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}},
    ),
    "anthropic": (
        file("image/png", PNG),
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "AAEC"},
        },
    ),
    "anthropic by URL": (
        file("application/pdf", "http://x/a.pdf", filename="a.pdf"),
        {
            "type": "document",
            "source": {"type": "url", "url": "http://x/a.pdf"},
            "title": "a.pdf",
        },
    ),
    "anthropic text": (
        file("text/markdown", "data:text/markdown,%C3%A9"),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
    ),
    "bedrock": (
        {"type": "file", "url": PNG},  # the URL says what it is
        {"image": {"format": "png", "source": {"bytes": b"\0\1\2"}}},
    ),
    "bedrock pdf": (
        file("application/pdf", "data:;base64,AAEC", filename="ä b.pdf"),
        {"document": {"format": "pdf", "name": "--b", "source": {"bytes": b"\0\1\2"}}},
    ),
    "bedrock without a name": (
        file("text/csv", "data:;base64,AAEC"),
        {"document": {"format": "csv", "name": "file", "source": {"bytes": b"\0\1\2"}}},
    ),
    "google": (
        file("image/png", PNG),
        {"inline_data": {"data": b"\0\1\2", "mime_type": "image/png"}},
    ),
    "google by URL": (
        file("application/pdf", "http://x/a.pdf"),
        {"file_data": {"file_uri": "http://x/a.pdf", "mime_type": "application/pdf"}},
    ),
}


@pytest.mark.parametrize(("part", "made"), FILES.values(), ids=FILES)
def test_files(part: dict[str, Any], made: dict[str, Any], request: Any) -> None:
    # C8
    provider = request.node.callspec.id.partition(" ")[0]
    converted = convert(provider, user(text("look"), part))
    (message,) = converted["contents" if provider == "google" else "messages"]
    assert message["parts" if provider == "google" else "content"][1] == made


NOT_TAKEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "openai": ("openai", file("application/pdf", "http://x/a.pdf"), "data: URL only"),
    "bedrock": ("bedrock", file("image/png", "http://x/i.png"), "data: URL only"),
    "kind": ("bedrock", file("video/x", "data:,a"), "no file of type video/x"),
    "base64": ("google", file("image/png", "data:image/png;base64,A"), "is not base64"),
    "comma": ("google", file("image/png", "data:image/png"), "has no comma"),
}


@pytest.mark.parametrize(("provider", "part", "message"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_files_that_are_not_taken(provider: str, part: dict[str, Any], message: str) -> None:
    with pytest.raises(HttpError, match=message) as caught:
        convert(provider, user(part))
    assert caught.value.status == 400


@pytest.mark.parametrize("provider", WHOLE)
@pytest.mark.parametrize(
    "state", ["input-streaming", "input-available", "approval-requested", "approval-responded"]
)
def test_a_call_without_a_result_is_left_out(provider: str, state: str) -> None:
    # C8: with it, every provider refuses the whole request
    converted = convert(provider, user(text("a")), assistant(text("b"), tool(state)))
    assert "'c'" not in repr(converted)
    assert "'b'" in repr(converted)


@pytest.mark.parametrize("provider", WHOLE)
def test_results_of_every_kind(provider: str) -> None:
    # C8
    denied = tool("output-denied", approval={"reason": "too dear"})
    assert "did not allow this call. too dear" in repr(convert(provider, assistant(denied)))
    assert "did not allow" in repr(convert(provider, assistant(tool("output-denied"))))
    assert "The tool failed." in repr(convert(provider, assistant(tool("output-error"))))
    assert "'plain'" in repr(convert(provider, assistant(tool("output-available", output="plain"))))
    listed = repr(convert(provider, assistant(tool("output-available", output=[1, None]))))
    assert ("'output': [1, None]" if provider == "google" else "'[1,null]'") in listed


@pytest.mark.parametrize("provider", WHOLE)
def test_what_says_nothing_is_left_out(provider: str) -> None:
    # C8: an empty text is refused by providers, and so is a message of nothing
    said = convert(
        provider,
        user(text("")),
        user({"type": "data-x", "data": 1}, {"type": "file"}),
        assistant({"type": "step-start"}, {"type": "reasoning", "text": "hm"}, text("")),
        assistant({"type": "reasoning", "text": "hm"}, {"type": "step-start"}),
        {"role": "brand-new", "parts": [text("no")]},
        user(text("yes")),
    )
    messages = said["contents" if provider == "google" else "messages"]
    assert len(messages) == 1
    assert "yes" in repr(messages)


def test_a_side_that_speaks_twice() -> None:
    # Bedrock refuses two messages of one role in a row.
    for provider in ("anthropic", "bedrock"):
        assert len(convert(provider, user(text("a")), user(text("b")))["messages"]) == 1


def test_text_after_a_call_in_one_step_speaks_of_its_result() -> None:
    done = tool("output-available", output=1)
    roles = [m["role"] for m in convert("openai", assistant(done, text("one")))["messages"]]
    assert roles == ["assistant", "tool", "assistant"]


def test_what_a_provider_signed() -> None:
    # C8: reasoning goes back only to whom it came from
    signed = {
        "type": "reasoning",
        "text": "hm",
        "providerMetadata": {"anthropic": {"signature": "S"}},
    }
    called = tool(
        "output-available",
        output={},
        callProviderMetadata={"google": {"thought_signature": "AAEC"}},
    )
    message = assistant(signed, text("a"), called)
    (first, *_) = convert("anthropic", message)["messages"]
    assert first["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "S"}
    (first, *_) = convert("google", message)["contents"]
    assert first["parts"][1]["thought_signature"] == b"\0\1\2"
    assert "hm" not in repr(convert("openai", message))
    redacted = {
        "type": "reasoning",
        "text": "",
        "providerMetadata": {"anthropic": {"redacted_data": "R"}},
    }
    (first, *_) = convert("anthropic", assistant(redacted, text("a")))["messages"]
    assert first["content"][0] == {"type": "redacted_thinking", "data": "R"}
    signed["providerMetadata"] = {"bedrock": {"signature": "S"}}
    (first, *_) = convert("bedrock", message)["messages"]
    assert first["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "hm", "signature": "S"}}
    }


@pytest.mark.parametrize("provider", WHOLE)
def test_a_call_that_the_provider_ran_itself(provider: str) -> None:
    ran = tool("output-available", output=1, providerExecuted=True)
    assert "'c'" not in repr(convert(provider, assistant(ran, text("a"))))
