"""How a stream ended, in one word.

Hooks, the access log, formats and hosts all speak it.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ("Ending",)


class Ending(StrEnum):
    """How a stream ended."""

    COMPLETED = "completed"  # the producer returned
    ERROR = "error"  # the producer raised
    DISCONNECTED = "disconnected"  # the reader left
    SHUTDOWN = "shutdown"  # the process is going away
    DEADLINE = "deadline"  # the host's time for this request is up
    TIMEOUT = "timeout"  # a total or idle timeout of ours ran out
    OVERFLOW = "overflow"  # the reader was too slow for its policy
    CLOSED = "closed"  # our side closed it
    STOPPED = "stopped"  # somebody asked for the answer to stop
