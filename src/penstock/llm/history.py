"""A chat's messages as each provider wants them.

Lives here: steps to turns, parts to blocks. Source: the message formats of OpenAI's chat
completions, Anthropic's Messages, Bedrock's Converse and Gemini's ``generateContent``.
Stays out: reading a request (``requests``); SDKs: plain dicts are what all of them take.

What is left out everywhere: calls without a result, which every provider refuses, and those that
a provider ran itself; the application's own data, sources, and reasoning that no signature
vouches for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from penstock.errors import HttpError
from penstock.llm.turns import (
    SYSTEM,
    Alternating,
    Part,
    Turn,
    file_data,
    from_base64,
    joined,
    media_type,
    provider_data,
    result_text,
    to_base64,
    tool_input,
    turns,
)
from penstock.llm.ui_messages import ChatMessage, ToolPart

__all__ = ("to_anthropic", "to_bedrock", "to_google", "to_openai")

# --- OpenAI


def to_openai(messages: Iterable[ChatMessage]) -> dict[str, Any]:
    """Return ``messages`` for OpenAI's chat completions."""
    made: list[dict[str, Any]] = []
    for turn in turns(messages):
        if turn.role in SYSTEM:
            made.append({"role": turn.role, "content": joined(turn.parts)})
        elif turn.role == "user":
            made.append({"role": "user", "content": _openai_content(turn.parts)})
        else:
            made += _openai_round(turn)
    return {"messages": made}


def _openai_content(parts: list[Part]) -> Any:
    if all(part["type"] == "text" for part in parts):
        return joined(parts)
    return [_openai_part(part) for part in parts]


def _openai_part(part: Part) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    kind, url = media_type(part), part["url"]
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    data = file_data(url)
    if data is None:
        raise _by_url("openai", kind)
    if kind in ("audio/wav", "audio/mpeg", "audio/mp3"):
        audio = {"data": to_base64(data), "format": "wav" if kind == "audio/wav" else "mp3"}
        return {"type": "input_audio", "input_audio": audio}
    file = {"filename": _filename(part), "file_data": f"data:{kind};base64,{to_base64(data)}"}
    return {"type": "file", "file": file}


def _openai_round(turn: Turn) -> Iterator[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant"}
    text = joined(turn.parts)
    if text or not turn.calls:
        message["content"] = text
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(tool_input(call))},
            }
            for call in turn.calls
        ]
    yield message
    for call in turn.calls:
        yield {"role": "tool", "tool_call_id": call.id, "content": result_text(call)}


# --- Anthropic


def to_anthropic(messages: Iterable[ChatMessage]) -> dict[str, Any]:
    """Return ``messages``, and ``system`` where there is one, for Anthropic's Messages."""
    system: list[str] = []
    made = Alternating("content")
    for turn in turns(messages):
        if turn.role in SYSTEM:
            system.append(joined(turn.parts))
        elif turn.role == "user":
            made.add("user", [_anthropic_part(part) for part in turn.parts])
        else:
            said = [block for part in turn.parts if (block := _anthropic_said(part))]
            uses = [
                {"type": "tool_use", "id": call.id, "name": call.name, "input": tool_input(call)}
                for call in turn.calls
            ]
            made.add("assistant", said + uses)
            made.add("user", [_anthropic_result(call) for call in turn.calls])
    told: dict[str, Any] = {"system": "\n\n".join(system)} if system else {}
    return {**told, "messages": made.messages}


def _anthropic_part(part: Part) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    kind, data = media_type(part), file_data(part["url"])
    block: dict[str, Any] = {"type": "image" if kind.startswith("image/") else "document"}
    if data is None:
        block["source"] = {"type": "url", "url": part["url"]}
    elif kind.startswith("text/"):
        text = data.decode("utf-8", "replace")
        block["source"] = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        block["source"] = {"type": "base64", "media_type": kind, "data": to_base64(data)}
    if block["type"] == "document" and part.get("filename"):
        block["title"] = part["filename"]
    return block


def _anthropic_said(part: Part) -> dict[str, Any] | None:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    kept = provider_data(part, "anthropic")
    if signature := kept.get("signature"):
        return {"type": "thinking", "thinking": part["text"], "signature": signature}
    if redacted := kept.get("redacted_data") or kept.get("redactedData"):
        return {"type": "redacted_thinking", "data": redacted}
    return None


def _anthropic_result(call: ToolPart) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": call.id, "content": result_text(call)}
    return result if call.state == "output-available" else {**result, "is_error": True}


# --- Bedrock

_BEDROCK_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif"}
_BEDROCK_IMAGES["image/webp"] = "webp"
_BEDROCK_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}


def to_bedrock(messages: Iterable[ChatMessage]) -> dict[str, Any]:
    """Return ``messages``, and ``system`` where there is one, for Bedrock's Converse."""
    system: list[dict[str, str]] = []
    made = Alternating("content")
    for turn in turns(messages):
        if turn.role in SYSTEM:
            system.append({"text": joined(turn.parts)})
        elif turn.role == "user":
            made.add("user", [_bedrock_part(part) for part in turn.parts])
        else:
            said = [block for part in turn.parts if (block := _bedrock_said(part))]
            uses = [
                {"toolUse": {"toolUseId": call.id, "name": call.name, "input": tool_input(call)}}
                for call in turn.calls
            ]
            made.add("assistant", [*said, *uses])
            made.add("user", [_bedrock_result(call) for call in turn.calls])
    told: dict[str, Any] = {"system": system} if system else {}
    return {**told, "messages": made.messages}


def _bedrock_part(part: Part) -> dict[str, Any]:
    if part["type"] == "text":
        return {"text": part["text"]}
    kind, data = media_type(part), file_data(part["url"])
    if data is None:
        raise _by_url("bedrock", kind)
    if kind in _BEDROCK_IMAGES:
        return {"image": {"format": _BEDROCK_IMAGES[kind], "source": {"bytes": data}}}
    if kind not in _BEDROCK_DOCUMENTS:
        raise HttpError(400, detail=f"bedrock takes no file of type {kind}")
    # Converse takes letters, digits, single spaces, hyphens and brackets in a name.
    stem = _filename(part).rpartition(".")[0] or "file"
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in stem)
    document = {"format": _BEDROCK_DOCUMENTS[kind], "name": name, "source": {"bytes": data}}
    return {"document": document}


def _bedrock_said(part: Part) -> dict[str, Any] | None:
    if part["type"] == "text":
        return {"text": part["text"]}
    signature = provider_data(part, "bedrock").get("signature")
    if part["type"] == "reasoning" and signature:
        text = {"text": part["text"], "signature": signature}
        return {"reasoningContent": {"reasoningText": text}}
    return None


def _bedrock_result(call: ToolPart) -> dict[str, Any]:
    is_json = call.state == "output-available" and isinstance(call.output, dict)
    content = {"json": call.output} if is_json else {"text": result_text(call)}
    result: dict[str, Any] = {"toolUseId": call.id, "content": [content]}
    if call.state != "output-available":
        result["status"] = "error"
    return {"toolResult": result}


# --- Gemini


def to_google(messages: Iterable[ChatMessage]) -> dict[str, Any]:
    """Return ``contents``, and ``config`` where there is one, for Gemini's ``generateContent``."""
    system: list[str] = []
    made = Alternating("parts")
    for turn in turns(messages):
        if turn.role in SYSTEM:
            system.append(joined(turn.parts))
        elif turn.role == "user":
            made.add("user", [_google_part(part) for part in turn.parts])
        else:
            said = [{"text": part["text"]} for part in turn.parts if part["type"] == "text"]
            made.add("model", [*said, *(_google_call(call) for call in turn.calls)])
            made.add("user", [_google_result(call) for call in turn.calls])
    told: dict[str, Any] = {}
    if system:
        told["config"] = {"system_instruction": "\n\n".join(system)}
    return {"contents": made.messages, **told}


def _google_part(part: Part) -> dict[str, Any]:
    if part["type"] == "text":
        return {"text": part["text"]}
    kind, data = media_type(part), file_data(part["url"])
    if data is None:
        return {"file_data": {"file_uri": part["url"], "mime_type": kind}}
    return {"inline_data": {"data": data, "mime_type": kind}}


def _google_call(call: ToolPart) -> dict[str, Any]:
    made: dict[str, Any] = {"function_call": {"name": call.name, "args": tool_input(call)}}
    kept = provider_data(call.raw, "google")
    signature = kept.get("thought_signature") or kept.get("thoughtSignature")
    if not isinstance(signature, str):
        return made
    return {**made, "thought_signature": from_base64(signature, "a thought signature")}


def _google_result(call: ToolPart) -> dict[str, Any]:
    if call.state != "output-available":
        response: Any = {"error": result_text(call)}
    else:
        response = call.output if isinstance(call.output, dict) else {"output": call.output}
    return {"function_response": {"name": call.name, "response": response}}


def _filename(part: Part) -> str:
    name = part.get("filename")
    if isinstance(name, str) and name:
        return name
    return f"file.{_BEDROCK_DOCUMENTS.get(media_type(part), 'bin')}"


def _by_url(provider: str, kind: str) -> HttpError:
    detail = f"{provider} takes a file of type {kind} as a data: URL only"
    return HttpError(400, detail=detail)
