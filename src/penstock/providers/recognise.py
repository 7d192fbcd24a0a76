"""Which provider's stream it is, by the shape of its first event.

Lives here: the one table of shapes. Stays out: importing an SDK; asking an object for its class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.providers import anthropic
from penstock.providers import bedrock_converse as converse
from penstock.providers.bedrock_invoke import BedrockInvoke
from penstock.providers.gemini import Gemini
from penstock.providers.ollama import Ollama
from penstock.providers.openai_chat import OpenAiChat
from penstock.providers.openai_responses import OpenAiResponses
from penstock.providers.shape import Shape, at

__all__ = ("recognise",)

# As its SDK's objects and their model_dump() name them, and as its JSON does.
_GEMINI = ("candidates", "usage_metadata", "usageMetadata", "prompt_feedback", "promptFeedback")


def recognise(event: Any) -> Shape | None:
    """Return what reads a stream that begins with ``event``; None: it is of no known shape."""
    if isinstance(event, (str, bytes, bytearray, int, float, list, tuple)) or event is None:
        return None
    kind = at(event, "type")
    if isinstance(kind, str):
        typed = _typed(event, kind)
        if typed is not None:
            return typed
    if isinstance(event, Mapping) and len(event) == 1:
        name = str(next(iter(event)))
        if name == "chunk" and at(event, "chunk", "bytes") is not None:
            return BedrockInvoke()
        if name in converse.EVENTS or name.endswith("Exception"):
            return converse.BedrockConverse()
    return _by_fields(event)


def _typed(event: Any, kind: str) -> Shape | None:
    if kind.startswith("response."):
        return OpenAiResponses()
    if kind == "error":
        bare = at(event, "error") is not None and at(event, "sequence_number") is None
        return anthropic.Anthropic() if bare else OpenAiResponses()
    # "text" and its like are derived events: never the first, but who knows what was skipped.
    raw = kind in anthropic.EVENTS and (kind.startswith(("message_", "content_block")))
    return anthropic.Anthropic() if raw or kind == "ping" else None


def _by_fields(event: Any) -> Shape | None:
    if isinstance(at(event, "choices"), (list, tuple)):
        return OpenAiChat()
    has = event.__contains__ if isinstance(event, Mapping) else _has(event)
    if any(map(has, _GEMINI)):
        return Gemini()
    if isinstance(at(event, "done"), bool) and (
        at(event, "message") is not None or at(event, "response") is not None
    ):
        return Ollama()
    return None


def _has(event: Any) -> Callable[[str], bool]:
    return lambda name: hasattr(event, name)
