"""OpenAI's ``chat.completion.chunk`` stream: what OpenAI's clients read.

Lives here: chunks to the deltas of one choice. Source: OpenAI's API reference, "Chat completion
chunk object", and what its official Python client accepts.
Stays out: requests, models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

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
from penstock.clock import current_clock
from penstock.errors import HttpError, Problem, UnsupportedItem
from penstock.formats._items import STREAM_HEADERS, fixed, http_error
from penstock.formats._json import dumps
from penstock.formats._model import (
    ToolInput,
    check_flags,
    check_message_id,
    check_on_error,
    check_text,
    error_text,
    is_silent,
    sum_of,
    text_of,
)
from penstock.types import HeaderValues, MessageId, OnError

__all__ = ("OpenAIChunks", "OpenAIChunksEncoder")

_NAME = "openai"

_DONE = b"data: [DONE]\n\n"
_PIECE_END = b'},"finish_reason":null}]}\n\n'

# OpenAI's own words; it has none for "other".
_FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "content-filter": "content_filter",
    "content_filter": "content_filter",
    "tool-calls": "tool_calls",
    "tool_calls": "tool_calls",
}

# What this wire has no place for; a reader does not miss it.
_LEFT_OUT = (Data, File, StepEnd, StepStart, ToolResult)


@dataclass(frozen=True)
class OpenAIChunks:
    """OpenAI's stream of ``chat.completion.chunk``, for OpenAI's clients.

    Args:
        model: Name of the model.
        on_error: Makes the text that a reader is shown of an error, from the exception. Without
            it, a 4xx shows its detail and everything else a sentence that says nothing.
        message_id: The completion's id, or a function that makes one for each stream; None: one
            is made up.
        send_reasoning: Whether the model's reasoning is sent, as ``reasoning_content``.
        send_sources: Whether sources are sent, as ``annotations``.
        send_usage: Whether the tokens used are sent, in a last chunk without choices.

    Raises:
        InvalidOption: An option that cannot be meant.
    """

    name: str = fixed(_NAME)
    content_type: str = fixed("text/event-stream")
    keep_alive: float | None = fixed(15.0)

    model: str = "penstock"
    on_error: OnError | None = None
    message_id: MessageId | None = None
    send_reasoning: bool = True
    send_sources: bool = True
    send_usage: bool = True

    def __post_init__(self) -> None:
        check_text("model", self.model)
        check_on_error(self.on_error)
        check_message_id(self.message_id)
        check_flags(
            send_reasoning=self.send_reasoning,
            send_sources=self.send_sources,
            send_usage=self.send_usage,
        )

    @property
    def headers(self) -> HeaderValues:
        return STREAM_HEADERS

    def encoder(self, *, end_mark: bool) -> OpenAIChunksEncoder:
        """Return the encoder of one stream. ``[DONE]`` is the only end mark here."""
        return OpenAIChunksEncoder(self)


class OpenAIChunksEncoder:
    """Turns one answer's chunks into the deltas of one choice."""

    __slots__ = (
        "_base",
        "_calls",
        "_done",
        "_format",
        "_index",
        "_reason",
        "_text_head",
        "_tools",
        "_total",
        "_usage",
        "_write",
    )

    def __init__(self, format: OpenAIChunks) -> None:
        self._format = format
        given = format.message_id
        id = given() if callable(given) else given or f"chatcmpl-{uuid4().hex}"
        self._base: dict[str, Any] = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": int(current_clock().wall()),
            "model": format.model,
        }
        # Up to the JSON of a piece of text: most of what there is.
        head = dumps({**self._base, "choices": []})[:-2]
        self._text_head = b'data: %b{"index":0,"delta":{"content":' % head
        self._tools: dict[str, ToolInput] = {}
        self._index: dict[str, int] = {}  # of each call of this round
        self._calls = 0
        self._done: Done | None = None
        self._usage: Usage | None = None  # so far, in this round
        self._total: Usage | None = None  # of the rounds that are done
        self._write: dict[type[Chunk], Callable[[Any], bytes]] = {
            Done: self._take_done,
            Reasoning: self._reasoning,
            Source: self._source,
            ToolCall: self._tool_call,
            ToolCallDelta: self._tool_delta,
            ToolCallStart: self._tool_start,
            Usage: self._take_usage,
        }

    def open(self) -> bytes:
        return self._delta({"role": "assistant", "content": ""})

    def item(self, item: Any) -> bytes:
        kind = type(item)
        if kind is Text:
            return self._text(item.content)
        write = self._write.get(kind)
        if write is not None:
            return write(item)
        if isinstance(item, Error):
            raise http_error(item)
        if kind in _LEFT_OUT:
            return b""
        return self._text(text_of(item, _NAME))

    def control(self, kind: str) -> bytes:
        return b": %b\n" % kind.encode()

    def keep_alive(self) -> bytes:
        return b": keep-alive\n"

    def error(self, problem: Problem) -> bytes:
        text = error_text(problem, self._format.on_error)
        return _error(text, problem.status) + _DONE

    def close(self, ending: str) -> bytes | None:
        if ending == "disconnected":
            return b""
        if ending == "completed":
            return self._finish()
        if ending in ("stopped", "closed"):
            return _error("The answer was stopped.", 409) + _DONE
        return None

    # --- chunks

    def _text(self, content: str) -> bytes:
        if not content:
            return b""
        return self._text_head + dumps(content) + _PIECE_END

    def _reasoning(self, chunk: Reasoning) -> bytes:
        if not chunk.content or not self._format.send_reasoning:
            return b""
        return self._delta({"reasoning_content": chunk.content})

    def _source(self, chunk: Source) -> bytes:
        if chunk.url is None or not self._format.send_sources:
            return b""
        citation = {"url": chunk.url, "title": chunk.title or chunk.url}
        return self._delta({"annotations": [{"type": "url_citation", "url_citation": citation}]})

    def _tool_start(self, chunk: ToolCallStart) -> bytes:
        if chunk.id in self._tools:
            return b""
        data = self._call(self._calls, chunk.id, chunk.name, "")
        self._add_tool(chunk.id, chunk.name)
        return data

    def _tool_delta(self, chunk: ToolCallDelta) -> bytes:
        tool = self._tools.get(chunk.id)
        if tool is None:
            raise UnsupportedItem(chunk, _NAME, f"no tool call {chunk.id!r} has started")
        if not chunk.arguments or tool.is_known:
            return b""
        data = self._arguments(self._index[chunk.id], chunk.arguments)
        tool.add(chunk.arguments)
        return data

    def _tool_call(self, chunk: ToolCall) -> bytes:
        tool = self._tools.get(chunk.id)
        arguments = chunk.arguments or dumps(chunk.input or {}).decode()
        if tool is None:
            data = self._call(self._calls, chunk.id, chunk.name, arguments)
            tool = self._add_tool(chunk.id, chunk.name)
        elif tool.is_known or tool.arguments:
            data = b""  # it came in pieces
        else:
            data = self._arguments(self._index[chunk.id], arguments)
        tool.is_known = True
        return data

    def _add_tool(self, id: str, name: str) -> ToolInput:
        self._index[id] = self._calls
        self._calls += 1
        tool = self._tools[id] = ToolInput(id, name)
        return tool

    def _call(self, index: int, id: str, name: str, arguments: str) -> bytes:
        function = {"name": name, "arguments": arguments}
        call = {"index": index, "id": id, "type": "function", "function": function}
        return self._delta({"tool_calls": [call]})

    def _arguments(self, index: int, arguments: str) -> bytes:
        piece = {"index": index, "function": {"arguments": arguments}}
        return self._delta({"tool_calls": [piece]})

    def _take_usage(self, chunk: Usage) -> bytes:
        self._usage = chunk
        return b""

    # --- ends

    def _take_done(self, chunk: Done) -> bytes:
        """Keep it: a loop that calls the model again makes one more round of the same choice."""
        if chunk.finish_reason == "error":
            # No word of OpenAI's says so, and any of them would pass for a whole answer.
            raise HttpError(502, detail="The model ended with an error.")
        self._total = sum_of(self._total, chunk.usage)
        self._done = chunk
        self._tools.clear()  # a model may count its calls anew in each round
        return b""

    def _finish(self) -> bytes | None:
        if not is_silent(self._tools):
            return None  # it ended in the middle of a call
        reason = self._done.finish_reason if self._done is not None else "stop"
        choice = {"index": 0, "delta": {}, "finish_reason": _FINISH_REASONS.get(reason, "stop")}
        finish = self._event([choice])
        usage = self._total or self._usage
        if usage is not None and self._format.send_usage:
            finish += self._event([], usage=_usage(usage))
        return finish + _DONE

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._event([{"index": 0, "delta": delta, "finish_reason": None}])

    def _event(self, choices: list[Any], **members: Any) -> bytes:
        return b"data: %b\n\n" % dumps({**self._base, "choices": choices, **members})


def _error(text: str, status: int) -> bytes:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": text, "type": kind, "param": None, "code": str(status)}
    return b"data: %b\n\n" % dumps({"error": error})


def _usage(usage: Usage) -> dict[str, Any]:
    prompt, completion = usage.input or 0, usage.output or 0
    members: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if usage.total is None else usage.total,
    }
    if usage.cache_read is not None:
        members["prompt_tokens_details"] = {"cached_tokens": usage.cache_read}
    if usage.reasoning is not None:
        members["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return members
