"""Any chunks, in any order: what is written is in order all the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from penstock import Ending, OpenAIChunks, UiMessageStream, UnsupportedItem
from penstock.chunk import (
    Data,
    Done,
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
from penstock.errors import Problem
from penstock.formats import SseDecoder
from penstock.testing import check_ui_message_stream

WORDS = st.text("ab\n\u2028é", max_size=3)
IDS = st.sampled_from(["c1", "c2"])
METADATA = st.sampled_from([None, {"anthropic": {"signature": "S"}}])
ITEMS: st.SearchStrategy[Any] = st.one_of(
    WORDS,
    st.builds(Text, WORDS),
    st.builds(Reasoning, WORDS, METADATA),
    st.builds(ToolCallStart, IDS, st.just("t")),
    st.builds(ToolCallDelta, IDS, st.sampled_from(["", "{", "}", "1"])),
    st.builds(ToolCall, IDS, st.just("t"), st.sampled_from(["", "{", '{"a":1}'])),
    st.builds(ToolResult, IDS, st.just("t"), st.sampled_from([None, 1, {"a": None}])),
    st.builds(ToolResult, IDS, st.just("t"), st.none(), st.just("no")),
    st.builds(Source, st.just("http://x/")),
    st.builds(File, st.just("image/png"), st.just("http://x/")),
    st.builds(Data, st.just("d"), st.none(), st.none(), st.sampled_from([None, True])),
    st.builds(Usage, st.sampled_from([None, 1])),
    st.builds(Done, st.sampled_from(["stop", "tool-calls", "odd"])),
    st.sampled_from([StepStart(), StepEnd()]),
)
ENDINGS = st.sampled_from(["completed", "stopped", "shutdown", "error"])


def write(encoder: Any, items: list[Any], ending: str) -> bytes:
    body: bytes = encoder.open()
    for item in items:
        try:
            body += encoder.item(item)
        except UnsupportedItem:  # a piece of a call that has not begun: nothing of it is written
            assert isinstance(item, ToolCallDelta)
    words = None if ending == "error" else encoder.close(Ending(ending))
    return body + (encoder.error(Problem(500, detail="hidden")) if words is None else words)


@example([Done(), ToolCallStart("c1", "t")], "completed")
@given(st.lists(ITEMS, max_size=12), ENDINGS)
def test_a_ui_message_stream(items: list[Any], ending: str) -> None:
    # C6, F8
    chunks = check_ui_message_stream(write(UiMessageStream().encoder(end_mark=True), items, ending))
    said = "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")
    texts = (item if isinstance(item, str) else item.content for item in items
             if isinstance(item, (str, Text)))  # fmt: skip
    assert said == "".join(texts)
    last = chunks[-1]["type"]
    assert last in {"completed": ("finish", "error"), "stopped": ("abort",)}.get(ending, ("error",))


@given(st.lists(ITEMS, max_size=12), ENDINGS)
def test_openai_chunks(items: list[Any], ending: str) -> None:
    # F8
    body = write(OpenAIChunks().encoder(end_mark=True), items, ending)
    events = SseDecoder().feed(body)
    assert events[-1].data == "[DONE]"
    sent = [json.loads(event.data) for event in events[:-1]]
    choices = [choice for each in sent for choice in each.get("choices", ())]
    reasons = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    failed = [each for each in sent if "error" in each]
    assert len(reasons) + len(failed) == 1
    arguments: dict[int, str] = {}
    for choice in choices:
        for call in choice["delta"].get("tool_calls", ()):
            assert ("id" in call) == (call["index"] not in arguments)
            arguments.setdefault(call["index"], "")
            arguments[call["index"]] += call["function"]["arguments"]
    assert list(arguments) == list(range(len(arguments)))
