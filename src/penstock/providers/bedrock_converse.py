"""Amazon Bedrock's ConverseStream: dicts with one key.

Lives here: what each key means. Terminal event: ``messageStop``; ``metadata``, with the usage,
comes after it. Errors are raised by botocore, or come as events of their own.
Stays out: InvokeModelWithResponseStream.
"""

from __future__ import annotations

from typing import Any

from penstock.chunk import Chunk, File, Reasoning, Source, Text, ToolResult, Usage
from penstock.providers.failure import failed, malformed, unknown
from penstock.providers.plain import plain
from penstock.providers.shape import at, ends, finish, first, note_unknown, usage_of
from penstock.providers.tool_calls import Call

__all__ = ("EVENTS", "BedrockConverse")

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool-calls",
    "guardrail_intervened": "content-filter",
    "content_filtered": "content-filter",
}
EVENTS = (
    "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop",
    "metadata",
)  # fmt: skip


class BedrockConverse:
    """One message."""

    def __init__(self) -> None:
        self._calls: dict[Any, Call] = {}
        self._results: dict[Any, tuple[str, list[Any]]] = {}
        self._names: dict[str, str] = {}
        self._reason: str | None = None
        self._usage: Usage | None = None

    def feed(self, event: Any) -> list[Chunk]:
        chunks: list[Chunk] = []
        for kind, body in event.items():
            chunks += self._event(kind, body)
            if ends(chunks):
                break
        return chunks

    def _event(self, kind: str, body: Any) -> list[Chunk]:
        index = at(body, "contentBlockIndex")
        if kind == "contentBlockDelta":
            return self._delta(index, at(body, "delta"))
        if kind == "contentBlockStart":
            return self._block(index, at(body, "start"))
        if kind == "contentBlockStop":
            return self._block_stop(index)
        if kind == "messageStop":
            self._reason = at(body, "stopReason") or "other"
            return []
        if kind == "metadata":
            self._usage = _usage(at(body, "usage")) or self._usage
            return []
        if kind.endswith("Exception"):
            message = first(body, "originalMessage", "message")
            return [failed(kind, message, at(body, "originalStatusCode"))]
        return [] if kind in EVENTS else [unknown("Bedrock", kind)]

    def end(self) -> list[Chunk]:
        if self._reason is None:
            return finish(None, None)
        if self._reason.startswith("malformed"):
            return [malformed("the provider says so", self._reason)]
        reason = _REASONS.get(self._reason, "other")
        chunks: list[Chunk] = []
        if reason != "length":
            for call in self._calls.values():
                chunks += call.finish()
                if ends(chunks):
                    return chunks
        return chunks + finish(reason, self._usage)

    def _block(self, index: Any, start: Any) -> list[Chunk]:
        tool = at(start, "toolUse")
        if tool is not None:
            call = self._calls[index] = Call(at(tool, "toolUseId"), at(tool, "name"))
            self._names[call.id] = call.name
            if at(tool, "type") == "server_tool_use":
                call.executed = True
            return call.add(None)
        result = at(start, "toolResult")
        if result is not None:
            self._results[index] = (at(result, "toolUseId") or "", [])
        return []

    def _delta(self, index: Any, delta: Any) -> list[Chunk]:
        text = at(delta, "text")
        if text is not None:
            return [Text(text)] if text else []
        tool = at(delta, "toolUse")
        if tool is not None:
            call = self._calls.get(index)
            return [] if call is None else call.add(at(tool, "input"))
        reasoning = at(delta, "reasoningContent")
        if reasoning is not None:
            return _reasoning(reasoning)
        citation = at(delta, "citation")
        if citation is not None:
            return _citation(citation)
        if at(delta, "toolResult") is not None and index in self._results:
            self._results[index][1].extend(plain(delta["toolResult"]))
            return []
        image = at(delta, "image")
        if image is not None:
            data = plain(at(image, "source", "bytes"))
            return [File(f"image/{at(image, 'format') or 'png'}", data=data)] if data else []
        note_unknown("Bedrock", f"a delta of {', '.join(delta or ())}")
        return []

    def _block_stop(self, index: Any) -> list[Chunk]:
        result = self._results.pop(index, None)
        if result is not None:
            id, content = result
            return [ToolResult(id, self._names.get(id, "tool"), content)]
        call = self._calls.get(index)
        # Whether one with half its arguments was cut or is malformed, the stop reason tells.
        return call.finish() if call is not None and call.is_complete() else []


def _reasoning(reasoning: Any) -> list[Chunk]:
    if text := at(reasoning, "text"):
        return [Reasoning(text)]
    if signature := at(reasoning, "signature"):
        return [Reasoning("", {"bedrock": {"signature": signature}})]
    redacted = plain(at(reasoning, "redactedContent"))
    return [Reasoning("", {"bedrock": {"redacted_data": redacted}})] if redacted else []


def _citation(citation: Any) -> list[Chunk]:
    title = at(citation, "title")
    if url := at(citation, "location", "web", "url"):
        return [Source(url=url, title=title)]
    document = first(citation, "source", "title")
    return [Source(document=document, title=title)] if document else []


def _usage(usage: Any) -> Usage | None:
    return usage_of(
        input=at(usage, "inputTokens"),
        output=at(usage, "outputTokens"),
        total=at(usage, "totalTokens"),
        cache_read=at(usage, "cacheReadInputTokens"),
        cache_write=at(usage, "cacheWriteInputTokens"),
    )
