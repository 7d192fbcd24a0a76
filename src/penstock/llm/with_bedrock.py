"""Amazon Bedrock's ConverseStream over boto3, which blocks: it is called and read in threads."""

from __future__ import annotations

from typing import Any

from penstock.errors import ExtraNotInstalled, InvalidOption
from penstock.llm.dialect import Ask, Round, Settings, as_text, result_text

__all__ = ("Bedrock",)


class Bedrock:
    """ConverseStream, by ``boto3.client("bedrock-runtime")``."""

    default_model = "us.amazon.nova-lite-v1:0"

    def client(self, settings: Settings) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as exc:
            raise ExtraNotInstalled("bedrock") from exc
        if settings.api_key is not None:
            expected = "left out: boto3 takes its credentials from the environment, or give client="
            raise InvalidOption("api_key", "...", expected)
        config = Config(retries={"max_attempts": 0})
        return boto3.client("bedrock-runtime", endpoint_url=settings.base_url, config=config)

    def messages(self, messages: list[Any]) -> tuple[list[Any], str | None]:
        system = [as_text(each["content"]) for each in messages if each["role"] == "system"]
        others = [
            {"role": each["role"], "content": _content(each["content"])}
            for each in messages
            if each["role"] != "system"
        ]
        return others, "\n".join(system) or None

    def open(self, client: Any, ask: Ask) -> Any:
        request: dict[str, Any] = {"modelId": ask.model, "messages": ask.messages}
        if ask.system:
            request["system"] = [{"text": ask.system}]
        if ask.tools:
            request["toolConfig"] = {"tools": [_tool(tool) for tool in ask.tools]}
        options = dict(ask.options)
        config = dict(options.pop("inferenceConfig", {}))
        if ask.max_tokens is not None:
            config["maxTokens"] = ask.max_tokens
        if "temperature" in options:
            config["temperature"] = options.pop("temperature")
        if config:
            request["inferenceConfig"] = config
        return lambda: client.converse_stream(**request, **options)

    def remember(self, ask: Ask, round: Round) -> None:
        content: list[Any] = []
        kept = round.kept("bedrock")
        if "signature" in kept:
            thought = {"text": round.thought(), "signature": kept["signature"]}
            content.append({"reasoningContent": {"reasoningText": thought}})
        if round.text.strip():
            content.append({"text": round.text})
        for call in round.calls:
            use = {"toolUseId": call.id, "name": call.name, "input": call.input}
            content.append({"toolUse": use})
        ask.messages.append({"role": "assistant", "content": content})
        results = [
            {
                "toolResult": {
                    "toolUseId": result.id,
                    "content": [{"text": result_text(result)}],
                    "status": "success" if result.error is None else "error",
                }
            }
            for result in round.results
        ]
        ask.messages.append({"role": "user", "content": results})


def _content(content: Any) -> Any:
    return [{"text": content}] if isinstance(content, str) else content


def _tool(tool: Any) -> Any:
    if tool.native is not None:
        return tool.native
    about = {"name": tool.name, "description": tool.description or tool.name}
    return {"toolSpec": {**about, "inputSchema": {"json": tool.parameters}}}
