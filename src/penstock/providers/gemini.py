"""Google's Gemini: one response per chunk.

Lives here: what the first candidate's parts mean. Terminal event: any ``finish_reason``, or a
blocked prompt. It says STOP with tool calls too, and leaves their ids out.
Stays out: Vertex's transport and authentication.
"""

from __future__ import annotations

import json
from typing import Any

from penstock.chunk import (
    Chunk,
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
from penstock.providers.failure import failed, malformed
from penstock.providers.json_path import put
from penstock.providers.plain import plain
from penstock.providers.shape import at, finish, first, note_unknown, usage_of
from penstock.providers.tool_calls import mint_id

__all__ = ("Gemini",)

_FILTERED = (
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
)  # fmt: skip
_MALFORMED = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
              "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE")  # fmt: skip


class Gemini:
    """The first candidate of a stream of responses."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._called = False
        self._partial: dict[str, Any] | None = None  # a call whose arguments are streamed
        self._partial_id = self._code_id = ""
        self._cited: set[str] = set()

    def feed(self, event: Any) -> list[Chunk]:
        error = at(event, "error")
        if error:
            return [failed(at(error, "status"), at(error, "message"), at(error, "code"))]
        usage = first(event, "usage_metadata", "usageMetadata")
        if usage is not None:
            self._usage = _usage(usage) or self._usage
        if blocked := first(first(event, "prompt_feedback", "promptFeedback"),
                            "block_reason", "blockReason"):  # fmt: skip
            self._reason = self._reason or "SAFETY"
            note_unknown("Gemini", f"a blocked prompt ({_word(blocked)})")
        chunks: list[Chunk] = []
        for candidate in at(event, "candidates") or ():
            if at(candidate, "index"):
                note_unknown("Gemini", "a second candidate")
                continue
            chunks += self._candidate(candidate)
        return chunks

    def _candidate(self, candidate: Any) -> list[Chunk]:
        chunks: list[Chunk] = []
        for part in at(candidate, "content", "parts") or ():
            chunks += self._part(part)
        reason = first(candidate, "finish_reason", "finishReason")
        if reason is not None and _word(reason) != "FINISH_REASON_UNSPECIFIED":
            self._reason = _word(reason)
        return chunks + self._sources(candidate)

    def _part(self, part: Any) -> list[Chunk]:
        signature = plain(first(part, "thought_signature", "thoughtSignature"))
        kept = {"google": {"thought_signature": signature}} if signature else None
        text = at(part, "text")
        if text is not None:
            if at(part, "thought"):
                return [Reasoning(text, kept)]
            chunks: list[Chunk] = [Text(text)] if text else []
            return chunks + ([Reasoning("", kept)] if kept else [])
        call = first(part, "function_call", "functionCall")
        if call is not None:
            return self._call(call, kept)
        blob = first(part, "inline_data", "inlineData")
        if blob is not None:
            media_type = first(blob, "mime_type", "mimeType") or "application/octet-stream"
            return [File(media_type, data=plain(at(blob, "data")))]
        return self._code(part)

    def _code(self, part: Any) -> list[Chunk]:
        """Code that the provider runs itself, as a tool of its own."""
        code = first(part, "executable_code", "executableCode")
        if code is not None:
            self._code_id = at(code, "id") or mint_id()
            input = plain(code)
            text = json.dumps(input)
            return [ToolCall(self._code_id, "code_execution", text, input, None, True)]
        result = first(part, "code_execution_result", "codeExecutionResult")
        if result is not None:
            return [ToolResult(self._code_id or mint_id(), "code_execution", plain(result))]
        if not first(part, "thought_signature", "thoughtSignature"):
            note_unknown("Gemini", f"a part with {sorted(plain(part) or ())}")
        return []

    def _call(self, call: Any, kept: dict[str, Any] | None) -> list[Chunk]:
        self._called = True
        pieces = first(call, "partial_args", "partialArgs") or ()
        more = first(call, "will_continue", "willContinue")
        name, chunks = at(call, "name"), list[Chunk]()
        if self._partial is None:
            id = at(call, "id") or mint_id()
            if not name:
                return [malformed("it has no name", plain(call))]
            chunks.append(ToolCallStart(id, name))
            if not pieces and not more:
                return chunks + _whole(id, name, plain(at(call, "args")) or {}, kept)
            self._partial_id = id
            self._partial = {"name": name, "args": {}, "kept": kept}
        for piece in pieces:
            put(self._partial["args"], piece)
        if more:
            return chunks
        done, self._partial = self._partial, None
        args = plain(at(call, "args")) or done["args"]
        return chunks + _whole(self._partial_id, done["name"], args, done["kept"] or kept)

    def _sources(self, candidate: Any) -> list[Chunk]:
        found: list[tuple[Any, Any]] = []
        grounding = first(candidate, "grounding_metadata", "groundingMetadata")
        for each in first(grounding, "grounding_chunks", "groundingChunks") or ():
            source = first(each, "web", "retrieved_context", "retrievedContext", "maps")
            found.append((at(source, "uri"), at(source, "title")))
        citations = first(candidate, "citation_metadata", "citationMetadata")
        cited = first(citations, "citations", "citation_sources", "citationSources") or ()
        found += [(at(each, "uri"), at(each, "title")) for each in cited]
        chunks: list[Chunk] = []
        for url, title in found:
            if url and url not in self._cited:
                self._cited.add(url)
                chunks.append(Source(url=url, title=title))
        return chunks

    def end(self) -> list[Chunk]:
        reason = self._reason
        if reason is None:
            return finish(None, None)
        if reason in _MALFORMED:
            return [malformed("the provider says so", reason)]
        if self._partial is not None and reason != "MAX_TOKENS":
            return [malformed("its arguments break off", self._partial)]
        if reason == "MAX_TOKENS":
            return finish("length", self._usage)
        if reason in _FILTERED:
            return finish("content-filter", self._usage)
        if reason == "STOP":
            return finish("tool-calls" if self._called else "stop", self._usage)
        return finish("other", self._usage)


def _whole(id: str, name: str, args: Any, kept: dict[str, Any] | None) -> list[Chunk]:
    text = json.dumps(args)
    return [ToolCallDelta(id, text), ToolCall(id, name, text, args, kept)]


def _word(value: Any) -> str:
    return str(getattr(value, "value", value))


def _usage(usage: Any) -> Usage | None:
    def count(snake: str, camel: str) -> Any:
        return first(usage, f"{snake}_token_count", f"{camel}TokenCount")

    said, thought = count("candidates", "candidates"), count("thoughts", "thoughts")
    output = (said or 0) + (thought or 0) if isinstance(said or thought, int) else None
    return usage_of(
        input=count("prompt", "prompt"),
        output=output,
        reasoning=thought,
        total=count("total", "total"),
        cache_read=count("cached_content", "cachedContent")
        or first(usage, "cached_content_token_count", "cachedContentTokenCount"),
    )
