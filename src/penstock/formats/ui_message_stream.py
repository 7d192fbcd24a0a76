"""The AI SDK's UI message stream, version 1: what ``useChat`` reads.

Lives here: the order of a message's parts on the wire: opened, closed, in steps, one end. Source:
``uiMessageChunkSchema`` of npm ``ai`` 5 to 7, and what its client accepts.
Stays out: the JSON of each chunk (``_ui_chunks``); requests, models, time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
from penstock.errors import InvalidOption, Problem, UnsupportedItem
from penstock.formats import _ui_chunks as ui
from penstock.formats._items import STREAM_HEADERS, fixed, http_error
from penstock.formats._json import dumps
from penstock.formats._model import (
    ToolInput,
    check_flags,
    check_message_id,
    check_on_error,
    error_text,
    is_silent,
    sum_of,
    text_of,
    tool_input,
)
from penstock.types import HeaderValues, MessageId, OnError

__all__ = ("UiMessageStream", "UiMessageStreamEncoder")

_NAME = "ui-message-stream"
_TARGETS = (5, 6, 7)

# Ends the event stream; clients only skip it, the end is that of the body.
_DONE = b"data: [DONE]\n\n"
_DELTA_END = b"}\n\n"

# What the model says begins a new step after the end of the last one; what belongs to something
# that it said before, a tool's result above all, stays in that step.
_BEGINS_STEP = (Text, Reasoning, ToolCallStart, ToolCallDelta, ToolCall, File, StepStart)
_IN_STEP = (ToolCallStart, ToolCallDelta, ToolCall, File, ToolResult, Source)


@dataclass(frozen=True)
class UiMessageStream:
    """The AI SDK's UI message stream, for ``useChat`` of AI SDK 5, 6 and 7.

    Args:
        target: Oldest major version of the AI SDK among the readers. Before mid-2026 its clients
            refused a key they did not know, so 5, the default, suits all of them.
        on_error: Makes the text that a reader is shown of an error, from the exception. Without
            it, a 4xx shows its detail and everything else a sentence that says nothing.
        message_id: The message's id, or a function that makes one for each stream; None: the
            client makes one.
        send_reasoning: Whether the model's reasoning is sent.
        send_sources: Whether sources are sent.
        send_usage: Whether the tokens used are sent, as ``usage`` in the message's metadata.

    Raises:
        InvalidOption: An option that cannot be meant.
    """

    name: str = fixed(_NAME)
    content_type: str = fixed("text/event-stream")
    keep_alive: float | None = fixed(15.0)

    target: int = 5
    on_error: OnError | None = None
    message_id: MessageId | None = None
    send_reasoning: bool = True
    send_sources: bool = True
    send_usage: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.target, bool) or self.target not in _TARGETS:
            raise InvalidOption("target", self.target, "5, 6 or 7, a major version of the AI SDK")
        check_on_error(self.on_error)
        check_message_id(self.message_id)
        check_flags(
            send_reasoning=self.send_reasoning,
            send_sources=self.send_sources,
            send_usage=self.send_usage,
        )

    @property
    def headers(self) -> HeaderValues:
        return {**STREAM_HEADERS, "x-vercel-ai-ui-message-stream": "v1"}

    def encoder(self, *, end_mark: bool) -> UiMessageStreamEncoder:
        """Return the encoder of one stream. Its own last chunk is the only end mark here."""
        return UiMessageStreamEncoder(self)


class UiMessageStreamEncoder:
    """Turns one answer's chunks into the parts of one message."""

    __slots__ = (
        "_bare",
        "_delta",
        "_done",
        "_format",
        "_open",
        "_part_id",
        "_parts",
        "_renamed",
        "_sources",
        "_step",
        "_step_ends",
        "_tools",
        "_usage",
        "_write",
    )

    def __init__(self, format: UiMessageStream) -> None:
        self._format = format
        self._open: type[Chunk] | None = None  # Text or Reasoning: the part that is open
        self._part_id = ""
        self._delta = b""  # what stands before a piece of the open part
        self._parts = self._sources = self._renamed = 0
        self._tools: dict[str, ToolInput] = {}
        # A step ends only when something follows that is not of it: the results of its calls
        # still belong to it, wherever the model's own end stood.
        self._step = self._step_ends = False
        self._bare = False  # nothing stands in it yet
        self._done: Done | None = None
        self._usage: Usage | None = None
        self._write: dict[type[Chunk], Callable[[Any], bytes]] = {
            Data: ui.data,
            Done: self._take_done,
            File: self._file,
            Source: self._source,
            StepEnd: self._end_step,
            StepStart: self._start_step,
            ToolCall: self._tool_call,
            ToolCallDelta: self._tool_delta,
            ToolCallStart: self._tool_start,
            ToolResult: self._tool_result,
            Usage: self._take_usage,
        }

    def open(self) -> bytes:
        id = self._format.message_id
        return ui.start(id if id is None or isinstance(id, str) else id())

    def item(self, item: Any) -> bytes:
        kind = type(item)
        if kind is Text or kind is Reasoning:
            if kind is Reasoning and item.metadata:
                return self._signed(item)
            if kind is self._open and item.content:
                # Most of what there is: a piece of the part that is open.
                return self._delta + dumps(item.content) + _DELTA_END
            return self._piece(kind, item.content)
        write = self._write.get(kind)
        if write is not None:
            data = write(item)
            # Nothing is open where a step is yet to begin: what write() closes stands in this one.
            return self._enter(kind) + data if data and kind in _IN_STEP else data
        if isinstance(item, Error):
            raise http_error(item)
        return self._piece(Text, text_of(item, _NAME))

    def control(self, kind: str) -> bytes:
        return b": %b\n" % kind.encode()

    def keep_alive(self) -> bytes:
        return b": keep-alive\n"  # never an event: a reader takes every event for a chunk

    def error(self, problem: Problem) -> bytes:
        text = error_text(problem, self._format.on_error)
        return self._close_parts() + self._break_tools(text) + ui.error(text) + _DONE

    def close(self, ending: str) -> bytes | None:
        if ending == "disconnected":
            return b""
        if ending == "completed":
            return self._finish()
        if ending not in ("stopped", "closed"):
            return None  # never a finish for an answer that was cut short
        text = "The answer was stopped."
        reason = text if self._format.target >= 6 else None
        return self._close_parts() + self._break_tools(text) + ui.abort(reason) + _DONE

    # --- parts and steps

    def _enter(self, kind: type[Chunk]) -> bytes:
        """Return what must stand before a chunk of this kind: a step that is open."""
        if self._step and not (self._step_ends and kind in _BEGINS_STEP):
            self._bare = False
            return b""
        ended = self._leave()
        self._step, self._bare = True, kind is StepStart
        self._done = None  # that was of what came before
        return ended + ui.START_STEP

    def _leave(self) -> bytes:
        """Return the end of the step that is open."""
        if not self._step:
            return b""
        self._step = self._step_ends = False
        return self._close_parts() + ui.FINISH_STEP

    def _piece(self, kind: type[Chunk], content: str) -> bytes:
        if not content or (kind is Reasoning and not self._format.send_reasoning):
            return b""
        piece = dumps(content)  # may raise: nothing has changed yet
        return self._begin(kind) + self._delta + piece + _DELTA_END

    def _signed(self, chunk: Reasoning) -> bytes:
        """Reasoning that its provider wants back as it was, with what vouches for it."""
        if not self._format.send_reasoning:
            return b""
        dumps([chunk.content, chunk.metadata])
        before = self._begin(Reasoning)
        piece = ui.delta("reasoning", self._part_id, chunk.content, chunk.metadata)
        # It vouches for what came before it: what follows is a part of its own.
        return before + piece + self._close_parts()

    def _begin(self, kind: type[Chunk]) -> bytes:
        """Return what must stand before a piece of this kind."""
        before = self._enter(kind)
        if self._open is not kind:
            before += self._close_parts() + self._open_part(kind)
        return before

    def _open_part(self, kind: type[Chunk]) -> bytes:
        self._parts += 1
        self._open, self._part_id = kind, f"{kind.type}-{self._parts}"
        self._delta = ui.delta_head(kind.type, self._part_id)
        return ui.part(kind.type, "start", self._part_id)

    def _close_parts(self) -> bytes:
        if self._open is None:
            return b""
        kind, self._open = self._open, None
        return ui.part(kind.type, "end", self._part_id)

    def _start_step(self, chunk: StepStart) -> bytes:
        if self._step and self._bare:
            return b""
        known = self._close_parts() + self._know_tools()
        return known + self._leave() + self._enter(StepStart)

    def _end_step(self, chunk: StepEnd) -> bytes:
        self._step_ends = self._step
        return self._close_parts() + self._know_tools()

    # --- chunks

    def _tool_start(self, chunk: ToolCallStart) -> bytes:
        tool = self._call_of(chunk.id)
        if tool is not None:
            return b""
        tool = ToolInput(self._wire_id(chunk.id), chunk.name)
        data = ui.tool_input_start(tool.id, tool.name)
        self._tools[chunk.id] = tool
        return self._close_parts() + data

    def _tool_delta(self, chunk: ToolCallDelta) -> bytes:
        tool = self._tools.get(chunk.id)
        if tool is None:
            raise UnsupportedItem(chunk, _NAME, f"no tool call {chunk.id!r} has started")
        if not chunk.arguments or tool.is_known:
            return b""
        data = ui.tool_input_delta(tool.id, chunk.arguments)
        tool.add(chunk.arguments)
        return data

    def _tool_call(self, chunk: ToolCall) -> bytes:
        tool = self._call_of(chunk.id)
        if tool is not None and tool.is_known:
            return b""
        tool = tool or ToolInput(self._wire_id(chunk.id), chunk.name)
        data = ui.tool_input(
            tool.id,
            chunk.name,
            *tool_input(chunk.arguments, chunk.input),
            executed=chunk.provider_executed,
            metadata=chunk.metadata,
        )
        tool.is_known = True
        self._tools[chunk.id] = tool
        return self._close_parts() + data

    def _tool_result(self, chunk: ToolResult) -> bytes:
        # A reader takes an output only for a call that it knows.
        tool = self._tools.get(chunk.id) or ToolInput(chunk.id, chunk.name)
        data = ui.tool_output(tool.id, chunk)
        if not tool.is_known:
            data = ui.tool_input(tool.id, tool.name, *tool_input(tool.arguments)) + data
        tool.is_known = tool.is_answered = True
        self._tools[chunk.id] = tool
        return self._close_parts() + data

    def _call_of(self, id: str) -> ToolInput | None:
        """Return the call that ``id`` means; None: a new one, of a model that counts anew."""
        tool = self._tools.get(id)
        return None if tool is None or tool.is_answered else tool

    def _wire_id(self, id: str) -> str:
        """Return what the client knows a new call by: the same id would be the same part."""
        if id not in self._tools:
            return id
        self._renamed += 1
        return f"{id}-{self._renamed}"

    def _source(self, chunk: Source) -> bytes:
        if not self._format.send_sources:
            return b""
        data = ui.source(chunk, f"source-{self._sources + 1}")
        self._sources += 1
        return data

    def _file(self, chunk: File) -> bytes:
        data = ui.file(chunk)
        return self._close_parts() + data

    # --- ends

    def _take_usage(self, chunk: Usage) -> bytes:
        return ui.metadata(chunk) if self._format.send_usage else b""

    def _take_done(self, chunk: Done) -> bytes:
        """Close what the model left open; its finish waits for the producer's own end.

        What follows, of a loop that calls the model again, is one more step of this message.
        """
        self._done, self._step_ends = chunk, self._step
        self._usage = sum_of(self._usage, chunk.usage)
        return self._close_parts() + self._know_tools()

    def _know_tools(self) -> bytes:
        """Return the inputs of those calls that were only streamed."""
        data = b""
        for tool in self._tools.values():
            if not tool.is_known:
                tool.is_known = True
                data += ui.tool_input(tool.id, tool.name, *tool_input(tool.arguments))
        return data

    def _break_tools(self, text: str) -> bytes:
        """Return an end for those calls whose input is still on its way."""
        data = b""
        for tool in self._tools.values():
            if not tool.is_known:
                tool.is_known = True
                data += ui.tool_input_error(tool.id, tool.name, tool.arguments, text)
        return data

    def _finish(self) -> bytes | None:
        done = self._done
        if done is None:
            if not is_silent(self._tools):
                return None  # it ended in the middle of a call
            done = Done()
        usage = self._usage if self._format.send_usage else None
        return self._leave() + ui.finish(done.finish_reason, usage) + _DONE
