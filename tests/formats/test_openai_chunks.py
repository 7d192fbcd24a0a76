"""OpenAI's chunks: the wire, and OpenAI's own client."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from openai import APIError, OpenAI

from penstock import Ending, chunk
from penstock.chunk import (
    Chunk,
    Data,
    Done,
    Error,
    File,
    Reasoning,
    Source,
    StepEnd,
    StepStart,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from penstock.core.format import Encoder, Format
from penstock.errors import (
    HttpError,
    InvalidOption,
    NotSerializable,
    Problem,
    UnsupportedItem,
)
from penstock.event import Event
from penstock.formats import SseDecoder, get_format
from penstock.formats.openai_chunks import OpenAIChunks

_FORMAT: Format = OpenAIChunks()
_ENCODER: Encoder = OpenAIChunks().encoder(end_mark=True)

FIRST = {"role": "assistant", "content": ""}


def call(index: int, id: str, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}


def piece(index: int, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


# What is yielded; the deltas behind the first one; the finish reason; the usage.
COMPLETE: dict[str, tuple[list[Any], list[dict[str, Any]], str, dict[str, Any] | None]] = {
    # W16
    "nothing": ([], [], "stop", None),
    "str": (["a", "", "b\n"], [{"content": "a"}, {"content": "b\n"}], "stop", None),
    "text": ([Text("a\u2028"), Done("length")], [{"content": "a\u2028"}], "length", None),
    "reasoning": (
        [Reasoning("h"), Text("a"), Done()],
        [{"reasoning_content": "h"}, {"content": "a"}],
        "stop",
        None,
    ),
    "tool calls": (
        [
            *(ToolCallStart("c1", "t"), ToolCallStart("c1", "t"), ToolCallDelta("c1", "[")),
            *(ToolCallDelta("c1", "1]"), ToolCall("c1", "t", "[1]", [1]), ToolCallDelta("c1", "x")),
            *(ToolCall("c2", "u", "", {"a": 1}), ToolCallStart("c3", "v")),
            *(ToolCall("c3", "v", ""), ToolCall("c3", "v", ""), Done("tool-calls")),
        ],
        [
            *(call(0, "c1", "t", ""), piece(0, "["), piece(0, "1]"), call(1, "c2", "u", '{"a":1}')),
            *(call(2, "c3", "v", ""), piece(2, "{}")),
        ],
        "tool_calls",
        None,
    ),
    "what has no place": (
        [
            *(StepStart(), Data("x", 1), File("image/png", data="AA=="), Source(document="d")),
            *(ToolResult("c1", "t", 1), StepEnd(), "a", Done("content_filter")),
        ],
        [{"content": "a"}],
        "content_filter",
        None,
    ),
    "sources": (
        [Source("http://x/"), Done("other")],
        [
            {
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"url": "http://x/", "title": "http://x/"},
                    }
                ]
            }
        ],
        "stop",
        None,
    ),
    "usage of each round": (
        [
            *("a", Usage(9), Done("tool-calls", Usage(1, 2)), "b"),
            Done("stop", Usage(3, 4, cache_read=2, reasoning=1)),
        ],
        [{"content": "a"}, {"content": "b"}],
        "stop",
        {
            "prompt_tokens": 4,
            "completion_tokens": 6,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    ),
    "usage by itself": (
        [Usage(1), Usage(5, 6, total=12)],
        [],
        "stop",
        {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 12},
    ),
}


def encode(items: list[Any], **options: Any) -> tuple[Encoder, bytes]:
    encoder = OpenAIChunks(**options).encoder(end_mark=True)
    return encoder, encoder.open() + b"".join(encoder.item(item) for item in items)


def complete(items: list[Any], **options: Any) -> bytes:
    encoder, body = encode(items, **options)
    return body + (encoder.close(Ending.COMPLETED) or b"")


def events(body: bytes) -> list[Any]:
    read = SseDecoder().feed(body)
    assert read[-1].data == "[DONE]"
    return [event.json() for event in read[:-1]]


def ask(body: bytes) -> list[Any]:
    """Return what OpenAI's client makes of ``body``."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        with OpenAI(api_key="k", base_url="http://x/v1", http_client=http, max_retries=0) as client:
            messages: Any = [{"role": "user", "content": "hi"}]
            return list(client.chat.completions.create(model="m", messages=messages, stream=True))


@pytest.mark.parametrize(("items", "deltas", "reason", "usage"), COMPLETE.values(), ids=COMPLETE)
def test_complete(
    items: list[Any], deltas: list[Any], reason: str, usage: dict[str, Any] | None
) -> None:
    # W16
    read = events(complete(items, model="m", message_id="id"))
    for each in read:
        assert each["id"] == "id"
        assert each["model"] == "m"
        assert each["object"] == "chat.completion.chunk"
        assert isinstance(each["created"], int)
    if usage is not None:
        last = read.pop()
        assert (last["choices"], last["usage"]) == ([], usage)
    choices = [choice for each in read for choice in each["choices"]]
    assert {choice["index"] for choice in choices} == {0}
    assert [choice["delta"] for choice in choices] == [FIRST, *deltas, {}]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(deltas) + 1) + [reason]


@pytest.mark.parametrize(("items", "deltas", "reason", "usage"), COMPLETE.values(), ids=COMPLETE)
def test_the_client_reads_it(
    items: list[Any], deltas: list[Any], reason: str, usage: dict[str, Any] | None
) -> None:
    # W16
    read = ask(complete(items))
    choices = [choice for each in read for choice in each.choices]
    content = "".join(choice.delta.content or "" for choice in choices)
    assert content == "".join(each.get("content", "") for each in deltas)
    calls = [each for choice in choices for each in choice.delta.tool_calls or []]
    wanted = [one for each in deltas for one in each.get("tool_calls", [])]
    assert [each.model_dump(exclude_unset=True) for each in calls] == wanted
    assert choices[-1].finish_reason == reason
    if usage is not None:
        assert read[-1].usage.model_dump(exclude_unset=True) == usage


def test_the_clients_own_accumulation() -> None:
    # The helper that puts a whole completion together is stricter than the plain iterator.
    body = complete(
        ["a", ToolCallStart("c1", "t"), ToolCallDelta("c1", "{}"), Done("tool-calls", Usage(1, 2))]
    )

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        with OpenAI(api_key="k", base_url="http://x/v1", http_client=http) as client:
            with client.chat.completions.stream(model="m", messages=[]) as stream:
                whole = stream.get_final_completion()
    message = whole.choices[0].message
    assert message.content == "a"
    assert message.tool_calls is not None
    assert (message.tool_calls[0].id, message.tool_calls[0].function.arguments) == ("c1", "{}")
    assert whole.usage is not None
    assert whole.usage.total_tokens == 3


def test_the_client_raises_an_error() -> None:
    # E2, C6
    encoder, body = encode(["a"])
    told = encoder.error(Problem(500, detail="hidden", cause=ValueError("secret")))
    assert told is not None
    assert events(body + told)[-1] == {
        "error": {"message": "hidden", "type": "server_error", "param": None, "code": "500"}
    }
    with pytest.raises(APIError, match="hidden") as caught:
        ask(body + told)
    assert caught.value.code == "500"


def test_on_error_and_the_callers_own_mistakes() -> None:
    # E2, E4
    cause = ValueError("shown")
    told = encode([], on_error=str)[0].error(Problem(500, cause=cause)) or b""
    assert events(told)[-1]["error"]["message"] == "shown"
    told = encode([])[0].error(Problem(429, detail="slower")) or b""
    error = events(told)[-1]["error"]
    assert (error["message"], error["type"]) == ("slower", "invalid_request_error")


def test_endings() -> None:
    # F8: never a finish for what was cut short
    assert encode(["a"])[0].close(Ending.SHUTDOWN) is None
    assert encode([ToolCallStart("c1", "t")])[0].close(Ending.COMPLETED) is None
    assert encode(["a"])[0].close(Ending.DISCONNECTED) == b""
    stopped = encode(["a"])[0].close(Ending.STOPPED) or b""
    assert events(stopped)[-1]["error"]["message"] == "The answer was stopped."


REFUSED: dict[str, tuple[Any, type[Exception]]] = {
    "mapping": ({"a": 1}, UnsupportedItem),
    "event": (Event("a"), UnsupportedItem),
    "bytes": (b"a", UnsupportedItem),
    "piece of a call that has not begun": (ToolCallDelta("c9", "{"), UnsupportedItem),
    "surrogate": ("\ud800", NotSerializable),
    "error chunk": (Error(429), HttpError),
    "the model's own failure": (Done("error"), HttpError),
}


@pytest.mark.parametrize(("item", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(item: Any, error: type[Exception]) -> None:
    # W16
    encoder, body = encode([])
    with pytest.raises(error):
        encoder.item(item)
    assert encoder.item("b")


def test_what_is_not_sent() -> None:
    items = [Reasoning("h"), Source("http://x/"), "a", Done("stop", Usage(1))]
    body = complete(items, send_reasoning=False, send_sources=False, send_usage=False)
    assert [each["choices"][0]["delta"] for each in events(body)] == [FIRST, {"content": "a"}, {}]


def test_ids() -> None:
    one, other = (events(complete([]))[0]["id"] for _ in range(2))
    assert one.startswith("chatcmpl-")
    assert one != other
    assert events(complete([], message_id=lambda: "made"))[0]["id"] == "made"


def test_notes_are_comments() -> None:
    encoder = get_format("openai").encoder(end_mark=True)
    assert encoder.keep_alive().startswith(b": ")
    assert encoder.control("open").startswith(b": ")


@pytest.mark.parametrize("options", [{"model": ""}, {"on_error": 1}, {"send_reasoning": 1}])
def test_options_that_cannot_be_meant(options: dict[str, Any]) -> None:
    # M7
    with pytest.raises(InvalidOption, match=f"{next(iter(options))}= must be"):
        get_format("openai", **options)


def test_every_kind_of_chunk_is_in_the_table() -> None:
    used = {type(item) for items, *_ in COMPLETE.values() for item in items} - {str}
    kinds = {getattr(chunk, name) for name in chunk.__all__} - {Chunk, Error}
    assert used == kinds
