"""Anthropic's Messages over the official SDK."""

from __future__ import annotations

from typing import Any

from penstock.errors import ExtraNotInstalled
from penstock.llm.dialect import Ask, Round, Settings, as_text, result_text

__all__ = ("Anthropic",)

# The API wants a limit; this one every current model takes.
_MAX_TOKENS = 4096


class Anthropic:
    """Messages, by ``anthropic.AsyncAnthropic``."""

    default_model = "claude-sonnet-5-5"

    def client(self, settings: Settings) -> Any:
        try:
            from anthropic import AsyncAnthropic
        except ImportError as exc:
            raise ExtraNotInstalled("anthropic") from exc
        return AsyncAnthropic(api_key=settings.api_key, base_url=settings.base_url, max_retries=0)

    def messages(self, messages: list[Any]) -> tuple[list[Any], str | None]:
        system = [as_text(each["content"]) for each in messages if each["role"] == "system"]
        return [each for each in messages if each["role"] != "system"], "\n".join(system) or None

    def open(self, client: Any, ask: Ask) -> Any:
        request: dict[str, Any] = {
            "model": ask.model,
            "messages": ask.messages,
            "max_tokens": ask.max_tokens or _MAX_TOKENS,
            "stream": True,
        }
        if ask.system:
            request["system"] = ask.system
        if ask.tools:
            request["tools"] = [_tool(tool) for tool in ask.tools]
        return lambda: client.messages.create(**request, **ask.options)

    def remember(self, ask: Ask, round: Round) -> None:
        content: list[Any] = []
        kept = round.kept("anthropic")
        if "signature" in kept:  # without it, it would be refused
            thinking = {"type": "thinking", "thinking": round.thought()}
            content.append({**thinking, "signature": kept["signature"]})
        if "redacted_data" in kept:
            content.append({"type": "redacted_thinking", "data": kept["redacted_data"]})
        if round.text.strip():
            content.append({"type": "text", "text": round.text})
        content += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}
            for call in round.calls
        ]
        ask.messages.append({"role": "assistant", "content": content})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": result.id,
                "content": result_text(result),
                "is_error": result.error is not None,
            }
            for result in round.results
        ]
        ask.messages.append({"role": "user", "content": results})


def _tool(tool: Any) -> Any:
    if tool.native is not None:
        return tool.native
    about = {"name": tool.name, "description": tool.description}
    return {**about, "input_schema": tool.parameters}
