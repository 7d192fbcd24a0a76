"""OpenAI's Responses API: its stream of typed events.

Lives here: what each ``response.*`` event means. Terminal events: ``response.completed``,
``response.incomplete``, ``response.failed``, ``error``. Items are told apart by ``output_index``:
some servers change an item's id between its events.
Stays out: chat completion chunks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from penstock.chunk import Chunk, Done, File, Reasoning, Source, Text, ToolCall, ToolResult, Usage
from penstock.providers.failure import failed, unknown
from penstock.providers.shape import at, ends, finish, first, usage_of
from penstock.providers.tool_calls import Call

__all__ = ("OpenAiResponses",)

# Event types that tell of progress and carry no part of the answer.
_PROGRESS = (
    "response.created", "response.queued", "response.in_progress", "response.audio.",
    "response.code_interpreter_call", "response.compaction.", "response.content_part.",
    "response.file_search_call.", "response.shell_call_", "response.reasoning_summary_part.added",
    "response.web_search_call.", "response.image_generation_call.", "response.mcp_call.",
    "response.mcp_list_tools.", "response.computer_call", "response.local_shell_call",
    "response.apply_patch_call", "keepalive",
)  # fmt: skip

_CALLS = ("function_call", "custom_tool_call", "mcp_call")


class OpenAiResponses:
    """One response."""

    def __init__(self) -> None:
        self._calls: dict[Any, Call] = {}
        self._custom: set[Any] = set()  # calls whose input is text, not JSON
        self._said: set[Any] = set()  # parts of which a delta has come
        self._called = self._refused = False
        self._ended = False
        arguments = ("function_call_arguments", "custom_tool_call_input", "mcp_call_arguments")
        self._take: dict[str, Callable[[Any], list[Chunk]]] = {
            "response.output_text.delta": self._text,
            "response.output_text.done": self._whole_text,
            "response.output_text.annotation.added": _annotation,
            "response.refusal.delta": self._refusal,
            "response.refusal.done": self._whole_refusal,
            "response.reasoning_text.delta": self._reasoning,
            "response.reasoning_text.done": self._whole_reasoning,
            "response.reasoning_summary_text.delta": self._reasoning,
            "response.reasoning_summary_text.done": self._whole_reasoning,
            "response.reasoning_summary_part.done": _nothing,
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.completed": self._completed,
            "response.incomplete": self._incomplete,
            "response.failed": self._failed,
            "error": self._error,
        }
        for name in arguments:
            self._take[f"response.{name}.delta"] = self._arguments
            self._take[f"response.{name}.done"] = self._whole_arguments

    def feed(self, event: Any) -> list[Chunk]:
        if self._ended:
            return []
        kind = at(event, "type")
        take = self._take.get(kind)
        if take is not None:
            chunks = take(event)
            self._ended = ends(chunks)
            return chunks
        if isinstance(kind, str) and kind.startswith(_PROGRESS):
            return []
        return [unknown("OpenAI Responses", kind)]

    def end(self) -> list[Chunk]:
        return finish(None, None)

    # --- text

    def _text(self, event: Any) -> list[Chunk]:
        return self._piece(event, Text)

    def _reasoning(self, event: Any) -> list[Chunk]:
        return self._piece(event, Reasoning)

    def _refusal(self, event: Any) -> list[Chunk]:
        self._refused = True
        return self._piece(event, Text)

    def _piece(self, event: Any, kind: type[Text | Reasoning]) -> list[Chunk]:
        delta = at(event, "delta")
        if not delta:
            return []
        self._said.add(_part(event))
        return [kind(delta)]

    def _whole_text(self, event: Any) -> list[Chunk]:
        return self._whole(event, Text, "text")

    def _whole_reasoning(self, event: Any) -> list[Chunk]:
        return self._whole(event, Reasoning, "text")

    def _whole_refusal(self, event: Any) -> list[Chunk]:
        self._refused = True
        return self._whole(event, Text, "refusal")

    def _whole(self, event: Any, kind: type[Text | Reasoning], field: str) -> list[Chunk]:
        """A part of which no delta came is in the event that ends it."""
        text = at(event, field)
        if not text or _part(event) in self._said:
            return []
        return [kind(text)]

    # --- items

    def _item_added(self, event: Any) -> list[Chunk]:
        item = at(event, "item")
        if at(item, "type") not in _CALLS:
            return []
        return self._call(event, item).add(None)

    def _call(self, event: Any, item: Any) -> Call:
        key = at(event, "output_index")
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = Call(first(item, "call_id", "id"), at(item, "name"))
            if at(item, "type") == "mcp_call":
                call.executed = True
            else:
                self._called = True
            if at(item, "type") == "custom_tool_call":
                self._custom.add(key)
        return call

    def _arguments(self, event: Any) -> list[Chunk]:
        call = self._calls.get(at(event, "output_index"))
        return [] if call is None else call.add(at(event, "delta"))

    def _whole_arguments(self, event: Any) -> list[Chunk]:
        call = self._calls.get(at(event, "output_index"))
        if call is None or call.arguments:
            return []
        return call.add(first(event, "arguments", "input"))

    def _item_done(self, event: Any) -> list[Chunk]:
        item = at(event, "item")
        kind = at(item, "type")
        if kind == "image_generation_call" and at(item, "result"):
            return [File(f"image/{at(item, 'output_format') or 'png'}", data=at(item, "result"))]
        if kind == "reasoning" and at(item, "encrypted_content"):
            kept = {"item_id": at(item, "id"), "encrypted_content": at(item, "encrypted_content")}
            return [Reasoning("", {"openai": kept})]
        if kind not in _CALLS:
            return []
        if at(item, "status") == "incomplete":
            return []  # the model ran into its limit within the call
        call = self._call(event, item)
        if at(event, "output_index") in self._custom:
            return _custom_call(call, at(item, "input"))
        chunks = call.finish(at(item, "arguments"))
        if kind == "mcp_call" and not ends(chunks):
            error = at(item, "error")
            shown = None if error is None else str(first(error, "message") or error)
            chunks.append(ToolResult(call.id, call.name, at(item, "output"), shown))
        return chunks

    # --- ends

    def _completed(self, event: Any) -> list[Chunk]:
        chunks: list[Chunk] = []
        for key, call in self._calls.items():  # whose output_item.done did not come
            chunks += _custom_call(call, None) if key in self._custom else call.finish()
            if ends(chunks):
                return chunks
        reason = "content-filter" if self._refused else "stop"
        reason = "tool-calls" if self._called else reason
        return [*chunks, Done(reason, _usage(event))]

    def _incomplete(self, event: Any) -> list[Chunk]:
        why = at(event, "response", "incomplete_details", "reason")
        reasons = {"max_output_tokens": "length", "content_filter": "content-filter"}
        return [Done(reasons.get(why, "other"), _usage(event))]

    def _failed(self, event: Any) -> list[Chunk]:
        error = at(event, "response", "error")
        return [failed(at(error, "code"), at(error, "message"))]

    def _error(self, event: Any) -> list[Chunk]:
        error = at(event, "error") or event
        kind = at(error, "code") or (at(error, "type") if error is not event else None)
        return [failed(kind, at(error, "message"))]


def _part(event: Any) -> tuple[Any, ...]:
    return (at(event, "output_index"), first(event, "content_index", "summary_index"))


def _custom_call(call: Call, whole: str | None) -> list[Chunk]:
    """A custom tool's input is text: as JSON it is one string."""
    if call.done:
        return []
    call.done = True
    text = call.arguments or whole or ""
    return [*call.add(None), ToolCall(call.id, call.name, json.dumps(text), text)]


def _annotation(event: Any) -> list[Chunk]:
    annotation = at(event, "annotation")
    title = first(annotation, "title", "filename")
    url = at(annotation, "url")
    if url:
        return [Source(url=url, title=title)]
    document = first(annotation, "file_id", "filename")
    return [Source(document=document, title=title)] if document else []


def _nothing(event: Any) -> list[Chunk]:
    return []


def _usage(event: Any) -> Usage | None:
    usage = at(event, "response", "usage")
    return usage_of(
        input=at(usage, "input_tokens"),
        output=at(usage, "output_tokens"),
        reasoning=at(usage, "output_tokens_details", "reasoning_tokens"),
        total=at(usage, "total_tokens"),
        cache_read=at(usage, "input_tokens_details", "cached_tokens"),
    )
