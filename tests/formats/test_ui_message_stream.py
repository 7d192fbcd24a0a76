"""The UI message stream: the wire, our referee, and the AI SDK's own clients."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

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
from penstock.event import Event, ServerSentEvent
from penstock.formats import get_format
from penstock.formats.ui_message_stream import UiMessageStream
from penstock.testing import check_ui_message_stream
from tests.js.node import AI_SDKS, run_node

_FORMAT: Format = UiMessageStream()
_ENCODER: Encoder = UiMessageStream().encoder(end_mark=True)

START, STEP, STEP_END = {"type": "start"}, {"type": "start-step"}, {"type": "finish-step"}
FINISH = {"type": "finish", "finishReason": "stop"}
HIDDEN = Problem(500, detail="The server could not finish this request.")


def text(id: str, *pieces: str, kind: str = "text") -> list[dict[str, Any]]:
    deltas = [{"type": f"{kind}-delta", "id": id, "delta": piece} for piece in pieces]
    return [{"type": f"{kind}-start", "id": id}, *deltas, {"type": f"{kind}-end", "id": id}]


def reasoning(id: str, *pieces: str) -> list[dict[str, Any]]:
    return text(id, *pieces, kind="reasoning")


def call(input: Any, id: str = "c1", **more: Any) -> dict[str, Any]:
    base = {"type": "tool-input-available", "toolCallId": id, "toolName": "weather"}
    return {**base, "input": input, **more}


def output(value: Any, id: str = "c1") -> dict[str, Any]:
    return {"type": "tool-output-available", "toolCallId": id, "output": value}


CALL = ToolCall("c1", "weather", '{"city":"Oslo"}', {"city": "Oslo"})
OSLO = {"city": "Oslo"}
BEGUN = {"type": "tool-input-start", "toolCallId": "c1", "toolName": "weather"}
PIECES = [
    {"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": piece}
    for piece in ('{"city":', '"Oslo"}')
]
STREAMED: list[Chunk] = [
    ToolCallStart("c1", "weather"),
    ToolCallDelta("c1", '{"city":'),
    ToolCallDelta("c1", '"Oslo"}'),
]

# What is yielded, and the chunks between start and the end of the message.
COMPLETE: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    # W16, C6
    "nothing": ([], [FINISH]),
    "str": (["Hel", "lo"], [STEP, *text("text-1", "Hel", "lo"), STEP_END, FINISH]),
    "text": ([Text("a\u2028\n"), Done()], [STEP, *text("text-1", "a\u2028\n"), STEP_END, FINISH]),
    "empty pieces": (
        [Text(""), Text("a"), Reasoning(""), "", Text("b"), Done()],
        [STEP, *text("text-1", "a", "b"), STEP_END, FINISH],
    ),
    "reasoning, then text": (
        [Reasoning("h"), Reasoning("m"), Text("a"), Done()],
        [STEP, *reasoning("reasoning-1", "h", "m"), *text("text-2", "a"), STEP_END, FINISH],
    ),
    "text around reasoning": (
        [Text("a"), Reasoning("h"), Text("b"), Done()],
        [
            *(STEP, *text("text-1", "a"), *reasoning("reasoning-2", "h")),
            *(*text("text-3", "b"), STEP_END, FINISH),
        ],
    ),
    "tool call": (
        [*STREAMED, CALL, Done("tool_calls")],
        [STEP, BEGUN, *PIECES, call(OSLO), STEP_END, {**FINISH, "finishReason": "tool-calls"}],
    ),
    "tool call at once": ([CALL, Done()], [STEP, call(OSLO), STEP_END, FINISH]),
    "tool call that is never summed up": (
        [*STREAMED, Done()],
        [STEP, BEGUN, *PIECES, call(OSLO), STEP_END, FINISH],
    ),
    "tool call told twice": (
        [*STREAMED, STREAMED[0], CALL, CALL, STREAMED[1], Done()],
        [STEP, BEGUN, *PIECES, call(OSLO), STEP_END, FINISH],
    ),
    "tool without arguments": (
        [ToolCallStart("c1", "weather"), ToolCall("c1", "weather", ""), Done()],
        [STEP, BEGUN, call({}), STEP_END, FINISH],
    ),
    "arguments that are no JSON": (
        [ToolCall("c1", "weather", '{"city"'), Done()],
        [
            STEP,
            {
                **call('{"city"', type="tool-input-error"),
                "errorText": "The tool was called with arguments that are not JSON.",
            },
            STEP_END,
            FINISH,
        ],
    ),
    "two calls at once": (
        [
            *(ToolCallStart("c1", "weather"), ToolCallStart("c2", "weather")),
            *(ToolCallDelta("c2", "[2]"), ToolCallDelta("c1", "[1]")),
            *(ToolCall("c2", "weather", "[2]", [2]), ToolCall("c1", "weather", "[1]", [1])),
            Done(),
        ],
        [
            *(STEP, BEGUN, {**BEGUN, "toolCallId": "c2"}),
            *({**PIECES[0], "toolCallId": "c2", "inputTextDelta": "[2]"},),
            *({**PIECES[0], "inputTextDelta": "[1]"}, call([2], "c2"), call([1]), STEP_END, FINISH),
        ],
    ),
    "tool result, next round": (
        [Text("a"), CALL, Done("tool-calls"), ToolResult("c1", "weather", [None]), "b", Done()],
        [
            *(STEP, *text("text-1", "a"), call(OSLO), output([None]), STEP_END),
            *(STEP, *text("text-2", "b"), STEP_END, FINISH),
        ],
    ),
    "steps": (
        [
            *(StepStart(), CALL, StepEnd(), ToolResult("c1", "weather"), StepStart(), Text("b")),
            *(StepEnd(), Done()),
        ],
        [
            *(STEP, call(OSLO), output(None), STEP_END),
            *(STEP, *text("text-1", "b"), STEP_END, FINISH),
        ],
    ),
    "steps that say nothing": (
        [StepStart(), StepStart(), StepEnd(), Done()],
        [STEP, STEP_END, FINISH],
    ),
    "a step without its end": (
        [StepStart(), Text("a"), StepStart(), Text("b"), Done()],
        [
            *(STEP, *text("text-1", "a"), STEP_END),
            *(STEP, *text("text-2", "b"), STEP_END, FINISH),
        ],
    ),
    "a result that is replaced": (
        [CALL, ToolResult("c1", "weather", 1), ToolResult("c1", "weather", 2), Done()],
        [STEP, call(OSLO), output(1), output(2), STEP_END, FINISH],
    ),
    "a model that counts its calls anew in each round": (
        [
            *(CALL, Done(), ToolResult("c1", "weather", 1)),
            *(ToolCallStart("c1", "weather"), ToolCallDelta("c1", "{}"), Done()),
            *(ToolResult("c1", "weather", 2), CALL, Done()),
        ],
        [
            *(STEP, call(OSLO), output(1), STEP_END, STEP, {**BEGUN, "toolCallId": "c1-1"}),
            *({**PIECES[0], "toolCallId": "c1-1", "inputTextDelta": "{}"}, call({}, "c1-1")),
            *(output(2, "c1-1"), STEP_END, STEP, call(OSLO, "c1-2"), STEP_END, FINISH),
        ],
    ),
    "tool error": (
        [CALL, ToolResult("c1", "weather", error="no such city"), Done()],
        [
            *(STEP, call(OSLO)),
            {"type": "tool-output-error", "toolCallId": "c1", "errorText": "no such city"},
            *(STEP_END, FINISH),
        ],
    ),
    "result of a call from before": (
        [ToolResult("c1", "weather", 7), Done()],
        [STEP, call({}), output(7), STEP_END, FINISH],
    ),
    "sources": (
        [
            *("a", Source("http://x/"), "b", Source(url="http://y/", title="Y")),
            *(Source(document="a.pdf"), Source(document="b", title="B"), Source(title="C"), Done()),
        ],
        [
            STEP,
            *text("text-1", "a")[:-1],
            {"type": "source-url", "sourceId": "source-1", "url": "http://x/"},
            {"type": "text-delta", "id": "text-1", "delta": "b"},
            {"type": "source-url", "sourceId": "source-2", "url": "http://y/", "title": "Y"},
            *(
                {"type": "source-document", "sourceId": id, "mediaType": kind, "title": title}
                | ({"filename": filename} if filename else {})
                for id, kind, title, filename in (
                    ("source-3", "application/pdf", "a.pdf", "a.pdf"),
                    ("source-4", "text/plain", "B", "b"),
                    ("source-5", "text/plain", "C", None),
                )
            ),
            *({"type": "text-end", "id": "text-1"}, STEP_END, FINISH),
        ],
    ),
    "files": (
        [File("image/png", url="http://x/i.png"), File("image/png", data="AA=="), Done()],
        [
            STEP,
            {"type": "file", "url": "http://x/i.png", "mediaType": "image/png"},
            {"type": "file", "url": "data:image/png;base64,AA==", "mediaType": "image/png"},
            *(STEP_END, FINISH),
        ],
    ),
    "data": (
        [Data("w", {"t": None}, id="1"), "a", Data("w", None, transient=True), "b", Done()],
        [
            {"type": "data-w", "id": "1", "data": {"t": None}},
            *(STEP, *text("text-1", "a")[:-1]),
            {"type": "data-w", "transient": True, "data": None},
            *({"type": "text-delta", "id": "text-1", "delta": "b"},),
            *({"type": "text-end", "id": "text-1"}, STEP_END, FINISH),
        ],
    ),
    "usage": (
        [
            *("a", Usage(), Usage(1), Done("length", Usage(1, 2, reasoning=1, total=3)), "b"),
            Done("stop", Usage(3, 4, cache_read=2, cache_write=1)),
        ],
        [
            *(STEP, *text("text-1", "a")[:-1]),
            {"type": "message-metadata", "messageMetadata": {"usage": {"inputTokens": 1}}},
            *({"type": "text-end", "id": "text-1"}, STEP_END),
            *(STEP, *text("text-2", "b"), STEP_END),
            {
                **FINISH,
                "messageMetadata": {
                    "usage": {
                        "inputTokens": 4,
                        "outputTokens": 6,
                        "totalTokens": 3,
                        "reasoningTokens": 1,
                        "cachedInputTokens": 2,
                        "cacheWriteTokens": 1,
                    }
                },
            },
        ],
    ),
    "what a provider wants back": (
        [
            Reasoning("h"),
            Reasoning("", {"anthropic": {"signature": "S"}}),
            ToolCall("c1", "weather", "{}", {}, {"google": {"thoughtSignature": "T"}}, True),
            Reasoning("", {"anthropic": {"redactedData": "R"}}),
            Done(),
        ],
        [
            *(STEP, *reasoning("reasoning-1", "h")[:-1]),
            {
                "type": "reasoning-delta",
                "id": "reasoning-1",
                "delta": "",
                "providerMetadata": {"anthropic": {"signature": "S"}},
            },
            {"type": "reasoning-end", "id": "reasoning-1"},
            {
                **call({}, providerExecuted=True),
                "providerMetadata": {"google": {"thoughtSignature": "T"}},
            },
            {"type": "reasoning-start", "id": "reasoning-2"},
            {
                "type": "reasoning-delta",
                "id": "reasoning-2",
                "delta": "",
                "providerMetadata": {"anthropic": {"redactedData": "R"}},
            },
            *({"type": "reasoning-end", "id": "reasoning-2"}, STEP_END, FINISH),
        ],
    ),
    "an unknown finish reason": ([Done("end_turn")], [{**FINISH, "finishReason": "other"}]),
}

BROKEN: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    "nothing": ([], []),
    "text": (["a"], [STEP, *text("text-1", "a")]),
    "tool input": (
        STREAMED[:2],
        [STEP, BEGUN, PIECES[0], {**call('{"city":', type="tool-input-error"), "errorText": "?"}],
    ),
    "after done": (["a", Done()], [STEP, *text("text-1", "a")]),
}


def encode(items: list[Any], **options: Any) -> tuple[Encoder, bytes]:
    encoder = UiMessageStream(**options).encoder(end_mark=True)
    return encoder, encoder.open() + b"".join(encoder.item(item) for item in items)


def complete(items: list[Any], **options: Any) -> bytes:
    encoder, body = encode(items, **options)
    return body + (encoder.close(Ending.COMPLETED) or b"")


@pytest.mark.parametrize(("items", "chunks"), COMPLETE.values(), ids=COMPLETE)
def test_complete(items: list[Any], chunks: list[dict[str, Any]]) -> None:
    # C6, W16
    assert check_ui_message_stream(complete(items)) == [START, *chunks]


@pytest.mark.parametrize(("items", "chunks"), BROKEN.values(), ids=BROKEN)
def test_error(items: list[Any], chunks: list[dict[str, Any]]) -> None:
    # E2, C6, F8
    encoder, body = encode(items)
    read = check_ui_message_stream(body + (encoder.error(HIDDEN) or b""))
    told = json.loads(json.dumps(chunks).replace('"?"', f'"{HIDDEN.detail}"'))
    assert read == [START, *told, {"type": "error", "errorText": HIDDEN.detail}]


@pytest.mark.parametrize("ending", [Ending.SHUTDOWN, Ending.OVERFLOW, Ending.TIMEOUT])
def test_an_ending_that_is_told_as_an_error(ending: Ending) -> None:
    # F8
    assert encode(["a"])[0].close(ending) is None


def test_a_stop_is_told_as_an_abort() -> None:
    # C6
    for target, more in ((5, {}), (6, {"reason": "The answer was stopped."})):
        encoder, body = encode(["a", *STREAMED[:2]], target=target)
        chunks = check_ui_message_stream(body + (encoder.close(Ending.STOPPED) or b""))
        assert chunks[-1] == {"type": "abort", **more}


def test_a_producer_that_ends_in_the_middle_of_a_call_has_not_finished() -> None:
    # C4
    encoder, _ = encode(list(STREAMED))
    assert encoder.close(Ending.COMPLETED) is None


def test_the_errors_text() -> None:
    # E2, E4, C6
    def told(problem: Problem, **options: Any) -> Any:
        encoder, body = encode([], **options)
        return check_ui_message_stream(body + (encoder.error(problem) or b""))[-1]["errorText"]

    assert told(Problem(404, detail="no such chat")) == "no such chat"
    assert told(Problem(404)) == "Not Found"
    assert told(Problem(404, detail="cut \ud800")) == "cut ?"
    cause = ValueError("secret")
    assert told(Problem(500, detail="hidden", cause=cause)) == "hidden"
    assert told(Problem(500, cause=cause), on_error=repr) == "ValueError('secret')"
    assert told(Problem(503, detail="later"), on_error=str) == "503 Service Unavailable: later"
    with pytest.raises(TypeError, match="on_error= must return a str, returned int"):
        told(Problem(500), on_error=lambda error: 7)


def test_an_error_chunk_ends_the_stream() -> None:
    # W16
    encoder, _ = encode([])
    with pytest.raises(HttpError) as caught:
        encoder.item(Error(429, "Slow down", "wait"))
    assert (caught.value.status, caught.value.detail) == (429, "wait")


REFUSED: dict[str, tuple[Any, type[Exception]]] = {
    # W16, W10, W12
    "mapping": ({"type": "text", "content": "a"}, UnsupportedItem),
    "event": (Event("a"), UnsupportedItem),
    "received event": (ServerSentEvent(), UnsupportedItem),
    "bytes": (b"a", UnsupportedItem),
    "number": (7, UnsupportedItem),
    "None": (None, UnsupportedItem),
    "piece of a call that has not begun": (ToolCallDelta("c9", "{"), UnsupportedItem),
    "source of nothing": (Source(), UnsupportedItem),
    "file of nothing": (File("image/png"), UnsupportedItem),
    "surrogate": ("\ud800", NotSerializable),
    "object": (Data("x", object()), NotSerializable),
    "object as input": (ToolCall("c9", "t", "", object()), NotSerializable),
    "object as output": (ToolResult("c9", "t", object()), NotSerializable),
}


@pytest.mark.parametrize(("item", "error"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("before", [[], ["a"]], ids=["first", "later"])
def test_refused(item: Any, error: type[Exception], before: list[Any]) -> None:
    encoder, body = encode(before)
    with pytest.raises(error):
        encoder.item(item)
    # Nothing was written, and what follows does not depend on it.
    body += encoder.item("b") + (encoder.close(Ending.COMPLETED) or b"")
    pieces = [str(each) for each in [*before, "b"]]
    chunks = [START, STEP, *text("text-1", *pieces), STEP_END, FINISH]
    assert check_ui_message_stream(body) == chunks


def test_what_is_not_sent() -> None:
    signed = Reasoning("", {"anthropic": {"signature": "S"}})
    items = [Reasoning("h"), signed, "a", Source("http://x/"), Usage(1), Done("stop", Usage(1))]
    body = complete(items, send_reasoning=False, send_sources=False, send_usage=False)
    assert check_ui_message_stream(body)[1:] == [STEP, *text("text-1", "a"), STEP_END, FINISH]


def test_the_messages_id() -> None:
    ids = iter(["m1", "m2"])
    format = UiMessageStream(message_id=lambda: next(ids))
    for id in ("m1", "m2"):
        assert f'"messageId":"{id}"'.encode() in format.encoder(end_mark=True).open()
    assert b'"messageId":"m"' in UiMessageStream(message_id="m").encoder(end_mark=True).open()


def test_notes_are_comments() -> None:
    # C6: an event would end the whole chat
    encoder = get_format("ui-message-stream").encoder(end_mark=True)
    for note in (encoder.control("open"), encoder.keep_alive()):
        assert note.startswith(b": ")
        assert note.endswith(b"\n")
        assert encoder.item("") == b""


def test_headers() -> None:
    format = get_format("ui-message-stream")
    assert format.content_type == "text/event-stream"
    assert dict(format.headers)["x-vercel-ai-ui-message-stream"] == "v1"
    assert format.keep_alive == 15.0


@pytest.mark.parametrize(
    "options",
    [
        *({"target": each} for each in (4, 8, "5", True, None)),
        *({"on_error": 5}, {"message_id": ""}, {"message_id": 7}, {"send_usage": None}),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any]) -> None:
    # M7
    with pytest.raises(InvalidOption, match=f"{next(iter(options))}= must be"):
        get_format("ui-message-stream", **options)


# --- the AI SDK's own clients


@pytest.fixture(scope="module")
def verdicts() -> Any:
    """What each client makes of each stream."""
    bodies = {f"complete {name}": complete(items) for name, (items, _) in COMPLETE.items()}
    for name, (items, _) in BROKEN.items():
        encoder, body = encode(items)
        bodies[f"broken {name}"] = body + (encoder.error(HIDDEN) or b"")
    encoder, body = encode(["a", *STREAMED[:2]])
    bodies["stopped"] = body + (encoder.close(Ending.STOPPED) or b"")
    encoder = UiMessageStream().encoder(end_mark=True)
    bodies["with notes"] = b"".join(
        (
            *(encoder.control("open"), encoder.keep_alive(), encoder.open(), encoder.item("a")),
            *(encoder.keep_alive(), encoder.item("b"), encoder.close(Ending.COMPLETED) or b""),
        )
    )
    bodies["null"] = bodies["complete str"].replace(b'"start"', b'"start","messageId":null')
    encoded = {name: base64.b64encode(body).decode() for name, body in bodies.items()}
    given = {"versions": AI_SDKS, "bodies": encoded, "split": 7}
    return run_node("read_ui_messages.mjs", given)


@pytest.mark.parametrize("sdk", AI_SDKS)
@pytest.mark.parametrize("name", COMPLETE)
def test_the_client_accepts(verdicts: Any, sdk: str, name: str) -> None:
    # C6
    read = verdicts[sdk][f"complete {name}"]
    assert read["errors"] == []
    assert read["types"] == [each["type"] for each in [START, *COMPLETE[name][1]]]
    parts = read["message"]["parts"] if read["message"] else []
    assert not [part for part in parts if "streaming" in part.get("state", "")]
    wanted = "".join(
        item if isinstance(item, str) else item.content
        for item in COMPLETE[name][0]
        if isinstance(item, (str, Text))
    )
    assert "".join(part["text"] for part in parts if part["type"] == "text") == wanted


@pytest.mark.parametrize("sdk", AI_SDKS)
@pytest.mark.parametrize("name", BROKEN)
def test_the_client_is_told_of_an_error(verdicts: Any, sdk: str, name: str) -> None:
    # E2
    read = verdicts[sdk][f"broken {name}"]
    assert read["errors"] == [HIDDEN.detail]
    assert read["types"][-1] == "error"


@pytest.mark.parametrize("sdk", AI_SDKS)
def test_the_client_takes_notes_and_stops(verdicts: Any, sdk: str) -> None:
    # C6, F3
    assert verdicts[sdk]["with notes"]["errors"] == verdicts[sdk]["stopped"]["errors"] == []
    assert verdicts[sdk]["with notes"]["message"]["parts"][-1]["text"] == "ab"


def test_the_client_is_strict(verdicts: Any) -> None:
    for sdk in AI_SDKS:
        assert verdicts[sdk]["null"]["errors"]


def test_the_clients_are_those_that_are_meant(verdicts: Any) -> None:
    majors = [verdicts[sdk]["version"] for sdk in AI_SDKS]
    assert [each.partition(".")[0] for each in majors] == ["5", "6", "6", "7"]
    assert majors[1] == "6.0.100"


def test_what_the_client_shows_of_tools_and_data(verdicts: Any) -> None:
    for sdk in AI_SDKS:
        parts = verdicts[sdk]["complete tool result, next round"]["message"]["parts"]
        (tool,) = [part for part in parts if part["type"] == "tool-weather"]
        assert (tool["state"], tool["input"], tool["output"]) == ("output-available", OSLO, [None])
        usage = verdicts[sdk]["complete usage"]["message"]["metadata"]["usage"]
        assert usage["outputTokens"] == 6


def test_every_kind_of_chunk_is_in_the_table() -> None:
    used = {type(item) for items, _ in COMPLETE.values() for item in items} - {str}
    kinds = {getattr(chunk, name) for name in chunk.__all__} - {Chunk, Error}
    assert used == kinds
