"""AWS's event-stream framing: what ``InvokeWithResponseStream`` sends.

Lives here: ``application/vnd.amazon.eventstream`` messages, written. Stays out: HTTP.
"""

from __future__ import annotations

import struct
from zlib import crc32

__all__ = ("CONTENT_TYPE", "invoke_complete", "payload_chunk")

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7  # the type byte of a header's value


def payload_chunk(data: bytes) -> bytes:
    """Return a PayloadChunk message."""
    return _message("PayloadChunk", "application/octet-stream", data)


def invoke_complete(data: bytes) -> bytes:
    """Return an InvokeComplete message; ``data`` is JSON, ``{}`` when all went well."""
    return _message("InvokeComplete", "application/json", data)


def _message(event_type: str, content_type: str, payload: bytes) -> bytes:
    headers = b"".join(
        (
            _header(":event-type", event_type),
            _header(":content-type", content_type),
            _header(":message-type", "event"),
        )
    )
    # Two lengths of four bytes, their checksum, and the checksum at the end.
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    return struct.pack(f">B{len(name)}sBH", len(name), name.encode(), _STRING, len(value)) + (
        value.encode()
    )
