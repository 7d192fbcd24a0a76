"""A chat's messages as each provider wants them.

Lives here: steps to turns, parts to blocks. Source: the message formats of OpenAI's chat
completions, Anthropic's Messages, Bedrock's Converse and Gemini's ``generateContent``.
Stays out: reading a request (``requests``); SDKs: plain dicts are what all of them take.

What is left out everywhere: calls without a result, which every provider refuses, and those that
a provider ran itself; the application's own data, sources, and reasoning that no signature
vouches for.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from penstock.errors import HttpError
from penstock.llm.ui_messages import ChatMessage, ToolPart, tool_part

__all__ = ("to_anthropic", "to_bedrock", "to_google", "to_openai")

_DENIED = "The user did not allow this call."
_SYSTEM = ("system", "developer")

_Part = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one side says at once: the user, or one round with the model and its tools' results."""

    role: str
    parts: list[_Part] = field(default_factory=list)
    calls: list[ToolPart] = field(default_factory=list)


# --- OpenAI


def to_openai(messages: Iterable[ChatMessage]) -> dict[str, Any]:
    """Return ``messages`` for OpenAI's chat completions."""
    made: list[dict[str, Any]] = []
    for turn in _turns(messages):
        if turn.role in _SYSTEM:
            made.append({"role": turn.role, "content": _text(turn.parts)})
        elif turn.role == "user":
            made.append({"role": "user", "content": _openai_content(turn.parts)})
        else:
            made += _openai_round(turn)
    return {"messages": made}


def _openai_content(parts: list[_Part]) -> Any:
    if all(part["type"] == "text" for part in parts):
        return _text(parts)
    return [_openai_part(part) for part in parts]


def _openai_part(part: _Part) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    kind, url = _media_type(part), part["url"]
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    data = _data(url)
    if data is None:
        raise _by_url("openai", kind)
    if kind in ("audio/wav", "audio/mpeg", "audio/mp3"):
        audio = {"data": _base64(data), "format": "wav" if kind == "audio/wav" else "mp3"}
        return {"type": "input_audio", "input_audio": audio}
    file = {"filename": _filename(part), "file_data": f"data:{kind};base64,{_base64(data)}"}
    return {"type": "file", "file": file}


def _openai_round(turn: _Turn) -> Iterator[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant"}
    text = _text(turn.parts)
    if text or not turn.calls:
        message["content"] = text
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(_input(call))},
            }
            for call in turn.calls
        ]
    yield message
    for call in turn.calls:
        yield {"role": "tool", "tool_call_id": call.id, "content": _result_text(call)}


# --- Anthropic


def to_anthropic(messages: Iterable[ChatMessage]) -> dict[str, Any]:
    """Return ``messages``, and ``system`` where there is one, for Anthropic's Messages."""
    system: list[str] = []
    made = _Alternating("content")
    for turn in _turns(messages):
        if turn.role in _SYSTEM:
            system.append(_text(turn.parts))
        elif turn.role == "user":
            made.add("user", [_anthropic_part(part) for part in turn.parts])
        else:
            said = [block for part in turn.parts if (block := _anthropic_said(part))]
            uses = [
                {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call)}
                for call in turn.calls
            ]
            made.add("assistant", said + uses)
            made.add("user", [_anthropic_result(call) for call in turn.calls])
    told: dict[str, Any] = {"system": "\n\n".join(system)} if system else {}
    return {**told, "messages": made.messages}


def _anthropic_part(part: _Part) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    kind, data = _media_type(part), _data(part["url"])
    block: dict[str, Any] = {"type": "image" if kind.startswith("image/") else "document"}
    if data is None:
        block["source"] = {"type": "url", "url": part["url"]}
    elif kind.startswith("text/"):
        text = data.decode("utf-8", "replace")
        block["source"] = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        block["source"] = {"type": "base64", "media_type": kind, "data": _base64(data)}
    if block["type"] == "document" and part.get("filename"):
        block["title"] = part["filename"]
    return block


def _anthropic_said(part: _Part) -> dict[str, Any] | None:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    kept = _provider_data(part, "anthropic")
    if signature := kept.get("signature"):
        return {"type": "thinking", "thinking": part["text"], "signature": signature}
    if redacted := kept.get("redacted_data") or kept.get("redactedData"):
        return {"type": "redacted_thinking", "data": redacted}
    return None


def _anthropic_result(call: ToolPart) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": call.id, "content": _result_text(call)}
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
    made = _Alternating("content")
    for turn in _turns(messages):
        if turn.role in _SYSTEM:
            system.append({"text": _text(turn.parts)})
        elif turn.role == "user":
            made.add("user", [_bedrock_part(part) for part in turn.parts])
        else:
            said = [block for part in turn.parts if (block := _bedrock_said(part))]
            uses = [
                {"toolUse": {"toolUseId": call.id, "name": call.name, "input": _input(call)}}
                for call in turn.calls
            ]
            made.add("assistant", [*said, *uses])
            made.add("user", [_bedrock_result(call) for call in turn.calls])
    told: dict[str, Any] = {"system": system} if system else {}
    return {**told, "messages": made.messages}


def _bedrock_part(part: _Part) -> dict[str, Any]:
    if part["type"] == "text":
        return {"text": part["text"]}
    kind, data = _media_type(part), _data(part["url"])
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


def _bedrock_said(part: _Part) -> dict[str, Any] | None:
    if part["type"] == "text":
        return {"text": part["text"]}
    signature = _provider_data(part, "bedrock").get("signature")
    if part["type"] == "reasoning" and signature:
        text = {"text": part["text"], "signature": signature}
        return {"reasoningContent": {"reasoningText": text}}
    return None


def _bedrock_result(call: ToolPart) -> dict[str, Any]:
    is_json = call.state == "output-available" and isinstance(call.output, dict)
    content = {"json": call.output} if is_json else {"text": _result_text(call)}
    result: dict[str, Any] = {"toolUseId": call.id, "content": [content]}
    if call.state != "output-available":
        result["status"] = "error"
    return {"toolResult": result}


# --- Gemini


def to_google(messages: Iterable[ChatMessage]) -> dict[str, Any]:
    """Return ``contents``, and ``config`` where there is one, for Gemini's ``generateContent``."""
    system: list[str] = []
    made = _Alternating("parts")
    for turn in _turns(messages):
        if turn.role in _SYSTEM:
            system.append(_text(turn.parts))
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


def _google_part(part: _Part) -> dict[str, Any]:
    if part["type"] == "text":
        return {"text": part["text"]}
    kind, data = _media_type(part), _data(part["url"])
    if data is None:
        return {"file_data": {"file_uri": part["url"], "mime_type": kind}}
    return {"inline_data": {"data": data, "mime_type": kind}}


def _google_call(call: ToolPart) -> dict[str, Any]:
    made: dict[str, Any] = {"function_call": {"name": call.name, "args": _input(call)}}
    kept = _provider_data(call.raw, "google")
    signature = kept.get("thought_signature") or kept.get("thoughtSignature")
    if not isinstance(signature, str):
        return made
    return {**made, "thought_signature": _decoded(signature, "a thought signature")}


def _google_result(call: ToolPart) -> dict[str, Any]:
    if call.state != "output-available":
        response: Any = {"error": _result_text(call)}
    else:
        response = call.output if isinstance(call.output, dict) else {"output": call.output}
    return {"function_response": {"name": call.name, "response": response}}


# --- what they have in common


class _Alternating:
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


def _turns(messages: Iterable[ChatMessage]) -> Iterator[_Turn]:
    """Yield the chat as turns that are not empty; an assistant's message has one for each step."""
    for message in messages:
        if message.role != "assistant":
            if message.role in (*_SYSTEM, "user"):
                parts = [part for part in message.parts if _is_text(part) or _is_file(part)]
                if parts:
                    yield _Turn(message.role, parts)
            continue
        turn = _Turn("assistant")
        for part in message.parts:
            if part.get("type") == "step-start":
                if turn.parts or turn.calls:
                    yield turn
                turn = _Turn("assistant")
            elif _is_text(part) or _is_reasoning(part):
                if turn.calls and _is_text(part):  # it speaks of their results: a round of its own
                    yield turn
                    turn = _Turn("assistant")
                turn.parts.append(part)
            elif (call := tool_part(part)) is not None and _can_be_told(call):
                turn.calls.append(call)
        if any(_is_text(part) for part in turn.parts) or turn.calls:
            yield turn


def _can_be_told(call: ToolPart) -> bool:
    return call.has_result and not call.raw.get("providerExecuted")


def _is_text(part: _Part) -> bool:
    return part.get("type") == "text" and isinstance(part.get("text"), str) and part["text"] != ""


def _is_reasoning(part: _Part) -> bool:
    return part.get("type") == "reasoning" and isinstance(part.get("text"), str)


def _is_file(part: _Part) -> bool:
    return part.get("type") == "file" and isinstance(part.get("url"), str)


def _text(parts: Iterable[_Part]) -> str:
    return "".join(part["text"] for part in parts if part["type"] == "text")


def _input(call: ToolPart) -> dict[str, Any]:
    """Return a call's input as the object that every provider wants."""
    if isinstance(call.input, dict):
        return call.input
    return {} if call.input is None else {"input": call.input}


def _result_text(call: ToolPart) -> str:
    if call.state == "output-denied":
        reason = (call.approval or {}).get("reason")
        return f"{_DENIED} {reason}" if isinstance(reason, str) and reason else _DENIED
    if call.state == "output-error":
        return call.error or "The tool failed."
    if isinstance(call.output, str):
        return call.output
    return json.dumps(call.output, ensure_ascii=False, separators=(",", ":"))


def _provider_data(part: _Part, provider: str) -> Mapping[str, Any]:
    for name in ("callProviderMetadata", "providerMetadata"):
        metadata = part.get(name)
        if isinstance(metadata, Mapping) and isinstance(metadata.get(provider), Mapping):
            found: Mapping[str, Any] = metadata[provider]
            return found
    return {}


def _media_type(part: _Part) -> str:
    kind = part.get("mediaType")
    if isinstance(kind, str) and kind:
        return kind.partition(";")[0].strip().lower()
    url: str = part["url"]
    named = url.removeprefix("data:").partition(",")[0].partition(";")[0]
    return named if url.startswith("data:") and named else "application/octet-stream"


def _filename(part: _Part) -> str:
    name = part.get("filename")
    if isinstance(name, str) and name:
        return name
    return f"file.{_BEDROCK_DOCUMENTS.get(_media_type(part), 'bin')}"


def _data(url: str) -> bytes | None:
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
    return _decoded(data, "a file's data: URL")


def _decoded(data: str, what: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as exc:
        raise HttpError(400, detail=f"{what} is not base64") from exc


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _by_url(provider: str, kind: str) -> HttpError:
    detail = f"{provider} takes a file of type {kind} as a data: URL only"
    return HttpError(400, detail=detail)
