"""What a chat front end posts: ``useChat``'s and ``useCompletion``'s requests.

Lives here: reading them tolerantly. Messages echo back what was streamed, and front ends move
faster than servers: what is not known is kept, never refused. Source: ``DefaultChatTransport`` and
the UI message types of npm ``ai``.
Stays out: what a provider wants instead (``history``); answering (``chat``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.errors import HttpError
from penstock.llm import history
from penstock.llm.ui_messages import ChatMessage, text_of

__all__ = ("ChatRequest", "parse_chat_request")

# The body's own members; the rest is the application's.
_OWN = ("id", "messages", "message", "prompt", "trigger", "messageId")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request for one more answer.

    Attributes:
        id: The chat's id; "" when the front end has none.
        messages: The chat so far, the newest last.
        trigger: ``submit-message`` or ``regenerate-message``.
        message_id: Which message is to be made anew, where there is one.
        extra: The body's other members, such as those of ``useChat``'s ``body``.
        raw: The body as it came.
    """

    id: str
    messages: tuple[ChatMessage, ...]
    trigger: str = "submit-message"
    message_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text of the user's newest message."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.text
        return ""

    def to_openai(self) -> dict[str, Any]:
        """Return ``messages`` for OpenAI's chat completions, and for servers compatible with it.

        ``client.chat.completions.create(model=…, stream=True, **request.to_openai())``. Calls of
        tools that have no result yet are left out, here and for the others: every provider
        refuses them.
        """
        return history.to_openai(self.messages)

    def to_anthropic(self) -> dict[str, Any]:
        """Return ``messages``, and ``system`` where there is one, for ``messages.create``."""
        return history.to_anthropic(self.messages)

    def to_bedrock(self) -> dict[str, Any]:
        """Return ``messages``, and ``system`` where there is one, for ``converse_stream``.

        Raises:
            HttpError: 400, when a file is given by a URL.
        """
        return history.to_bedrock(self.messages)

    def to_google(self) -> dict[str, Any]:
        """Return ``contents``, and ``config`` where there is one, for ``generate_content_stream``.

        Merge ``config`` with your own.
        """
        return history.to_google(self.messages)


def parse_chat_request(body: Any) -> ChatRequest:
    """Return what ``useChat`` or ``useCompletion`` asks for.

    Args:
        body: The request's body: bytes or str of JSON, or what they decode to.

    Raises:
        HttpError: 400, when it is no such request; it says why.
    """
    if isinstance(body, (bytes, bytearray, str)):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise HttpError(400, detail=f"the body is not JSON: {exc}") from exc
    if not isinstance(body, Mapping):
        raise HttpError(400, detail=f"the body must be a JSON object, not {_kind(body)}")
    message_id = body.get("messageId")
    return ChatRequest(
        id=text_of(body.get("id")),
        messages=_messages(body),
        trigger=text_of(body.get("trigger")) or "submit-message",
        message_id=message_id if isinstance(message_id, str) else None,
        extra={name: value for name, value in body.items() if name not in _OWN},
        raw=body,
    )


def _messages(body: Mapping[str, Any]) -> tuple[ChatMessage, ...]:
    if "messages" in body:
        messages = body["messages"]
        if not isinstance(messages, list):
            raise HttpError(400, detail=f"messages must be a list, not {_kind(messages)}")
        if not messages:
            raise HttpError(400, detail="messages is empty: there is nothing to answer")
        return tuple(_message(each, f"messages[{at}]") for at, each in enumerate(messages))
    if "message" in body:  # only the newest, by the application's own prepareSendMessagesRequest
        return (_message(body["message"], "message"),)
    if isinstance(body.get("prompt"), str):  # useCompletion
        raw = {"role": "user", "parts": [{"type": "text", "text": body["prompt"]}]}
        return (_message(raw, "prompt"),)
    raise HttpError(400, detail="the body has neither messages, nor a message, nor a prompt")


def _message(raw: Any, where: str) -> ChatMessage:
    if isinstance(raw, str):
        raw = {"role": "user", "content": raw}
    if not isinstance(raw, Mapping):
        raise HttpError(400, detail=f"{where} must be an object, not {_kind(raw)}")
    role = raw.get("role")
    if not isinstance(role, str) or not role:
        raise HttpError(400, detail=f"{where}.role must be user, assistant or system")
    parts = raw.get("parts")
    if parts is None:  # of other front ends, and of older ones
        parts = raw.get("content")
    if isinstance(parts, str):
        parts = [{"type": "text", "text": parts}]
    if parts is None:
        parts = []
    if not isinstance(parts, list):
        raise HttpError(400, detail=f"{where}.parts must be a list, not {_kind(parts)}")
    known = tuple(part for part in parts if isinstance(part, Mapping))
    return ChatMessage(role, known, text_of(raw.get("id")), raw.get("metadata"), raw)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
