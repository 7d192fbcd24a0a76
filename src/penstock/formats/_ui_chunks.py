"""The chunks of the UI message stream, each as one server-sent event.

Lives here: their JSON. Source: ``uiMessageChunkSchema`` of npm ``ai``; the keys are those that
5.0.100 knows, for older clients refuse a whole stream over one that they do not.
Stays out: their order (``ui_message_stream``).
"""

from __future__ import annotations

from typing import Any

from penstock.chunk import Data, File, Source, ToolResult, Usage
from penstock.errors import UnsupportedItem
from penstock.formats._json import dumps

__all__ = (
    "FINISH_STEP",
    "START_STEP",
    "abort",
    "data",
    "delta",
    "delta_head",
    "error",
    "file",
    "finish",
    "metadata",
    "part",
    "source",
    "start",
    "tool_input",
    "tool_input_delta",
    "tool_input_error",
    "tool_input_start",
    "tool_output",
)

_NAME = "ui-message-stream"

START_STEP = b'data: {"type":"start-step"}\n\n'
FINISH_STEP = b'data: {"type":"finish-step"}\n\n'

# The wire's own words; any other would end the whole chat.
_FINISH_REASONS = {
    **{word: word for word in ("stop", "length", "content-filter", "tool-calls", "error", "other")},
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
}

# Ours to the AI SDK's, in its LanguageModelUsage.
_USAGE = {
    "input": "inputTokens",
    "output": "outputTokens",
    "total": "totalTokens",
    "reasoning": "reasoningTokens",
    "cache_read": "cachedInputTokens",
    "cache_write": "cacheWriteTokens",
}


def _event(type: str, /, **members: Any) -> bytes:
    """Return one chunk; a member that is None is left out, for null is refused everywhere."""
    known = {name: value for name, value in members.items() if value is not None}
    return b"data: %b\n\n" % dumps({"type": type, **known})


def _event_with(type: str, /, name: str, value: Any, **members: Any) -> bytes:
    """Return one chunk with a member that must be there, whatever its value."""
    known = {key: each for key, each in members.items() if each is not None}
    return b"data: %b\n\n" % dumps({"type": type, **known, name: value})


def start(message_id: str | None) -> bytes:
    """Return the first chunk of a message."""
    return _event("start", messageId=message_id)


def part(kind: str, edge: str, id: str) -> bytes:
    """Return the start or end of a text or reasoning part."""
    return _event(f"{kind}-{edge}", id=id)


def delta_head(kind: str, id: str) -> bytes:
    """Return what stands before the JSON of each piece of a part, up to its ``}``."""
    return b'data: {"type":"%b-delta","id":"%b","delta":' % (kind.encode(), id.encode())


def tool_input_start(id: str, name: str) -> bytes:
    """Return the start of a tool call."""
    return _event("tool-input-start", toolCallId=id, toolName=name)


def tool_input_delta(id: str, arguments: str) -> bytes:
    """Return a piece of a tool call's arguments."""
    return _event("tool-input-delta", toolCallId=id, inputTextDelta=arguments)


def delta(kind: str, id: str, content: str, metadata: dict[str, Any] | None) -> bytes:
    """Return a piece of a part, with what its provider wants back with it."""
    return _event(f"{kind}-delta", id=id, delta=content, providerMetadata=metadata)


def tool_input(
    id: str,
    name: str,
    input: Any,
    wrong: str | None,
    *,
    executed: bool | None = None,
    metadata: dict[str, Any] | None = None,
) -> bytes:
    """Return a tool call that is complete, or what is ``wrong`` with it."""
    if wrong is not None:
        return tool_input_error(id, name, input, wrong)
    members = {"toolCallId": id, "toolName": name, "providerExecuted": executed or None}
    more = {**members, "providerMetadata": metadata or None}
    return _event_with("tool-input-available", "input", input, **more)


def tool_input_error(id: str, name: str, input: Any, text: str) -> bytes:
    """Return the end of a tool call that cannot be made."""
    members = {"toolCallId": id, "toolName": name, "errorText": text}
    return _event_with("tool-input-error", "input", input, **members)


def tool_output(id: str, chunk: ToolResult) -> bytes:
    """Return what a tool returned, or the error it ended with."""
    if chunk.error is not None:
        # As it is: it is what the model was told, and comes back in the next request's history.
        return _event("tool-output-error", toolCallId=id, errorText=chunk.error)
    return _event_with("tool-output-available", "output", chunk.result, toolCallId=id)


def source(chunk: Source, id: str) -> bytes:
    """Return a source.

    Raises:
        UnsupportedItem: It names nothing.
    """
    if chunk.url is not None:
        return _event("source-url", sourceId=id, url=chunk.url, title=chunk.title)
    title = chunk.title or chunk.document
    if title is None:
        raise UnsupportedItem(chunk, _NAME, "a source needs a url, a document or a title")
    from mimetypes import MimeTypes  # few need it

    # Not the system's tables: the same name has the same type on every machine.
    media_type = MimeTypes(filenames=()).guess_type(chunk.document or title)[0]
    return _event(
        "source-document",
        sourceId=id,
        mediaType=media_type or "text/plain",
        title=title,
        filename=chunk.document,
    )


def file(chunk: File) -> bytes:
    """Return a file, its bytes in a ``data:`` URL.

    Raises:
        UnsupportedItem: It has neither a URL nor data.
    """
    url = chunk.url
    if url is None:
        if chunk.data is None:
            raise UnsupportedItem(chunk, _NAME, "a file needs a url, or data in base64")
        url = f"data:{chunk.media_type};base64,{chunk.data}"
    return _event("file", url=url, mediaType=chunk.media_type)


def data(chunk: Data) -> bytes:
    """Return the application's own data."""
    members = {"id": chunk.id, "transient": chunk.transient}
    return _event_with(f"data-{chunk.name}", "data", chunk.data, **members)


def metadata(usage: Usage) -> bytes:
    """Return the tokens used so far, for the message's metadata."""
    known = _usage(usage)
    return _event("message-metadata", messageMetadata=known) if known else b""


def finish(reason: str, usage: Usage | None) -> bytes:
    """Return the last chunk of a message that is complete."""
    known = _FINISH_REASONS.get(reason, "other")
    return _event("finish", finishReason=known, messageMetadata=_usage(usage))


def error(text: str) -> bytes:
    """Return the last chunk of a message that failed."""
    return _event("error", errorText=text)


def abort(reason: str | None) -> bytes:
    """Return the last chunk of a message that was stopped."""
    return _event("abort", reason=reason)


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    counts = {wire: getattr(usage, ours) for ours, wire in _USAGE.items()}
    known = {name: count for name, count in counts.items() if count is not None}
    return {"usage": known} if known else None
