"""Anthropic's Messages API: raw events, and those of the SDK's helper.

Lives here: what each event means. Terminal event: ``message_stop``. The helper
(``messages.stream()``) yields the raw events and derived ones for the same delta; only the raw
ones are read, or text would double.
Stays out: Bedrock's framing of the same events.
"""

from __future__ import annotations

import json
from typing import Any

from penstock.chunk import Chunk, Done, Reasoning, Source, Text, ToolResult, Usage
from penstock.providers.failure import failed, unknown
from penstock.providers.plain import plain
from penstock.providers.shape import at, ends, finish, first, note_unknown, usage_of
from penstock.providers.tool_calls import Call

__all__ = ("EVENTS", "Anthropic")

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool-calls",
    "refusal": "content-filter",
}
_DERIVED = ("text", "thinking", "input_json", "citation", "signature", "compaction")
EVENTS = (
    "message_start", "content_block_start", "content_block_delta", "content_block_stop",
    "message_delta", "message_stop", "ping", *_DERIVED,
)  # fmt: skip

_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens",
           "cache_creation_input_tokens")  # fmt: skip


class Anthropic:
    """One message."""

    def __init__(self) -> None:
        self._calls: dict[Any, Call] = {}  # by index of their block
        self._given: dict[Any, Any] = {}  # input that came with the block's start
        self._names: dict[str, str] = {}  # of the calls, for their results
        self._reason: str | None = None
        self._counts: dict[str, int] = {}

    def feed(self, event: Any) -> list[Chunk]:
        kind = at(event, "type")
        if kind == "content_block_delta":
            return self._delta(at(event, "index"), at(event, "delta"))
        if kind == "content_block_start":
            return self._block(at(event, "index"), at(event, "content_block"))
        if kind == "content_block_stop":
            return self._block_stop(at(event, "index"))
        if kind == "message_start":
            self._count(at(event, "message", "usage"))
            return []
        if kind == "message_delta":
            self._reason = at(event, "delta", "stop_reason") or self._reason
            self._count(at(event, "usage"))
            return []
        if kind == "message_stop":
            return self._stop()
        if kind == "error":
            error = at(event, "error")
            return [failed(at(error, "type"), at(error, "message"))]
        return [] if kind in EVENTS else [unknown("Anthropic", kind)]

    def end(self) -> list[Chunk]:
        return finish(None, None)

    def _block(self, index: Any, block: Any) -> list[Chunk]:
        kind = at(block, "type") or ""
        if kind == "text":
            return [Text(text)] if (text := at(block, "text")) else []
        if kind == "thinking":
            return [Reasoning(text)] if (text := at(block, "thinking")) else []
        if kind == "redacted_thinking":
            return [Reasoning("", {"anthropic": {"redacted_data": at(block, "data")}})]
        if kind.endswith("tool_use"):
            call = self._calls[index] = Call(at(block, "id"), at(block, "name"))
            self._names[call.id] = call.name
            if kind != "tool_use":
                call.executed = True
            self._given[index] = at(block, "input")
            return call.add(None)
        if kind.endswith("_tool_result"):
            return self._result(block)
        note_unknown("Anthropic", f"a block of type {kind}")
        return []

    def _delta(self, index: Any, delta: Any) -> list[Chunk]:
        kind = at(delta, "type")
        if kind == "text_delta":
            return [Text(text)] if (text := at(delta, "text")) else []
        if kind == "input_json_delta":
            call = self._calls.get(index)
            return [] if call is None else call.add(at(delta, "partial_json"))
        if kind == "thinking_delta":
            return [Reasoning(text)] if (text := at(delta, "thinking")) else []
        if kind == "signature_delta":
            return [Reasoning("", {"anthropic": {"signature": at(delta, "signature")}})]
        if kind == "citations_delta":
            return _citation(at(delta, "citation"))
        note_unknown("Anthropic", f"a delta of type {kind}")
        return []

    def _block_stop(self, index: Any) -> list[Chunk]:
        call = self._calls.get(index)
        if call is None or not call.is_complete():
            return []  # whether it was cut or is malformed, the stop reason tells
        given = self._given.get(index)
        return call.finish(json.dumps(plain(given)) if given else None)

    def _stop(self) -> list[Chunk]:
        reason = self._reason
        if reason is None:  # message_stop without a reason: the SDKs' types allow it
            return [Done("other", self._usage())]
        reason = _REASONS.get(reason, "other")
        chunks: list[Chunk] = []
        if reason != "length":
            for call in self._calls.values():
                chunks += call.finish()
                if ends(chunks):
                    return chunks
        return [*chunks, Done(reason, self._usage())]

    def _result(self, block: Any) -> list[Chunk]:
        id = at(block, "tool_use_id") or ""
        content = plain(at(block, "content"))
        failure = at(content, "error_code") or (at(block, "is_error") or None)
        name = self._names.get(id) or str(at(block, "type")).removesuffix("_tool_result")
        if failure:
            return [ToolResult(id, name, error=str(failure if failure is not True else content))]
        found = content if isinstance(content, list) else ()
        sources: list[Chunk] = [
            Source(url=at(each, "url"), title=at(each, "title"))
            for each in found
            if at(each, "type") == "web_search_result"
        ]
        return [ToolResult(id, name, content), *sources]

    def _count(self, usage: Any) -> None:
        """Counts are cumulative, and a later event may leave some out."""
        for name in _COUNTS:
            count = at(usage, name)
            if isinstance(count, int):
                self._counts[name] = count

    def _usage(self) -> Usage | None:
        counts = self._counts
        return usage_of(
            input=counts.get("input_tokens"),
            output=counts.get("output_tokens"),
            cache_read=counts.get("cache_read_input_tokens"),
            cache_write=counts.get("cache_creation_input_tokens"),
        )


def _citation(citation: Any) -> list[Chunk]:
    title = first(citation, "title", "document_title")
    url = at(citation, "url")
    if url:
        return [Source(url=url, title=title)]
    document = first(citation, "file_id", "source", "document_title")
    return [Source(document=document, title=title)] if document else []
