"""OpenAI, and every server that speaks like it: chat completions over the official SDK."""

from __future__ import annotations

from typing import Any

from penstock.errors import ExtraNotInstalled
from penstock.llm.dialect import Ask, Round, Settings, result_text

__all__ = ("OpenAi",)


class OpenAi:
    """Chat completions, by ``openai.AsyncOpenAI``."""

    default_model = "gpt-5.4-mini"

    def client(self, settings: Settings) -> Any:
        try:
            from openai import AsyncOpenAI
        except ImportError as exc:
            raise ExtraNotInstalled("openai") from exc
        given: dict[str, Any] = {"max_retries": 0}
        if settings.base_url is not None:
            # Most local servers need no key; the SDK wants one.
            given |= {"base_url": settings.base_url, "api_key": settings.api_key or _key()}
        elif settings.api_key is not None:
            given["api_key"] = settings.api_key
        return AsyncOpenAI(**given)

    def messages(self, messages: list[Any]) -> tuple[list[Any], str | None]:
        return messages, None

    def open(self, client: Any, ask: Ask) -> Any:
        messages = ask.messages
        if ask.system:
            messages = [{"role": "system", "content": ask.system}, *messages]
        request: dict[str, Any] = {
            "model": ask.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if ask.tools:
            request["tools"] = [_tool(tool) for tool in ask.tools]
        if ask.max_tokens is not None:
            # OpenAI's own models take only the new name, most other servers only the old one.
            own = "api.openai.com" in str(getattr(client, "base_url", ""))
            request["max_completion_tokens" if own else "max_tokens"] = ask.max_tokens
        return lambda: client.chat.completions.create(**request, **ask.options)

    def remember(self, ask: Ask, round: Round) -> None:
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in round.calls
        ]
        said = {"role": "assistant", "content": round.text or None, "tool_calls": calls}
        ask.messages.append(said)
        for result in round.results:
            content = result_text(result)
            ask.messages.append({"role": "tool", "tool_call_id": result.id, "content": content})


def _key() -> str:
    import os

    return os.environ.get("OPENAI_API_KEY") or "none"


def _tool(tool: Any) -> Any:
    if tool.native is not None:
        return tool.native
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
