"""Amazon Bedrock's InvokeModelWithResponseStream: each event's bytes are the model family's JSON.

Lives here: the framing, and the families that have a shape of their own (Titan, Llama, Mistral,
Cohere). Claude's, Nova's and OpenAI's events are those of other modules.
Stays out: ConverseStream.
"""

from __future__ import annotations

import json
from typing import Any

from penstock.chunk import Chunk, Text, Usage
from penstock.providers.anthropic import EVENTS, Anthropic
from penstock.providers.bedrock_converse import EVENTS as CONVERSE_EVENTS
from penstock.providers.bedrock_converse import BedrockConverse
from penstock.providers.failure import failed, unknown
from penstock.providers.openai_chat import OpenAiChat
from penstock.providers.shape import Shape, at, finish, first, usage_of

__all__ = ("BedrockInvoke",)

_METRICS = "amazon-bedrock-invocationMetrics"
_LENGTH = ("length", "max_tokens")
_FILTERED = ("content_filtered", "error_toxic")


class BedrockInvoke:
    """The events of one model, whichever family it is of."""

    def __init__(self) -> None:
        self._shape: Shape | None = None

    def feed(self, event: Any) -> list[Chunk]:
        data = at(event, "chunk", "bytes")
        if data is None:
            kind = next(iter(event), "nothing")
            if kind.endswith("Exception"):
                body = event[kind]
                message = first(body, "originalMessage", "message")
                return [failed(kind, message, at(body, "originalStatusCode"))]
            return [unknown("Bedrock", kind)]
        try:
            inner = json.loads(data)
        except ValueError:
            return [unknown("Bedrock", data)]
        if self._shape is None:
            self._shape = _family(inner)
        if isinstance(self._shape, (Anthropic, BedrockConverse)):
            inner.pop(_METRICS, None)
            if not inner:
                return []
        return self._shape.feed(inner)

    def end(self) -> list[Chunk]:
        return finish(None, None) if self._shape is None else self._shape.end()


def _family(inner: Any) -> Shape:
    if at(inner, "type") in (*EVENTS, "error"):
        return Anthropic()
    if at(inner, "choices") is not None:
        return OpenAiChat()
    if isinstance(inner, dict) and any(name in inner for name in CONVERSE_EVENTS):
        return BedrockConverse()
    return _Plain()


class _Plain:
    """A family that streams text and, at the end, a reason."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._usage: Usage | None = None

    def feed(self, event: Any) -> list[Chunk]:
        piece = at(event, "outputs", 0) or event
        text = first(piece, "outputText", "generation", "text", "completion")
        reason = first(piece, "completionReason", "stop_reason", "finish_reason")
        metrics = at(event, _METRICS)
        if text is None and reason is None and metrics is None:
            return [unknown("Bedrock", event)]
        if reason is not None:
            self._reason = str(reason).lower()
        self._usage = (
            usage_of(input=at(metrics, "inputTokenCount"), output=at(metrics, "outputTokenCount"))
            or self._usage
        )
        return [Text(text)] if text else []

    def end(self) -> list[Chunk]:
        reason = self._reason
        if reason is not None:
            filtered = "content-filter" if reason in _FILTERED else "stop"
            reason = "length" if reason in _LENGTH else filtered
        return finish(reason, self._usage)
