"""OpenAI's chat completion chunks, and everybody else's: LiteLLM, vLLM, OpenRouter, Groq, ...

Lives here: what a ``chat.completion.chunk`` means. Terminal event: any ``finish_reason``.
Stays out: the Responses API.
"""

from __future__ import annotations

from typing import Any

from penstock.chunk import Chunk, Error, File, Reasoning, Source, Text, Usage
from penstock.providers.failure import failed
from penstock.providers.shape import at, finish, first, note_unknown, usage_of
from penstock.providers.tool_calls import ToolCalls

__all__ = ("OpenAiChat", "usage_from")

_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
    "content_filter": "content-filter",
    "error": "error",
}
_EXTRAS = frozenset(
    ("reasoning_content", "reasoning", "reasoning_details", "annotations", "images")
)


class OpenAiChat:
    """The first choice of a stream of chat completion chunks."""

    def __init__(self) -> None:
        self._tools = ToolCalls()
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._refused = False

    def feed(self, event: Any) -> list[Chunk]:
        choices = at(event, "choices")
        usage = at(event, "usage")
        if usage is not None:
            self._usage = usage_from(usage) or self._usage
        if not choices:  # usage only, or Azure's filter results
            return _error(event)
        for choice in choices:
            if at(choice, "index"):
                note_unknown("the chat completion", "a second choice (n > 1)")
                continue
            chunks = self._choice(choice)
            return chunks + _error(event) if self._reason is not None else chunks
        return []

    def _choice(self, choice: Any) -> list[Chunk]:
        delta = at(choice, "delta")
        reason = at(choice, "finish_reason")
        chunks = [] if delta is None else self._delta(delta)
        if reason is not None:
            self._reason = reason
        error = at(choice, "error") if reason == "error" else None
        return chunks + _failed(error) if error else chunks

    def _delta(self, delta: Any) -> list[Chunk]:
        chunks: list[Chunk] = _extras(delta)
        content = at(delta, "content")
        if content:
            chunks += _content(content)
        refusal = at(delta, "refusal")
        if refusal:
            self._refused = True
            chunks.append(Text(refusal))
        for call in at(delta, "tool_calls") or ():
            function = first(call, "function", "custom")
            arguments = first(function, "arguments", "input")
            index, id, name = at(call, "index"), at(call, "id"), at(function, "name")
            chunks += self._tools.feed(index, id, name, arguments)
        legacy = at(delta, "function_call")
        if legacy:
            chunks += self._tools.feed(0, None, at(legacy, "name"), at(legacy, "arguments"))
        return chunks

    def end(self) -> list[Chunk]:
        if self._reason is None:
            return finish(None, None)
        chunks = self._tools.finish(cut=self._reason in ("length", "content_filter"))
        if chunks and isinstance(chunks[-1], Error):
            return chunks
        if self._reason == "error":
            return [*chunks, failed("error", "finish_reason: error")]
        reason = _REASONS.get(self._reason, "other")
        if reason == "stop":
            # Some servers say stop with tool calls; a refusal is told as the AI SDK tells it.
            reason = "content-filter" if self._refused else "stop"
            reason = "tool-calls" if self._tools.calls else reason
        return chunks + finish(reason, self._usage)


def usage_from(usage: Any) -> Usage | None:
    """Return OpenAI's count of tokens as ours."""
    return usage_of(
        input=at(usage, "prompt_tokens"),
        output=at(usage, "completion_tokens"),
        reasoning=at(usage, "completion_tokens_details", "reasoning_tokens"),
        total=at(usage, "total_tokens"),
        cache_read=at(usage, "prompt_tokens_details", "cached_tokens"),
    )


def _content(content: Any) -> list[Chunk]:
    if isinstance(content, str):
        return [Text(content)]
    chunks: list[Chunk] = []
    for part in content:  # Mistral's: thinking and text in parts
        pieces = [at(piece, "text") for piece in at(part, "thinking") or ()]
        chunks += [Reasoning(text) for text in pieces if text]
        if text := at(part, "text"):
            chunks.append(Text(text))
    return chunks


def _extras(delta: Any) -> list[Chunk]:
    """Return what is no part of OpenAI's own delta."""
    # Not getattr for each: pydantic takes a microsecond to say that there is none.
    # Groq's SDK declares them, most others have them beside what is declared.
    extras = delta if isinstance(delta, dict) else getattr(delta, "__dict__", {})
    undeclared = getattr(delta, "__pydantic_extra__", None)
    if undeclared:
        extras = {**extras, **undeclared}
    if _EXTRAS.isdisjoint(extras):
        return []
    chunks: list[Chunk] = []
    reasoning = extras.get("reasoning_content") or extras.get("reasoning")
    if isinstance(reasoning, str) and reasoning:
        chunks.append(Reasoning(reasoning))
    else:
        details = extras.get("reasoning_details") or ()
        thoughts = [first(detail, "text", "summary") for detail in details]
        chunks += [Reasoning(text) for text in thoughts if text]
    for annotation in extras.get("annotations") or ():
        cited = at(annotation, "url_citation")
        if url := at(cited, "url"):
            chunks.append(Source(url=url, title=at(cited, "title")))
    images = [at(image, "image_url", "url") for image in extras.get("images") or ()]
    return chunks + [_image(url) for url in images if url]


def _image(url: str) -> File:
    if not url.startswith("data:"):
        return File("image/*", url=url)
    media_type, _, data = url[5:].partition(";base64,")
    return File(media_type, data=data)


def _error(event: Any) -> list[Chunk]:
    """OpenRouter and others put an error beside the choices, or in their place."""
    error = at(event, "error")
    return _failed(error) if error else []


def _failed(error: Any) -> list[Chunk]:
    kind = first(error, "type", "code")
    return [failed(kind, at(error, "message"), at(error, "code"))]
