"""AWS's event-stream framing, written by hand: what botocore only reads.

A frame: total length, length of the headers, their CRC, headers, payload, CRC of all before it.
"""

from __future__ import annotations

import json
import struct
from binascii import crc32
from typing import Any

__all__ = ("event", "exception")


def event(kind: str, payload: dict[str, Any]) -> bytes:
    """Return one event of a stream."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return _frame(headers, json.dumps(payload).encode())


def exception(kind: str, payload: dict[str, Any]) -> bytes:
    """Return an exception inside a stream."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return _frame(headers, json.dumps(payload).encode())


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    packed = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", 7, len(value))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    prelude += struct.pack("!I", crc32(prelude))
    whole = prelude + packed + payload
    return whole + struct.pack("!I", crc32(whole))
