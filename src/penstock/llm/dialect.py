"""What ``Llm`` needs of a provider: a client, a request, and how a round is remembered.

Lives here: the Protocol, and what all providers' messages have in common.
Stays out: any one provider's request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.chunk import Chunk, Reasoning, Text, ToolCall, ToolResult
from penstock.errors import InvalidOption
from penstock.llm.tools import Tool

__all__ = ("Ask", "Dialect", "Round", "Settings", "as_messages", "as_text", "result_text")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the provider is and who asks."""

    base_url: str | None = None
    api_key: str | None = None


@dataclass(slots=True)
class Ask:
    """One question to a model; ``messages`` grows by one round after another."""

    model: str
    messages: list[Any]
    system: str | None = None
    tools: list[Tool] = field(default_factory=list)
    max_tokens: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Round:
    """What the model said in one round, and what its tools returned."""

    text: str = ""
    reasoning: list[Reasoning] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[ToolResult] = field(default_factory=list)

    def note(self, chunk: Chunk) -> None:
        """Remember what is to be said back to the provider."""
        if isinstance(chunk, Text):
            self.text += chunk.content
        elif isinstance(chunk, Reasoning):
            self.reasoning.append(chunk)
        elif isinstance(chunk, ToolCall) and not chunk.provider_executed:
            self.calls.append(chunk)

    def thought(self) -> str:
        """Return the reasoning's text."""
        return "".join(chunk.content for chunk in self.reasoning)

    def kept(self, provider: str) -> dict[str, Any]:
        """Return what ``provider`` wants back with the reasoning."""
        kept: dict[str, Any] = {}
        for chunk in self.reasoning:
            kept.update((chunk.metadata or {}).get(provider, {}))
        return kept


class Dialect(Protocol):
    """One provider's SDK."""

    @property
    def default_model(self) -> str:
        """The model that is asked when the caller names none."""
        ...

    def client(self, settings: Settings) -> Any:
        """Return the SDK's client; the SDK is imported here.

        Raises:
            ExtraNotInstalled: It is not installed.
        """
        ...

    def messages(self, messages: list[Any]) -> tuple[list[Any], str | None]:
        """Return the messages as the provider has them, and a system text found among them."""
        ...

    def open(self, client: Any, ask: Ask) -> Any:
        """Return a source for ``chunks``: nothing is sent before it is read."""
        ...

    def remember(self, ask: Ask, round: Round) -> None:
        """Add the model's calls and their results to ``ask.messages``."""
        ...


def as_messages(prompt: Any) -> list[Any]:
    """Return a prompt as messages; messages as a new list.

    Raises:
        InvalidOption: It is neither, or empty.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if isinstance(prompt, Mapping):
        return [prompt]
    if isinstance(prompt, Iterable) and not isinstance(prompt, (bytes, bytearray)):
        messages = list(prompt)
        if messages:
            return messages
    raise InvalidOption("prompt", prompt, "a text, or a list of messages that is not empty")


def as_text(content: Any) -> str:
    """Return the text of a message's content."""
    if isinstance(content, str):
        return content
    return "".join(
        part if isinstance(part, str) else str(part.get("text", "")) for part in content or ()
    )


def result_text(result: ToolResult) -> str:
    """Return what the model reads of a tool's result."""
    if result.error is not None:
        return result.error
    return result.result if isinstance(result.result, str) else json.dumps(result.result)
