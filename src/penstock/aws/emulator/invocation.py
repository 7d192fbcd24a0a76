"""One invocation, as the service sees it.

Lives here: its identity, its deadline, its reply, and where it stands. Stays out: who runs it.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections import deque
from typing import Literal, TypeAlias

from penstock.aws.emulator.limits import LOG_TAIL
from penstock.aws.emulator.reply import Reply

__all__ = ("Invocation", "Phase")

# Phases on the Runtime API: waiting for a runtime, given to one, being answered, answered.
Phase: TypeAlias = Literal["waiting", "running", "responding", "answered"]


class Invocation:
    """One call of the function.

    Args:
        payload: The event, JSON.
        streamed: Whether the caller takes it as a stream; else it is joined, up to 6 MB.
        client_context: JSON, handed to the function as it is.
        tenant_id: Handed to the function as it is.
        trace_id: X-Ray's header; one is made without it.
        label: For the log: what was asked for.
    """

    def __init__(
        self,
        payload: bytes,
        *,
        streamed: bool,
        client_context: str | None = None,
        tenant_id: str | None = None,
        trace_id: str | None = None,
        label: str = "invoke",
    ) -> None:
        self.id = str(uuid.uuid4())
        self.echo = str(uuid.uuid4())  # Lambda-Runtime-Invocation-Id
        self.payload = payload
        self.streamed = streamed
        self.client_context = client_context
        self.tenant_id = tenant_id
        self.trace_id = trace_id or _new_trace_id()
        self.label = label
        self.phase: Phase = "waiting"
        self.reply = Reply()
        self.deadline = 0.0  # seconds since the epoch; set when a runtime is ready for it
        self.is_reported = asyncio.Event()  # its REPORT line is in the log
        self._tail: deque[bytes] = deque()
        self._tail_size = 0

    def log(self, line: str) -> None:
        """Keep ``line`` for the caller who asked for the end of the log."""
        data = line.encode() + b"\n"
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= LOG_TAIL:
            self._tail_size -= len(self._tail.popleft())

    @property
    def log_tail(self) -> bytes:
        """The last 4 KB of the log."""
        return b"".join(self._tail)[-LOG_TAIL:]


def _new_trace_id() -> str:
    root = f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"
    return f"Root={root};Parent={os.urandom(8).hex()};Sampled=0"
