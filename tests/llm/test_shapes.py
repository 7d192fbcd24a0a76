"""Each shape's rules, as a table: events to chunks. C2, C3, C4."""

# ruff: noqa: E501  (tables)

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.chunk import (
    Chunk,
    Done,
    Error,
    File,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from penstock.llm import chunks

ANY = "any id"


async def read(events: Any) -> list[Chunk]:
    async def source() -> AsyncIterator[Any]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event

    return [chunk async for chunk in chunks(source())]


def objects(value: Any) -> Any:
    """Return dicts as objects with attributes, as SDKs have them."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: objects(each) for name, each in value.items()})
    return [objects(each) for each in value] if isinstance(value, list) else value


def chat(delta: Any = None, reason: str | None = None, **more: Any) -> Any:
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": reason}], **more}


def call(name: Any = None, arguments: Any = None, **more: Any) -> Any:
    return chat({"tool_calls": [{**more, "function": {"name": name, "arguments": arguments}}]})


END, CALLED = chat(reason="stop"), chat(reason="tool_calls")
USED = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}


def item(kind: str, **fields: Any) -> Any:
    return {"type": kind, "sequence_number": 1, "output_index": 0, **fields}


def block(index: int, **block: Any) -> Any:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> Any:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def ended(reason: str) -> list[Any]:
    usage = {"output_tokens": 2}
    return [{"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage},
            {"type": "message_stop"}]  # fmt: skip


START = {"type": "message_start", "message": {"usage": {"input_tokens": 1, "output_tokens": 0}}}
A_USAGE = Usage(input=1, output=2, total=3)


def stop(index: int) -> Any:
    return {"type": "content_block_stop", "index": index}


def gemini(*parts: Any, reason: str | None = None, **more: Any) -> Any:
    return {"candidates": [{"content": {"parts": list(parts)}, "finish_reason": reason, **more}]}


def completed(**response: Any) -> Any:
    return item("response.completed", response={"status": "completed", **response})


def bedrock(kind: str, **fields: Any) -> Any:
    return {kind: fields}


def piece(index: int, **delta: Any) -> Any:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}


def invoke(**body: Any) -> Any:
    return {"chunk": {"bytes": json.dumps(body).encode()}}


F = [ToolCall("a", "f", '{"x":1}', {"x": 1}), ToolCall("b", "g", "{}", {})]
# Name to (events, the chunks that are not deltas of a call). An Error stands for any error.
CASES: dict[str, tuple[list[Any], list[Any]]] = {
    # --- chat completions
    "chat: text, usage only at the end": (
        [chat({"content": "a"}), chat({"content": "b"}), END, USED],
        [Text("a"), Text("b"), Done("stop", Usage(1, 2, None, 3))]),
    "chat: a refusal is text": (
        [chat({"refusal": "No."}), END], [Text("No."), Done("content-filter")]),
    "chat: length": ([chat({"content": "a"}), chat(reason="length")], [Text("a"), Done("length")]),
    "chat: filtered": ([chat(reason="content_filter")], [Done("content-filter")]),
    "chat: an unknown reason": ([chat(reason="tired")], [Done("other")]),
    "chat: n > 1 reads the first": (
        [{"choices": [{"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}]},
         chat({"content": "a"}), END], [Text("a"), Done()]),
    "chat: empty choices first": ([{"choices": [], "prompt_filter_results": []}, END], [Done()]),
    "chat: reasoning_content": (
        [chat({"reasoning_content": "hm"}), END], [Reasoning("hm"), Done()]),
    "chat: reasoning": ([chat({"reasoning": "hm"}), END], [Reasoning("hm"), Done()]),
    "chat: reasoning_details": (
        [chat({"reasoning_details": [{"text": "hm"}]}), END], [Reasoning("hm"), Done()]),
    "chat: both, once": (
        [chat({"reasoning": "hm", "reasoning_details": [{"text": "hm"}]}), END],
        [Reasoning("hm"), Done()]),
    "chat: annotations": (
        [chat({"annotations": [{"url_citation": {"url": "u", "title": "t"}}]}), END],
        [Source("u", None, "t"), Done()]),
    "chat: two calls by index": (
        [call("f", "", index=0, id="a"), call(None, '{"x":1}', index=0),
         call("g", "", index=1, id="b"), CALLED], [*F, Done("tool-calls")]),
    "chat: two calls, index 0 for both": (
        [call("f", '{"x":1}', index=0, id="a"), call("g", "{}", index=0, id="b"), CALLED],
        [*F, Done("tool-calls")]),
    "chat: the id on every delta": (
        [call("f", '{"x"', index=0, id="a"), call("f", ":1}", index=0, id="a"),
         call("g", "{}", index=1, id="b"), CALLED], [*F, Done("tool-calls")]),
    "chat: no ids": (
        [call("f", '{"x":1}', index=0), call("g", "{}", index=1), CALLED],
        [ToolCall(ANY, "f", '{"x":1}', {"x": 1}), ToolCall(ANY, "g", "{}", {}),
         Done("tool-calls")]),
    "chat: neither ids nor indexes": (
        [call("f", '{"x"'), call(None, ":1}"), call("g", "{}"), CALLED],
        [ToolCall(ANY, "f", '{"x":1}', {"x": 1}), ToolCall(ANY, "g", "{}", {}),
         Done("tool-calls")]),
    "chat: no index, two of one name": (
        [call("f", "{}", id="a"), call("f", "{}", id="b"), CALLED],
        [ToolCall("a", "f", "{}", {}), ToolCall("b", "f", "{}", {}), Done("tool-calls")]),
    "chat: stop although it called": (
        [call("g", "", index=0, id="b"), END], [F[1], Done("tool-calls")]),
    "chat: an object for arguments": (
        [call("f", {"x": 1}, index=0, id="a"), CALLED],
        [ToolCall("a", "f", '{"x": 1}', {"x": 1}), Done("tool-calls")]),
    "chat: function_call": (
        [chat({"function_call": {"name": "g", "arguments": ""}}),
         chat({"function_call": {"arguments": "{}"}}), chat(reason="function_call")],
        [ToolCall(ANY, "g", "{}", {}), Done("tool-calls")]),
    "chat: malformed arguments": (
        [call("f", '{"x":', index=0, id="a"), CALLED], [Error()]),
    "chat: a call without a name": ([call(None, "{}", index=0, id="a"), CALLED], [Error()]),
    "chat: a call cut by the limit": (
        [call("f", '{"x":', index=0, id="a"), chat(reason="length")], [Done("length")]),
    "chat: no end": ([chat({"content": "a"})], [Text("a"), Error()]),
    "chat: an error beside the choices": (
        [chat({"content": "a"}), chat(reason="length", error={"code": 429, "message": "x"})],
        [Text("a"), Error()]),
    "chat: an error in their place": (
        [chat({"content": "a"}), {"choices": None, "error": {"code": 503}}], [Text("a"), Error()]),
    # --- Responses
    "responses: text": (
        [item("response.created", response={"id": "r"}), item("response.in_progress"),
         item("response.output_item.added", item={"type": "message"}),
         item("response.content_part.added"), item("response.output_text.delta", delta="a"),
         item("response.output_text.done", text="a"), item("response.content_part.done"),
         item("response.output_item.done", item={"type": "message"}),
         completed(usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3,
                          "output_tokens_details": {"reasoning_tokens": 1},
                          "input_tokens_details": {"cached_tokens": 1}})],
        [Text("a"), Done("stop", Usage(1, 2, 1, 3, 1))]),
    "responses: text without deltas": (
        [item("response.output_text.done", text="a"), completed()], [Text("a"), Done()]),
    "responses: a refusal": (
        [item("response.refusal.delta", delta="No."), item("response.refusal.done", refusal="No."),
         completed()], [Text("No."), Done("content-filter")]),
    "responses: reasoning": (
        [item("response.reasoning_summary_part.added", summary_index=0),
         item("response.reasoning_summary_text.delta", delta="h", summary_index=0),
         item("response.reasoning_summary_text.done", text="h", summary_index=0),
         item("response.reasoning_summary_part.done", summary_index=0),
         item("response.reasoning_text.delta", delta="m", output_index=1),
         item("response.reasoning_text.done", text="m", output_index=1),
         item("response.output_item.done", item={"type": "reasoning", "encrypted_content": None}),
         completed()], [Reasoning("h"), Reasoning("m"), Done()]),
    "responses: a call whose item id changes": (
        [item("response.output_item.added", item={"type": "function_call", "id": "1",
                                                  "call_id": "a", "name": "f"}),
         item("response.function_call_arguments.delta", delta='{"x":1}', item_id="2"),
         item("response.function_call_arguments.done", arguments='{"x":1}', item_id="3"),
         item("response.output_item.done", item={"type": "function_call", "id": "4",
                                                 "call_id": "a", "name": "f",
                                                 "arguments": '{"x":1}'}),
         completed()], [F[0], Done("tool-calls")]),
    "responses: a call without deltas": (
        [item("response.output_item.done", item={"type": "function_call", "call_id": "a",
                                                 "name": "f", "arguments": '{"x":1}'}),
         completed()], [F[0], Done("tool-calls")]),
    "responses: a custom tool's input is text": (
        [item("response.output_item.added",
              item={"type": "custom_tool_call", "call_id": "a", "name": "f"}),
         item("response.custom_tool_call_input.delta", delta="x = "),
         item("response.custom_tool_call_input.delta", delta="1"),
         item("response.custom_tool_call_input.done", input="x = 1"),
         item("response.output_item.done",
              item={"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "x = 1"}),
         completed()], [ToolCall("a", "f", '"x = 1"', "x = 1"), Done("tool-calls")]),
    "responses: MCP": (
        [item("response.mcp_list_tools.completed"), item("response.mcp_call.in_progress"),
         item("response.output_item.added", item={"type": "mcp_call", "id": "a", "name": "f"}),
         item("response.mcp_call_arguments.delta", delta='{"x":1}'),
         item("response.mcp_call_arguments.done", arguments='{"x":1}'),
         item("response.mcp_call.completed"),
         item("response.output_item.done", item={"type": "mcp_call", "id": "a", "name": "f",
                                                 "arguments": '{"x":1}', "output": "ok"}),
         completed()],
        [ToolCall("a", "f", '{"x":1}', {"x": 1}, None, True), ToolResult("a", "f", "ok"), Done()]),
    "responses: citations": (
        [item("response.output_text.annotation.added",
              annotation={"type": "url_citation", "url": "u", "title": "t"}),
         item("response.output_text.annotation.added",
              annotation={"type": "file_citation", "file_id": "f", "filename": "n"}),
         completed()], [Source("u", None, "t"), Source(None, "f", "n"), Done()]),
    "responses: an image": (
        [item("response.image_generation_call.generating"),
         item("response.output_item.done",
              item={"type": "image_generation_call", "result": "AA==", "output_format": "webp"}),
         completed()], [File("image/webp", None, "AA=="), Done()]),
    "responses: hosted tools' progress": (
        [item(f"response.{name}") for name in (
            "web_search_call.in_progress", "file_search_call.searching", "queued",
            "code_interpreter_call_code.delta", "code_interpreter_call.completed",
            "shell_call_command.delta", "audio.delta", "audio.transcript.done",
            "compaction.compacting", "mcp_list_tools.failed")] + [completed()], [Done()]),
    "responses: cut": (
        [item("response.incomplete", response={"incomplete_details":
                                               {"reason": "max_output_tokens"}})],
        [Done("length")]),
    "responses: filtered": (
        [item("response.incomplete", response={"incomplete_details":
                                               {"reason": "content_filter"}})],
        [Done("content-filter")]),
    "responses: failed": (
        [item("response.failed", response={"error": {"code": "server_error", "message": "x"}})],
        [Error()]),
    "responses: error": ([item("error", code="rate_limit_exceeded", message="x")], [Error()]),
    "responses: error, nested": (
        [item("response.created"), {"type": "error", "error": {"type": "x"}}], [Error()]),
    "responses: an unknown event": ([item("response.created"), item("response.sung")], [Error()]),
    "responses: no end": (
        [item("response.output_text.delta", delta="a")], [Text("a"), Error()]),
    # --- Anthropic
    "anthropic: text, with a ping inside": (
        [START, block(0, type="text", text=""), {"type": "ping"},
         delta(0, "text_delta", text="a"), stop(0), *ended("end_turn")],
        [Text("a"), Done("stop", A_USAGE)]),
    "anthropic: the helper's events": (
        [START, block(0, type="text", text=""), delta(0, "text_delta", text="a"),
         {"type": "text", "text": "a", "snapshot": "a"}, delta(0, "input_json_delta"),
         {"type": "input_json"}, {"type": "thinking"}, {"type": "signature"}, {"type": "citation"},
         stop(0), *ended("stop_sequence")], [Text("a"), Done("stop", A_USAGE)]),
    "anthropic: thinking": (
        [START, block(0, type="thinking", thinking=""),
         delta(0, "thinking_delta", thinking="hm"), delta(0, "signature_delta", signature="s"),
         stop(0), block(1, type="redacted_thinking", data="d"), stop(1), *ended("end_turn")],
        [Reasoning("hm"), Reasoning("", {"anthropic": {"signature": "s"}}),
         Reasoning("", {"anthropic": {"redacted_data": "d"}}), Done("stop", A_USAGE)]),
    "anthropic: a call": (
        [START, block(0, type="tool_use", id="a", name="f", input={}),
         delta(0, "input_json_delta", partial_json='{"x"'),
         delta(0, "input_json_delta", partial_json=":1}"), stop(0), *ended("tool_use")],
        [F[0], Done("tool-calls", A_USAGE)]),
    "anthropic: empty arguments": (
        [START, block(0, type="tool_use", id="b", name="g", input={}),
         delta(0, "input_json_delta", partial_json=""), stop(0), *ended("tool_use")],
        [F[1], Done("tool-calls", A_USAGE)]),
    "anthropic: no arguments at all": (
        [START, block(0, type="tool_use", id="b", name="g", input={}), stop(0),
         *ended("tool_use")], [F[1], Done("tool-calls", A_USAGE)]),
    "anthropic: arguments at the start": (
        [START, block(0, type="tool_use", id="a", name="f", input={"x": 1}), stop(0),
         *ended("tool_use")],
        [ToolCall("a", "f", '{"x": 1}', {"x": 1}), Done("tool-calls", A_USAGE)]),
    "anthropic: malformed arguments": (
        [START, block(0, type="tool_use", id="a", name="f", input={}),
         delta(0, "input_json_delta", partial_json='{"x"'), stop(0), *ended("tool_use")],
        [Error()]),
    "anthropic: a call cut by the limit": (
        [START, block(0, type="tool_use", id="a", name="f", input={}),
         delta(0, "input_json_delta", partial_json='{"x"'), stop(0), *ended("max_tokens")],
        [Done("length", A_USAGE)]),
    "anthropic: a search that it runs itself": (
        [START, block(0, type="server_tool_use", id="a", name="web_search", input={}),
         delta(0, "input_json_delta", partial_json='{"x":1}'), stop(0),
         block(1, type="web_search_tool_result", tool_use_id="a",
               content=[{"type": "web_search_result", "url": "u", "title": "t"}]), stop(1),
         *ended("end_turn")],
        [ToolCall("a", "web_search", '{"x":1}', {"x": 1}, None, True),
         ToolResult("a", "web_search", [{"type": "web_search_result", "url": "u", "title": "t"}]),
         Source("u", None, "t"), Done("stop", A_USAGE)]),
    "anthropic: a search that failed": (
        [START, block(0, type="web_search_tool_result", tool_use_id="a",
                      content={"type": "web_search_tool_result_error", "error_code": "busy"}),
         *ended("end_turn")],
        [ToolResult("a", "web_search", None, "busy"), Done("stop", A_USAGE)]),
    "anthropic: citations": (
        [START, delta(0, "citations_delta", citation={"url": "u", "title": "t"}),
         delta(0, "citations_delta", citation={"document_title": "d"}), *ended("end_turn")],
        [Source("u", None, "t"), Source(None, "d", "d"), Done("stop", A_USAGE)]),
    "anthropic: refusal": ([START, *ended("refusal")], [Done("content-filter", A_USAGE)]),
    "anthropic: paused": ([START, *ended("pause_turn")], [Done("other", A_USAGE)]),
    "anthropic: the window is full": (
        [START, *ended("model_context_window_exceeded")], [Done("length", A_USAGE)]),
    "anthropic: an error": (
        [START, delta(0, "text_delta", text="a"),
         {"type": "error", "error": {"type": "overloaded_error"}}], [Text("a"), Error()]),
    "anthropic: an unknown event": ([START, {"type": "song"}], [Error()]),
    "anthropic: an unknown delta is passed over": (
        [START, delta(0, "song_delta"), *ended("end_turn")], [Done("stop", A_USAGE)]),
    "anthropic: no end": (
        [START, delta(0, "text_delta", text="a"), ended("end_turn")[0]], [Text("a"), Error()]),
    # --- Bedrock
    "converse: text without a start": (
        [bedrock("messageStart", role="assistant"), piece(0, text="a"),
         bedrock("contentBlockStop", contentBlockIndex=0),
         bedrock("messageStop", stopReason="end_turn"),
         bedrock("metadata", usage={"inputTokens": 1, "outputTokens": 2, "totalTokens": 3,
                                    "cacheReadInputTokens": 4, "cacheWriteInputTokens": 5})],
        [Text("a"), Done("stop", Usage(1, 2, None, 3, 4, 5))]),
    "converse: no metadata": ([bedrock("messageStop", stopReason="max_tokens")], [Done("length")]),
    "converse: a call": (
        [bedrock("contentBlockStart", contentBlockIndex=1,
                 start={"toolUse": {"toolUseId": "a", "name": "f"}}),
         piece(1, toolUse={"input": '{"x":1}'}), bedrock("contentBlockStop", contentBlockIndex=1),
         bedrock("messageStop", stopReason="tool_use")], [F[0], Done("tool-calls")]),
    "converse: malformed arguments": (
        [bedrock("contentBlockStart", contentBlockIndex=1,
                 start={"toolUse": {"toolUseId": "a", "name": "f"}}),
         piece(1, toolUse={"input": "{"}), bedrock("contentBlockStop", contentBlockIndex=1),
         bedrock("messageStop", stopReason="tool_use")], [Error()]),
    "converse: malformed by its own word": (
        [bedrock("messageStop", stopReason="malformed_tool_use")], [Error()]),
    "converse: reasoning": (
        [piece(0, reasoningContent={"text": "hm"}), piece(0, reasoningContent={"signature": "s"}),
         piece(0, reasoningContent={"redactedContent": b"\0"}),
         bedrock("messageStop", stopReason="end_turn")],
        [Reasoning("hm"), Reasoning("", {"bedrock": {"signature": "s"}}),
         Reasoning("", {"bedrock": {"redacted_data": "AA=="}}), Done()]),
    "converse: citation, image, result": (
        [piece(0, citation={"title": "t", "location": {"web": {"url": "u"}}}),
         piece(1, image={"format": "png", "source": {"bytes": b"\0"}}),
         bedrock("contentBlockStart", contentBlockIndex=2, start={"toolResult": {"toolUseId": "a"}}),
         piece(2, toolResult=[{"text": "ok"}]), bedrock("contentBlockStop", contentBlockIndex=2),
         bedrock("messageStop", stopReason="guardrail_intervened")],
        [Source("u", None, "t"), File("image/png", None, "AA=="),
         ToolResult("a", "tool", [{"text": "ok"}]), Done("content-filter")]),
    "converse: an exception": (
        [piece(0, text="a"), bedrock("throttlingException", message="x")], [Text("a"), Error()]),
    "converse: no end": ([piece(0, text="a")], [Text("a"), Error()]),
    "converse: an unknown event": ([piece(0, text="a"), bedrock("song")], [Text("a"), Error()]),
    "invoke: Claude": (
        [invoke(**event) for event in (START, delta(0, "text_delta", text="a"), *ended("end_turn"))],
        [Text("a"), Done("stop", A_USAGE)]),
    "invoke: Nova": (
        [invoke(messageStart={"role": "assistant"}), invoke(**piece(0, text="a")),
         invoke(messageStop={"stopReason": "end_turn"})], [Text("a"), Done()]),
    "invoke: Llama": (
        [invoke(generation="a", stop_reason=None), invoke(generation="", stop_reason="length")],
        [Text("a"), Done("length")]),
    "invoke: Titan": (
        [invoke(outputText="a", completionReason="FINISH",
                **{"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1,
                                                        "outputTokenCount": 2}})],
        [Text("a"), Done("stop", A_USAGE)]),
    "invoke: Mistral": (
        [invoke(outputs=[{"text": "a", "stop_reason": None}]),
         invoke(outputs=[{"text": "", "stop_reason": "stop"}])], [Text("a"), Done()]),
    "invoke: an OpenAI model": (
        [invoke(**chat({"content": "a"})), invoke(**END)], [Text("a"), Done()]),
    "invoke: an exception": (
        [invoke(generation="a"), {"modelTimeoutException": {"message": "x"}}],
        [Text("a"), Error()]),
    "invoke: no end": ([invoke(generation="a")], [Text("a"), Error()]),
    "invoke: no JSON": ([{"chunk": {"bytes": b"{"}}], [Error()]),
    # --- Gemini
    "gemini: text and thoughts": (
        [gemini({"text": "hm", "thought": True}), gemini({"text": "a"}, reason="STOP"),
         {"candidates": None, "usage_metadata": {"prompt_token_count": 1,
          "candidates_token_count": 1, "thoughts_token_count": 1, "total_token_count": 3}}],
        [Reasoning("hm"), Text("a"), Done("stop", Usage(1, 2, 1, 3))]),
    "gemini: a call has no id, the reason is STOP": (
        [gemini({"function_call": {"name": "f", "args": {"x": 1}}, "thought_signature": b"\0"},
                reason="STOP")],
        [ToolCall(ANY, "f", '{"x": 1}', {"x": 1},
                  {"google": {"thought_signature": "AA=="}}), Done("tool-calls")]),
    "gemini: streamed arguments": (
        [gemini({"function_call": {"name": "f", "will_continue": True}}),
         gemini({"function_call": {"partial_args": [
             {"json_path": "$.a.b[0]", "string_value": "Os", "will_continue": True}],
             "will_continue": True}}),
         gemini({"function_call": {"partial_args": [{"json_path": "$.a.b[0]", "string_value": "lo"},
                                                    {"json_path": "$.n", "number_value": 2}]}},
                reason="STOP")],
        [ToolCall(ANY, "f", '{"a": {"b": ["Oslo"]}, "n": 2}', {"a": {"b": ["Oslo"]}, "n": 2}),
         Done("tool-calls")]),
    "gemini: a blocked prompt": (
        [{"candidates": None, "prompt_feedback": {"block_reason": "SAFETY"}}],
        [Done("content-filter")]),
    "gemini: safety": ([gemini(reason="SAFETY")], [Done("content-filter")]),
    "gemini: limit": ([gemini({"text": "a"}, reason="MAX_TOKENS")], [Text("a"), Done("length")]),
    "gemini: malformed": ([gemini(reason="MALFORMED_FUNCTION_CALL")], [Error()]),
    "gemini: another reason": ([gemini(reason="OTHER")], [Done("other")]),
    "gemini: sources, once": (
        [gemini(grounding_metadata={"grounding_chunks": [{"web": {"uri": "u", "title": "t"}}]}),
         gemini(grounding_metadata={"grounding_chunks": [{"web": {"uri": "u", "title": "t"}}]},
                reason="STOP")], [Source("u", None, "t"), Done()]),
    "gemini: a file, code and its result": (
        [gemini({"inline_data": {"mime_type": "image/png", "data": b"\0"}},
                {"executable_code": {"id": "a", "code": "1"}},
                {"code_execution_result": {"output": "1"}}, reason="STOP")],
        [File("image/png", None, "AA=="),
         ToolCall("a", "code_execution", '{"id": "a", "code": "1"}', {"id": "a", "code": "1"},
                  None, True), ToolResult("a", "code_execution", {"output": "1"}), Done()]),
    "gemini: REST's own names": (
        [{"candidates": [{"content": {"parts": [{"functionCall": {"name": "g", "args": {}}}]},
                          "finishReason": "STOP"}], "usageMetadata": {"totalTokenCount": 3}}],
        [ToolCall(ANY, "g", "{}", {}), Done("tool-calls", Usage(total=3))]),
    "gemini: no end": ([gemini({"text": "a"})], [Text("a"), Error()]),
    # --- Ollama
    "ollama: chat": (
        [{"message": {"content": "", "thinking": "hm"}, "done": False},
         {"message": {"content": "a"}, "done": False},
         {"message": {"content": ""}, "done": True, "done_reason": "stop",
          "prompt_eval_count": 1, "eval_count": 2}],
        [Reasoning("hm"), Text("a"), Done("stop", A_USAGE)]),
    "ollama: two calls": (
        [{"message": {"content": "", "tool_calls": [
            {"function": {"name": "f", "arguments": {"x": 1}}},
            {"function": {"name": "f", "arguments": {}}}]}, "done": False},
         {"message": {"content": ""}, "done": True, "done_reason": "stop"}],
        [ToolCall(ANY, "f", '{"x": 1}', {"x": 1}), ToolCall(ANY, "f", "{}", {}),
         Done("tool-calls")]),
    "ollama: generate": (
        [{"response": "a", "done": False}, {"response": "", "done": True, "done_reason": "length"}],
        [Text("a"), Done("length")]),
    "ollama: an error": (
        [{"message": {"content": "a"}, "done": False}, {"error": "x"}], [Text("a"), Error()]),
    "ollama: no end": ([{"message": {"content": "a"}, "done": False}], [Text("a"), Error()]),
    # --- ours
    "text": (["a", "", "b"], [Text("a"), Text("b"), Done()]),
    "nothing": ([], [Done()]),
    "chunks": ([Text("a"), Done("length"), "late"], [Text("a"), Done("length")]),
    "chunks and text": ([Text("a"), "b"], [Text("a"), Text("b"), Done()]),
}  # fmt: skip


def same(got: list[Chunk], wanted: list[Any]) -> None:
    told = [each for each in got if not isinstance(each, (ToolCallStart, ToolCallDelta))]
    assert len(told) == len(wanted), got
    for chunk, expected in zip(told, wanted, strict=True):
        if isinstance(expected, Error):
            assert isinstance(chunk, Error)
            assert chunk.status in (502, 503, 504)
            assert chunk.detail
        elif isinstance(expected, ToolCall) and expected.id == ANY:
            assert isinstance(chunk, ToolCall)
            assert chunk.id
            assert chunk == ToolCall(chunk.id, *(getattr(expected, name) for name in
                ("name", "arguments", "input", "metadata", "provider_executed")))  # fmt: skip
        else:
            assert chunk == expected
    assert sum(isinstance(chunk, (Done, Error)) for chunk in got) == 1
    assert isinstance(got[-1], (Done, Error))
    started: dict[str, str] = {}
    for chunk in got:
        if isinstance(chunk, ToolCallStart):
            started[chunk.id] = ""
        elif isinstance(chunk, ToolCallDelta):
            started[chunk.id] += chunk.arguments
        elif isinstance(chunk, ToolCall) and started.get(chunk.id):
            assert started[chunk.id] in (chunk.input, chunk.arguments)


@pytest.mark.parametrize(("events", "wanted"), CASES.values(), ids=CASES)
async def test_dicts(events: list[Any], wanted: list[Any]) -> None:  # C2, C3, C4
    same(await read(events), wanted)


OF_OBJECTS = [name for name in CASES if name.startswith(("chat", "responses", "anthropic", "gemini",
                                                         "ollama"))]  # fmt: skip


@pytest.mark.parametrize("name", OF_OBJECTS)
async def test_objects(name: str) -> None:
    events, wanted = CASES[name]
    same(await read([objects(event) for event in events]), wanted)


ERRORS: dict[str, tuple[list[Any], int, bool]] = {
    "overloaded": (
        [START, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}], 503, True),
    "rate limit": ([item("error", code="rate_limit_exceeded", message="m")], 503, True),
    "server error": ([item("error", code="server_error", message="m")], 502, True),
    "invalid": ([item("error", code="invalid_prompt", message="m")], 502, False),
    "insufficient quota": ([item("error", code="insufficient_quota", message="m")], 502, False),
    "throttled": ([piece(0, text="a"), bedrock("throttlingException", message="m")], 503, True),
    "timeout": ([invoke(generation="a"), bedrock("modelTimeoutException", message="m")], 504, True),
    "validation": ([piece(0, text="a"), bedrock("validationException", message="m")], 502, False),
    "google's 503": ([gemini({"text": "a"}), {"candidates": None, "error": {"code": 503,
                      "status": "UNAVAILABLE", "message": "m"}}], 503, True),
    "its own 401 is not ours": (
        [chat({"content": "a"}), {"choices": [], "error": {"code": 401, "message": "m"}}], 502, False),
    "an unknown event": ([START, {"type": "song", "secret": "m"}], 502, False),
    "cut": ([chat({"content": "a"}), ConnectionError("m")], 502, True),
    "a bug in an event": ([chat({"content": "a"}), {"choices": [{"delta": {"content": 7}}]}], 502, False),
    "ended early": ([chat({"content": "a"})], 502, True),
}  # fmt: skip


@pytest.mark.parametrize(("events", "status", "retryable"), ERRORS.values(), ids=ERRORS)
async def test_errors(events: list[Any], status: int, retryable: bool) -> None:  # C4
    got = await read(events)
    error = got[-1]
    assert isinstance(error, Error)
    assert (error.status, error.retryable) == (status, retryable)
    assert '"m"' not in json.dumps(error.to_dict())
    assert "secret" not in json.dumps(error.to_dict())


async def test_what_is_raised_first_is_raised() -> None:  # E1
    with pytest.raises(ConnectionError):
        await read([ConnectionError("refused")])


async def test_an_error_of_the_applications_own_text_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        await read(["a", ZeroDivisionError()])


@pytest.mark.parametrize("event", [{"hello": 1}, 7, b"a", object(), None])
async def test_an_unknown_shape(event: Any) -> None:
    with pytest.raises(TypeError, match="shape"):
        await read([event])


async def test_recorded_responses() -> None:  # C1: of boto3 with a list, of Gemini's JSON
    told = [{"messageStart": {"role": "assistant"}}, {"messageStop": {"stopReason": "end_turn"}}]
    assert [chunk async for chunk in chunks({"stream": told})] == [Done()]
    assert await read([{"prompt_feedback": {"block_reason": "SAFETY"}}]) == [Done("content-filter")]


@pytest.mark.parametrize("source", ["text", b"bytes", {"a": 1}, 7, None])
def test_no_source(source: Any) -> None:
    with pytest.raises(TypeError):
        chunks(source)
