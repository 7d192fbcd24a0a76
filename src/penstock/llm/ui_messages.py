"""A chat's messages as the front end holds them.

Lives here: messages, their parts, and the calls of tools among these. Source: the UI message types
of npm ``ai``.
Stays out: the request around them (``requests``), what a provider wants instead (``history``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ("ChatMessage", "ToolPart", "text_of", "tool_part")


@dataclass(frozen=True, slots=True)
class ToolPart:
    """One call of a tool, as the front end knows it.

    Attributes:
        id: The call's id.
        name: The tool's name.
        state: ``input-streaming``, ``input-available``, ``approval-requested``,
            ``approval-responded``, ``output-available``, ``output-error`` or ``output-denied``.
        input: What the tool is called with.
        output: What it returned, in ``output-available``.
        error: What went wrong, in ``output-error``.
        approval: The user's answer to a request for approval: ``{"id", "approved", "reason"}``.
        raw: The part as it came.
    """

    id: str
    name: str
    state: str
    input: Any = None
    output: Any = None
    error: str | None = None
    approval: Mapping[str, Any] | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_result(self) -> bool:
        """Whether the model can be told how the call ended."""
        return self.state in ("output-available", "output-error", "output-denied")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of the chat.

    Attributes:
        role: ``user``, ``assistant`` or ``system``.
        parts: The message's parts as they came, unknown kinds and keys included.
        id: The message's id; "" when it has none.
        metadata: What the application keeps with it.
        raw: The message as it came.
    """

    role: str
    parts: tuple[Mapping[str, Any], ...] = ()
    id: str = ""
    metadata: Any = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The message's text, without reasoning."""
        texts = (part.get("text") for part in self.parts if part.get("type") == "text")
        return "".join(text for text in texts if isinstance(text, str))

    @property
    def tools(self) -> list[ToolPart]:
        """The calls of tools in it, in order."""
        return [tool for part in self.parts if (tool := tool_part(part)) is not None]


def tool_part(part: Mapping[str, Any]) -> ToolPart | None:
    """Return ``part`` as a call of a tool; None when it is none."""
    kind = part.get("type")
    if not isinstance(kind, str):
        return None
    if kind == "dynamic-tool":
        name = text_of(part.get("toolName"))
    elif kind.startswith("tool-"):
        name = kind.removeprefix("tool-")
    else:
        return None
    error, approval = part.get("errorText"), part.get("approval")
    input = part.get("input")
    return ToolPart(
        id=text_of(part.get("toolCallId")),
        name=name,
        state=text_of(part.get("state")),
        # What the model wrote when it was no input for this tool.
        input=part.get("rawInput") if input is None else input,
        output=part.get("output"),
        error=error if isinstance(error, str) else None,
        approval=approval if isinstance(approval, Mapping) else None,
        raw=part,
    )


def text_of(value: Any) -> str:
    """Return ``value`` as text; "" when it has none."""
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else ""
