"""Models: any official SDK's stream in, one kind of chunks out.

Lives here: what users import, each loaded when it is first asked for.
Stays out: what a provider's events mean (``providers/``), how chunks are written (``formats/``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.llm.chat import chat_endpoint
    from penstock.llm.provider import Llm
    from penstock.llm.requests import ChatRequest, parse_chat_request
    from penstock.llm.tools import tool_schema
    from penstock.providers.reading import chunks

__all__ = (
    "ChatRequest",
    "Llm",
    "chat_endpoint",
    "chunks",
    "parse_chat_request",
    "tool_schema",
)


def __getattr__(name: str) -> Any:
    if name == "chat_endpoint":
        from penstock.llm.chat import chat_endpoint

        return chat_endpoint
    if name in ("ChatRequest", "parse_chat_request"):
        from penstock.llm import requests

        return getattr(requests, name)
    if name == "Llm":
        from penstock.llm.provider import Llm

        return Llm
    if name == "chunks":
        from penstock.providers.reading import chunks

        return chunks
    if name == "tool_schema":
        from penstock.llm.tools import tool_schema

        return tool_schema
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
