"""How a stream ended, in one word.

Hooks, the access log, formats and hosts all speak it.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ("Ending",)


class Ending(StrEnum):
    """How a stream ended; each is also its own lower-case word.

    Attributes:
        COMPLETED: The producer returned.
        ERROR: The producer raised.
        DISCONNECTED: The reader left.
        SHUTDOWN: The process is going away.
        DEADLINE: The host's time for this request is up.
        TIMEOUT: A total or idle timeout of ours ran out.
        OVERFLOW: The reader was too slow for its policy.
        CLOSED: Our side closed it.
        STOPPED: Somebody asked for the answer to stop.
    """

    COMPLETED = "completed"
    ERROR = "error"
    DISCONNECTED = "disconnected"
    SHUTDOWN = "shutdown"
    DEADLINE = "deadline"
    TIMEOUT = "timeout"
    OVERFLOW = "overflow"
    CLOSED = "closed"
    STOPPED = "stopped"
