"""Types that several rooms share.

Source: the ASGI specification, "HTTP & WebSocket ASGI Message Format".
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeAlias, Union

__all__ = (
    "ASGIApp",
    "HeaderValue",
    "HeaderValues",
    "Message",
    "MessageId",
    "OnError",
    "Receive",
    "Scope",
    "Send",
    "Serializer",
    "Source",
)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# Given headers: one value, several, or None, which removes a default.
HeaderValue: TypeAlias = str | Sequence[str] | None
HeaderValues: TypeAlias = Mapping[str, HeaderValue]

# Any value to text; bytes must be UTF-8.
Serializer: TypeAlias = Callable[[Any], str | bytes]

# A message's id, or what makes one for each stream.
MessageId: TypeAlias = str | Callable[[], str]

# An exception to the text that a reader is shown of it.
OnError: TypeAlias = Callable[[BaseException], str]

# What a stream can be made of; it is opened inside the stream's own task.
Source: TypeAlias = Union[
    AsyncIterable[Any],
    Iterable[Any],
    Awaitable["Source"],
    AbstractAsyncContextManager["Source"],
    AbstractContextManager["Source"],
    Callable[[], "Source"],
]
