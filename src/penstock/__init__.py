"""penstock: write one async generator, stream it anywhere.

    from penstock import Context, Event, endpoint

    @endpoint(format="sse")
    async def ticks(ctx: Context):
        for i in range(3):
            yield Event({"i": i}, event="tick")

    app = ticks          # an ASGI app
    wsgi = ticks.wsgi    # a WSGI app

Importing this module loads nothing else: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penstock._version import __version__

if TYPE_CHECKING:
    from penstock._sessions import create_response, create_session
    from penstock.app.channel import Channel
    from penstock.app.context import Context
    from penstock.app.endpoint import Endpoint, endpoint
    from penstock.app.middleware import access_log, request_id, time_limit
    from penstock.app.stream import Stream
    from penstock.core.ending import Ending
    from penstock.core.event_buffer import EventBuffer
    from penstock.core.head import Head
    from penstock.core.producer import Emit
    from penstock.core.request import Request
    from penstock.core.response import Response
    from penstock.core.resume import Resumable, Run
    from penstock.core.session import Session
    from penstock.core.shutdown import shutdown
    from penstock.errors import (
        AlreadyRunning,
        BodyNotAllowed,
        ClientDisconnected,
        ConfigurationError,
        CursorGone,
        ExtraNotInstalled,
        HeadAlreadySent,
        HttpError,
        InvalidField,
        InvalidOption,
        LineTooLong,
        LogClosed,
        LogFull,
        LogUnavailable,
        NotSerializable,
        Overflow,
        PeerError,
        Problem,
        StaleFence,
        StreamClosed,
        StreamError,
        TransportError,
        UnsupportedItem,
        UsageError,
    )
    from penstock.event import Event, ServerSentEvent
    from penstock.formats import (
        Ndjson,
        NdjsonDecoder,
        Sse,
        SseDecoder,
        Text,
        format_ndjson,
        format_sse,
    )
    from penstock.formats.openai_chunks import OpenAIChunks
    from penstock.formats.ui_message_stream import UiMessageStream

_EXPORTS = {
    "AlreadyRunning": "penstock.errors",
    "BodyNotAllowed": "penstock.errors",
    "Channel": "penstock.app.channel",
    "ClientDisconnected": "penstock.errors",
    "ConfigurationError": "penstock.errors",
    "Context": "penstock.app.context",
    "CursorGone": "penstock.errors",
    "Emit": "penstock.core.producer",
    "Ending": "penstock.core.ending",
    "Endpoint": "penstock.app.endpoint",
    "Event": "penstock.event",
    "EventBuffer": "penstock.core.event_buffer",
    "ExtraNotInstalled": "penstock.errors",
    "Head": "penstock.core.head",
    "HeadAlreadySent": "penstock.errors",
    "HttpError": "penstock.errors",
    "InvalidField": "penstock.errors",
    "InvalidOption": "penstock.errors",
    "LineTooLong": "penstock.errors",
    "LogClosed": "penstock.errors",
    "LogFull": "penstock.errors",
    "LogUnavailable": "penstock.errors",
    "Ndjson": "penstock.formats",
    "NdjsonDecoder": "penstock.formats",
    "NotSerializable": "penstock.errors",
    "OpenAIChunks": "penstock.formats.openai_chunks",
    "Overflow": "penstock.errors",
    "PeerError": "penstock.errors",
    "Problem": "penstock.errors",
    "Request": "penstock.core.request",
    "Response": "penstock.core.response",
    "Resumable": "penstock.core.resume",
    "Run": "penstock.core.resume",
    "ServerSentEvent": "penstock.event",
    "Session": "penstock.core.session",
    "Sse": "penstock.formats",
    "SseDecoder": "penstock.formats",
    "StaleFence": "penstock.errors",
    "Stream": "penstock.app.stream",
    "StreamClosed": "penstock.errors",
    "StreamError": "penstock.errors",
    "Text": "penstock.formats",
    "TransportError": "penstock.errors",
    "UiMessageStream": "penstock.formats.ui_message_stream",
    "UnsupportedItem": "penstock.errors",
    "UsageError": "penstock.errors",
    "access_log": "penstock.app.middleware",
    "create_response": "penstock._sessions",
    "create_session": "penstock._sessions",
    "endpoint": "penstock.app.endpoint",
    "format_ndjson": "penstock.formats",
    "format_sse": "penstock.formats",
    "request_id": "penstock.app.middleware",
    "shutdown": "penstock.core.shutdown",
    "time_limit": "penstock.app.middleware",
}

__all__ = (
    "AlreadyRunning",
    "BodyNotAllowed",
    "Channel",
    "ClientDisconnected",
    "ConfigurationError",
    "Context",
    "CursorGone",
    "Emit",
    "Ending",
    "Endpoint",
    "Event",
    "EventBuffer",
    "ExtraNotInstalled",
    "Head",
    "HeadAlreadySent",
    "HttpError",
    "InvalidField",
    "InvalidOption",
    "LineTooLong",
    "LogClosed",
    "LogFull",
    "LogUnavailable",
    "Ndjson",
    "NdjsonDecoder",
    "NotSerializable",
    "OpenAIChunks",
    "Overflow",
    "PeerError",
    "Problem",
    "Request",
    "Response",
    "Resumable",
    "Run",
    "ServerSentEvent",
    "Session",
    "Sse",
    "SseDecoder",
    "StaleFence",
    "Stream",
    "StreamClosed",
    "StreamError",
    "Text",
    "TransportError",
    "UiMessageStream",
    "UnsupportedItem",
    "UsageError",
    "__version__",
    "access_log",
    "create_response",
    "create_session",
    "endpoint",
    "format_ndjson",
    "format_sse",
    "request_id",
    "shutdown",
    "time_limit",
)


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
