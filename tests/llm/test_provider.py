"""``Llm`` over the official SDKs, against a scripted provider."""

# ruff: noqa: E501  (tables)

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Annotated, Any

import pytest

from penstock import HttpError, InvalidOption
from penstock.chunk import (
    Chunk,
    Done,
    Error,
    StepEnd,
    StepStart,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from penstock.llm import Llm
from tests.llm import test_cancel as events
from tests.llm.support import sdks
from tests.llm.support.eventstream import event
from tests.llm.support.provider import Provider, Script, sse


def chat(*choices: Any, usage: Any = None) -> bytes:
    """Return chat completion chunks with these deltas, and a usage chunk."""
    base = {"id": "1", "object": "chat.completion.chunk", "model": "m", "created": 1}
    chunks: list[Any] = [{**base, "choices": [choice]} for choice in choices]
    if usage is not None:
        chunks.append({**base, "choices": [], "usage": usage})
    return sse(*chunks, done=True)


def said(text: str) -> Any:
    return {"index": 0, "delta": {"content": text}}


def stopped(reason: str) -> Any:
    return {"index": 0, "delta": {}, "finish_reason": reason}


def calling(name: str, arguments: str, id: str = "call_1", index: int = 0) -> Any:
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": id, "type": "function", "function": function}
    return {"index": 0, "delta": {"tool_calls": [call]}}


USED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
OPENAI = chat(said("Hello"), stopped("stop"), usage=USED)
OPENAI_CALLS = chat(calling("weather", '{"city": "Oslo"}'), stopped("tool_calls"), usage=USED)
ANTHROPIC = events.ANTHROPIC_HEAD + sse(
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"input_tokens": 10, "output_tokens": 5},
    },
    {"type": "message_stop"},
    named=True,
)
ANTHROPIC_CALLS = sse(
    {"type": "message_start", "message": events.MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}},
    },
    {"type": "content_block_delta", "index": 1,
     "delta": {"type": "input_json_delta", "partial_json": '{"city": "Oslo"}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
     "usage": {"input_tokens": 10, "output_tokens": 5}},
    {"type": "message_stop"},
    named=True,
)  # fmt: skip
GOOGLE_USED = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}


def gemini(*parts: Any) -> bytes:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP"}
    return sse({"candidates": [candidate], "usageMetadata": GOOGLE_USED})


GOOGLE = gemini({"text": "Hello"})
GOOGLE_CALLS = gemini(
    {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2ln"}
)
METADATA = event("metadata", {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15},
                              "metrics": {"latencyMs": 1}})  # fmt: skip
BEDROCK = (
    event("messageStart", {"role": "assistant"})
    + event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}})
    + event("contentBlockStop", {"contentBlockIndex": 0})
    + event("messageStop", {"stopReason": "end_turn"})
    + METADATA
)
TOOL_USE = {"toolUse": {"toolUseId": "call_1", "name": "weather"}}
BEDROCK_CALLS = (
    event("messageStart", {"role": "assistant"})
    + event("contentBlockStart", {"contentBlockIndex": 0, "start": TOOL_USE})
    + event("contentBlockDelta",
            {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"city": "Oslo"}'}}})
    + event("contentBlockStop", {"contentBlockIndex": 0})
    + event("messageStop", {"stopReason": "tool_use"})
    + METADATA
)  # fmt: skip
PROVIDERS: dict[str, tuple[bytes, bytes, str]] = {
    "openai": (OPENAI, OPENAI_CALLS, events.SSE),
    "my own server": (OPENAI, OPENAI_CALLS, events.SSE),
    "anthropic": (ANTHROPIC, ANTHROPIC_CALLS, events.SSE),
    "google": (GOOGLE, GOOGLE_CALLS, events.SSE),
    "bedrock": (BEDROCK, BEDROCK_CALLS, events.EVENTS),
}
ONCE = Usage(input=10, output=5, total=15)


def weather(city: Annotated[str, "A city's name"], celsius: bool = True) -> dict[str, Any]:
    """Tell the weather of a city."""
    return {"city": city, "sky": "clear", "celsius": celsius}


async def slowly(seconds: float) -> None:
    waits.append(seconds)


waits: list[float] = []


def llm(provider: Provider, name: str, **more: Any) -> Llm:
    if name == "bedrock":
        return Llm(name, client=sdks.boto(provider.url), sleep=slowly, **more)
    url = f"{provider.url}/v1" if name in ("openai", "my own server") else provider.url
    return Llm(name, base_url=url, api_key="k", sleep=slowly, **more)


async def all_of(source: Any) -> list[Chunk]:
    return [chunk async for chunk in source]


def counts(usage: Usage | None) -> tuple[int | None, ...]:
    assert usage is not None
    return usage.input, usage.output, usage.total


@pytest.mark.parametrize("name", PROVIDERS)
async def test_an_answer(provider: Provider, name: str) -> None:  # C7
    body, _, content_type = PROVIDERS[name]
    script = provider.script(Script(body, content_type=content_type))
    model = llm(provider, name)
    got = await all_of(model.stream("Hi", system="Be kind.", max_tokens=77))
    assert got[:-1] == [Text("Hello")]
    done = got[-1]
    assert isinstance(done, Done)
    assert (done.finish_reason, counts(done.usage)) == ("stop", (10, 5, 15))
    asked = json.dumps(script.requests[0])
    assert "Hi" in asked
    assert "Be kind." in asked
    assert "77" in asked


@pytest.mark.parametrize("name", PROVIDERS)
async def test_messages_with_a_system_message(provider: Provider, name: str) -> None:
    body, _, content_type = PROVIDERS[name]
    script = provider.script(Script(body, content_type=content_type))
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
    ]
    await all_of(llm(provider, name).stream(messages))
    asked = json.dumps(script.requests[0])
    assert all(word in asked for word in ("Be brief.", "One", "Two", "Three"))


@pytest.mark.parametrize("name", PROVIDERS)
async def test_tools_are_run(provider: Provider, name: str) -> None:  # C7
    last, calls, content_type = PROVIDERS[name]
    first = Script(calls, content_type=content_type)
    second = Script(last, content_type=content_type)
    provider.script(first, second)
    got = await all_of(llm(provider, name).stream("Hi", tools=[weather], run_tools=True))
    assert "A city's name" in json.dumps(first.requests[0])
    call = next(chunk for chunk in got if isinstance(chunk, ToolCall))
    assert (call.name, call.input) == ("weather", {"city": "Oslo"})
    result = next(chunk for chunk in got if isinstance(chunk, ToolResult))
    assert (result.id, result.result["sky"]) == (call.id, "clear")
    assert '"sky' in json.dumps(second.requests[0]).replace("\\", "")
    if name == "anthropic":
        said_before = second.requests[0]["messages"][-2]["content"]
        assert said_before[0] == {"type": "thinking", "thinking": "Hm", "signature": "sig"}
    if name == "google":
        assert second.requests[0]["contents"][-2]["parts"][0]["thoughtSignature"] == "c2ln"
    assert got[0] == StepStart()
    assert sum(isinstance(chunk, StepEnd) for chunk in got) == 2
    done = got[-1]
    assert isinstance(done, Done)
    assert (done.finish_reason, counts(done.usage)) == ("stop", (20, 10, 30))
    assert sum(isinstance(chunk, Done) for chunk in got) == 1


async def test_a_loop_of_tools_is_bounded(provider: Provider) -> None:
    script = provider.script(Script(OPENAI_CALLS))
    model = llm(provider, "openai", max_rounds=3)
    got = await all_of(model.stream("Hi", tools=[weather], run_tools=True))
    assert len(script.requests) == 3
    assert got[-1] == Done("tool-calls", Usage(30, 15, None, 45))


async def test_tools_are_not_run_unasked(provider: Provider) -> None:
    provider.script(Script(OPENAI_CALLS))
    got = await all_of(llm(provider, "openai").stream("Hi", tools=[weather]))
    assert not [chunk for chunk in got if isinstance(chunk, ToolResult)]
    assert got[-1] == Done("tool-calls", ONCE)


async def test_what_a_failing_tool_says(provider: Provider) -> None:
    def secret() -> None:
        raise ValueError("password")

    def missing() -> None:
        raise HttpError(404, detail="no such city")

    calls = [calling("secret", "", "a", 0), calling("missing", "{}", "b", 1)]
    calls.append(calling("weather", '{"town": 1}', "c", 2))
    provider.script(Script(chat(*calls, stopped("tool_calls"))), Script(OPENAI))
    tools = [secret, missing, weather]
    got = await all_of(llm(provider, "openai").stream("Hi", tools=tools, run_tools=True))
    errors = [chunk.error for chunk in got if isinstance(chunk, ToolResult)]
    assert errors[:2] == ["The tool failed.", "no such city"]
    assert errors[2] is not None
    assert errors[2].startswith("Wrong arguments")


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_failure_before_the_first_chunk_is_tried_again(  # C7
    provider: Provider, name: str
) -> None:
    body, _, content_type = PROVIDERS[name]
    failing = Script(b"{}", 503, "application/json")
    working = Script(body, content_type=content_type)
    provider.script(failing, failing, working)
    waits.clear()
    got = await all_of(llm(provider, name).stream("Hi"))
    assert isinstance(got[-1], Done)
    assert len(failing.requests) == 2
    assert len(waits) == 2
    assert 0 < waits[0] <= 0.5 < 2 * waits[1]


async def test_an_error_that_will_not_pass_is_not_tried_again(provider: Provider) -> None:
    script = provider.script(Script(b'{"error": {"message": "no"}}', 401, "application/json"))
    with pytest.raises(Exception, match="401"):
        await all_of(llm(provider, "openai").stream("Hi"))
    assert len(script.requests) == 1


async def test_an_error_inside_the_answer_before_its_first_chunk(provider: Provider) -> None:
    failing = Script(sse({"error": {"type": "overloaded_error", "message": "busy"}}))
    provider.script(failing, Script(OPENAI))
    got = await all_of(llm(provider, "openai").stream("Hi"))
    assert got[-1] == Done("stop", ONCE)


async def test_after_the_first_chunk_never(provider: Provider) -> None:  # C4, C7
    failing = Script(chat(said("Hel"))[: -len(b"data: [DONE]\n\n")])
    provider.script(failing, Script(OPENAI))
    got = await all_of(llm(provider, "openai").stream("Hi"))
    assert got[0] == Text("Hel")
    assert isinstance(got[-1], Error)
    assert "ended early" in str(got[-1].detail)
    assert len(failing.requests) == 1


async def test_leaving_stops_the_provider(provider: Provider) -> None:  # C5
    script = provider.script(Script(events.CHAT_HEAD, then=events.CHAT))
    async with aclosing(llm(provider, "openai").stream("Hi", run_tools=True)) as source:
        async for chunk in source:
            if isinstance(chunk, Text):
                break
    await events.see_it_leave(script, 0.0, "Llm", "parked")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Llm("nobody"),
        lambda: Llm("openai", retries=-1),
        lambda: Llm("openai", max_rounds=0),
        lambda: Llm("openai").stream([]),
        lambda: Llm("openai").stream("Hi", tools=["weather"]),
        lambda: Llm("openai").stream("Hi", tools=[weather, weather]),
        lambda: Llm("openai").stream("Hi", tools=[lambda *all: None]),
    ],
)
def test_what_cannot_be_meant(make: Any) -> None:
    with pytest.raises(InvalidOption):
        make()
