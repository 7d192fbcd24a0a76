"""What the providers' messages have in common: whose turn it is, files, tools' results.

Lives here: a chat's messages as turns; what is in a part. Stays out: any one provider's form of
them (``history``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from penstock.errors import HttpError
from penstock.llm.ui_messages import ChatMessage, ToolPart, tool_part

__all__ = (
    "Alternating",
    "Part",
    "SYSTEM",
    "Turn",
    "file_data",
    "from_base64",
    "joined",
    "media_type",
    "provider_data",
    "result_text",
    "to_base64",
    "tool_input",
    "turns",
)

_DENIED = "The user did not allow this call."
SYSTEM = ("system", "developer")

Part: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says at once: the user, or one round with the model and its tools' results."""

    role: str
    parts: list[Part] = field(default_factory=list)
    calls: list[ToolPart] = field(default_factory=list)


class Alternating:
    """Messages in which the two sides take turns: what one says twice is one message."""

    def __init__(self, content: str) -> None:
        self._content = content
        self.messages: list[dict[str, Any]] = []

    def add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        """Add what ``role`` says; nothing is nothing."""
        if not blocks:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1][self._content] += blocks
        else:
            self.messages.append({"role": role, self._content: blocks})


def turns(messages: Iterable[ChatMessage]) -> Iterator[Turn]:
    """Yield the chat as turns that are not empty; an assistant's message has one for each step."""
    for message in messages:
        if message.role != "assistant":
            if message.role in (*SYSTEM, "user"):
                parts = [part for part in message.parts if _is_text(part) or _is_file(part)]
                if parts:
                    yield Turn(message.role, parts)
            continue
        turn = Turn("assistant")
        for part in message.parts:
            if part.get("type") == "step-start":
                if _says_anything(turn):
                    yield turn
                turn = Turn("assistant")
            elif _is_text(part) or _is_reasoning(part):
                if turn.calls and _is_text(part):  # it speaks of their results: a round of its own
                    yield turn
                    turn = Turn("assistant")
                turn.parts.append(part)
            elif (call := tool_part(part)) is not None and _can_be_told(call):
                turn.calls.append(call)
        if _says_anything(turn):
            yield turn


def _says_anything(turn: Turn) -> bool:
    return bool(turn.calls) or any(_is_text(part) for part in turn.parts)


def _can_be_told(call: ToolPart) -> bool:
    return call.has_result and not call.raw.get("providerExecuted")


def _is_text(part: Part) -> bool:
    return part.get("type") == "text" and isinstance(part.get("text"), str) and part["text"] != ""


def _is_reasoning(part: Part) -> bool:
    return part.get("type") == "reasoning" and isinstance(part.get("text"), str)


def _is_file(part: Part) -> bool:
    return part.get("type") == "file" and isinstance(part.get("url"), str)


def joined(parts: Iterable[Part]) -> str:
    """Return the text of ``parts``."""
    return "".join(part["text"] for part in parts if part["type"] == "text")


def tool_input(call: ToolPart) -> dict[str, Any]:
    """Return a call's input as the object that every provider wants."""
    if isinstance(call.input, dict):
        return call.input
    return {} if call.input is None else {"input": call.input}


def result_text(call: ToolPart) -> str:
    """Return what the model is told of a call's end."""
    if call.state == "output-denied":
        reason = (call.approval or {}).get("reason")
        return f"{_DENIED} {reason}" if isinstance(reason, str) and reason else _DENIED
    if call.state == "output-error":
        return call.error or "The tool failed."
    if isinstance(call.output, str):
        return call.output
    return json.dumps(call.output, ensure_ascii=False, separators=(",", ":"))


def provider_data(part: Part, provider: str) -> Mapping[str, Any]:
    """Return what ``provider`` wants back with a part; empty when it is another's."""
    for name in ("callProviderMetadata", "providerMetadata"):
        metadata = part.get(name)
        if isinstance(metadata, Mapping) and isinstance(metadata.get(provider), Mapping):
            found: Mapping[str, Any] = metadata[provider]
            return found
    return {}


def media_type(part: Part) -> str:
    """Return the media type of a file, which its ``data:`` URL may name too."""
    kind = part.get("mediaType")
    if isinstance(kind, str) and kind:
        return kind.partition(";")[0].strip().lower()
    url: str = part["url"]
    named = url.removeprefix("data:").partition(",")[0].partition(";")[0]
    return named if url.startswith("data:") and named else "application/octet-stream"


def file_data(url: str) -> bytes | None:
    """Return what a ``data:`` URL holds; None for any other URL.

    Raises:
        HttpError: 400, when it is malformed.
    """
    if not url.startswith("data:"):
        return None
    head, comma, data = url.partition(",")
    if not comma:
        raise HttpError(400, detail="a file's data: URL has no comma")
    if not head.endswith(";base64"):
        return unquote_to_bytes(data)
    return from_base64(data, "a file's data: URL")


def from_base64(data: str, what: str) -> bytes:
    """Return what ``data`` encodes.

    Raises:
        HttpError: 400, when it is not base64; ``what`` says of what.
    """
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as exc:
        raise HttpError(400, detail=f"{what} is not base64") from exc


def to_base64(data: bytes) -> str:
    """Return ``data`` in base64."""
    return base64.b64encode(data).decode()
