"""Google's Gemini over google-genai."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from penstock.errors import ExtraNotInstalled
from penstock.llm.dialect import Ask, Round, Settings, as_text

__all__ = ("Google",)


class Google:
    """``generate_content_stream``, by ``google.genai.Client().aio``."""

    default_model = "gemini-3.8-flash"

    def client(self, settings: Settings) -> Any:
        try:
            from google import genai
        except ImportError as exc:
            raise ExtraNotInstalled("google") from exc
        given: dict[str, Any] = {}
        if settings.base_url is not None:
            given["http_options"] = {"base_url": settings.base_url}
        if settings.api_key is not None:
            given["api_key"] = settings.api_key
        return genai.Client(**given)

    def messages(self, messages: list[Any]) -> tuple[list[Any], str | None]:
        system = [as_text(each["content"]) for each in messages if each.get("role") == "system"]
        others = [_message(each) for each in messages if each.get("role") != "system"]
        return others, "\n".join(system) or None

    def open(self, client: Any, ask: Ask) -> Any:
        options = dict(ask.options)
        config = dict(options.pop("config", {}))
        if ask.system:
            config["system_instruction"] = ask.system
        if ask.max_tokens is not None:
            config["max_output_tokens"] = ask.max_tokens
        if ask.tools:
            declared = [_tool(tool) for tool in ask.tools if tool.native is None]
            native = [tool.native for tool in ask.tools if tool.native is not None]
            config["tools"] = ([{"function_declarations": declared}] if declared else []) + native
            config["automatic_function_calling"] = {"disable": True}
        config |= options  # temperature and its like are all part of it there
        models = getattr(client, "aio", client).models
        request = {"model": ask.model, "contents": ask.messages, "config": config or None}
        return lambda: models.generate_content_stream(**request)

    def remember(self, ask: Ask, round: Round) -> None:
        parts: list[Any] = [{"text": round.text}] if round.text else []
        for call in round.calls:
            part: dict[str, Any] = {"function_call": {"name": call.name, "args": call.input}}
            kept = (call.metadata or {}).get("google", {})
            if "thought_signature" in kept:  # must come back as it was
                part["thought_signature"] = b64decode(kept["thought_signature"])
            parts.append(part)
        ask.messages.append({"role": "model", "parts": parts})
        results: list[Any] = []
        for result in round.results:
            key, value = (
                ("output", result.result) if result.error is None else ("error", result.error)
            )
            answer = {"name": result.name, "response": {key: value}}
            results.append({"function_response": answer})
        ask.messages.append({"role": "user", "parts": results})


def _message(message: Any) -> Any:
    if "parts" in message:
        return message
    role = "model" if message["role"] == "assistant" else message["role"]
    content = message["content"]
    parts = [{"text": content}] if isinstance(content, str) else content
    return {"role": role, "parts": parts}


def _tool(tool: Any) -> Any:
    declared: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.parameters.get("properties"):
        declared["parameters_json_schema"] = tool.parameters
    return declared
