"""The text in a model's stream, whoever's it is.

Lives here: where each wire keeps its text, by the shape of one event. Stays out: printing it;
everything else that such a stream says.
"""

from __future__ import annotations

import json
from typing import Any

from penstock.event import ServerSentEvent

__all__ = ("error_after", "error_of", "text_of")


def text_of(item: Any) -> str:
    """Return the text that ``item`` adds to a model's answer; "" when it adds none."""
    if isinstance(item, ServerSentEvent):
        value = _object(item.data)
        if value is None:
            return "" if item.event in ("done", "error") or item.data == "[DONE]" else item.data
        item = value
    if isinstance(item, str):
        return item
    return _text_in(item) if isinstance(item, dict) else ""


def error_of(item: Any) -> str | None:
    """Return what ``item`` says went wrong; None when it is no error."""
    if isinstance(item, ServerSentEvent):
        value = _object(item.data)
        is_error = item.event == "error" or (value is not None and _is_wires_error(value))
        found = item.data if value is None else _gist(value)
        return found if is_error else None
    if isinstance(item, dict) and (item.get("type") == "error" or set(item) == {"error"}):
        return _gist(item)
    return None


def error_after(failed: str | None, item: Any) -> str | None:
    """Return what went wrong in a stream up to ``item``: a wire's closing records leave it so."""
    is_closing = isinstance(item, ServerSentEvent) and (
        item.data == "[DONE]" or (_object(item.data) or {}).get("type") in _CLOSING
    )
    return failed if is_closing else error_of(item)


_CLOSING = ("finish-step", "finish", "abort")  # the AI SDK's, which an error may come before


def _is_wires_error(value: dict[str, Any]) -> bool:
    # The second is OpenAI's, and an object: a str may be anybody's message.
    return value.get("type") == "error" or (
        set(value) == {"error"} and isinstance(value["error"], dict)
    )


def _object(data: str) -> dict[str, Any] | None:
    # A number is text that a model wrote: only objects are JSON here.
    if not data.startswith("{"):
        return None
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _gist(value: Any) -> str:
    """Return the sentence in an error: ours, a chat protocol's, a provider's."""
    for key in ("errors", "error", "errorText", "detail", "message", "title"):
        inner = value.get(key) if isinstance(value, dict) else None
        if isinstance(inner, str):
            return inner
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, dict):
            return _gist(inner)
    return json.dumps(value, ensure_ascii=False)


def _text_in(value: dict[str, Any]) -> str:
    kind = value.get("type")
    if isinstance(kind, str):
        return _by_type(kind, value)
    if choices := value.get("choices"):  # OpenAI: chat, and completions before it
        first = choices[0]
        return _str(_at(first, "delta", "content")) or _str(_at(first, "text"))
    if candidates := value.get("candidates"):  # Gemini
        parts = _at(candidates[0], "content", "parts") or []
        return "".join(_str(_at(part, "text")) for part in parts)
    if block := _at(value, "contentBlockDelta", "delta", "text"):  # Bedrock Converse
        return _str(block)
    # Ollama, and what people write by hand.
    found = (_at(value, "message", "content"), *map(value.get, _BY_HAND))
    return next(filter(None, map(_str, found)), "")


_BY_HAND = ("response", "delta", "text", "content", "token")


def _by_type(kind: str, value: dict[str, Any]) -> str:
    if kind == "text":  # ours
        return _str(value.get("content")) or _str(value.get("text"))
    if kind == "text-delta":  # the AI SDK's; textDelta before version 5
        return _str(value.get("delta")) or _str(value.get("textDelta"))
    if kind == "response.output_text.delta":  # OpenAI Responses
        return _str(value.get("delta"))
    if kind == "content_block_delta":  # Anthropic
        return _str(_at(value, "delta", "text"))
    return ""


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""
