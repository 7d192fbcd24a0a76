"""The pieces that every model's stream is made of, whoever the provider is.

Lives here: the values and their JSON form. Stays out: how a provider's events become chunks
(``llm/``), and how a chat front end wants them (``formats/``).

Exactly one ``Done`` or ``Error`` ends a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from penstock._chunk import Chunk

__all__ = (
    "Chunk",
    "Data",
    "Done",
    "Error",
    "File",
    "Reasoning",
    "Source",
    "StepEnd",
    "StepStart",
    "Text",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallStart",
    "ToolResult",
    "Usage",
)


@dataclass(frozen=True, slots=True)
class Text(Chunk):
    """A piece of the answer's text."""

    type: ClassVar[str] = "text"
    content: str


@dataclass(frozen=True, slots=True)
class Reasoning(Chunk):
    """A piece of the model's reasoning.

    ``metadata``: what the provider wants back with it, by provider, such as a signature.
    """

    type: ClassVar[str] = "reasoning"
    content: str
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ToolCallStart(Chunk):
    """The model begins to call a tool."""

    type: ClassVar[str] = "tool_call_start"
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta(Chunk):
    """A piece of a tool call's arguments, as JSON text."""

    type: ClassVar[str] = "tool_call_delta"
    id: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCall(Chunk):
    """A whole tool call: ``arguments`` is the JSON text, ``input`` what it decodes to.

    ``metadata``: what the provider wants back with it, by provider, such as a signature.
    ``provider_executed``: the provider runs the tool itself; nobody else has to.
    """

    type: ClassVar[str] = "tool_call"
    id: str
    name: str
    arguments: str
    input: Any = None
    metadata: dict[str, Any] | None = None
    provider_executed: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolResult(Chunk):
    """What a tool returned, or the error it ended with."""

    type: ClassVar[str] = "tool_result"
    id: str
    name: str
    result: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Source(Chunk):
    """Something the answer cites: a ``url`` or a ``document``."""

    type: ClassVar[str] = "source"
    url: str | None = None
    document: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class File(Chunk):
    """A file the model made: its ``url``, or its ``data`` in base64."""

    type: ClassVar[str] = "file"
    media_type: str
    url: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Data(Chunk):
    """The application's own data beside the answer."""

    type: ClassVar[str] = "data"
    name: str
    data: Any
    id: str | None = None
    transient: bool | None = None


@dataclass(frozen=True, slots=True)
class StepStart(Chunk):
    """One round with the model begins."""

    type: ClassVar[str] = "step_start"


@dataclass(frozen=True, slots=True)
class StepEnd(Chunk):
    """One round with the model has ended."""

    type: ClassVar[str] = "step_end"


@dataclass(frozen=True, slots=True)
class Usage(Chunk):
    """Tokens used."""

    type: ClassVar[str] = "usage"
    input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    total: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None


@dataclass(frozen=True, slots=True)
class Done(Chunk):
    """The answer is complete."""

    type: ClassVar[str] = "done"
    finish_reason: str = "stop"
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Error(Chunk):
    """The answer failed; nothing follows."""

    type: ClassVar[str] = "error"
    status: int = 500
    title: str = "Internal Server Error"
    detail: str | None = None
    retryable: bool = False
