"""What AWS allows: sizes and the bandwidth of streamed responses.

Lives here: the figures, and the token bucket. Stays out: who is limited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

__all__ = (
    "BUFFERED_LIMIT",
    "LOG_TAIL",
    "PRELUDE_LIMIT",
    "REQUEST_LIMIT",
    "STREAMED_LIMIT",
    "TRAILER_LIMIT",
    "Bandwidth",
)

# All in bytes. AWS, "Lambda quotas"; the 100 are RAPID's.
BUFFERED_LIMIT = 6 * 1024 * 1024 + 100
REQUEST_LIMIT = 6 * 1024 * 1024
STREAMED_LIMIT = 200 * 1024 * 1024
# Go's net/http, on which the service is built: a longer trailer section ends the invocation.
TRAILER_LIMIT = 4096
# API Gateway's, the one figure there is; a prelude without its delimiter must end somewhere.
PRELUDE_LIMIT = 16 * 1024
# Of X-Amz-Log-Result and InvokeComplete's LogResult.
LOG_TAIL = 4096

_BURST = 6 * 1024 * 1024
_TICK = 0.125


class Bandwidth:
    """A token bucket: 6 MiB at once, then so many bytes a second, refilled 8 times a second.

    Args:
        rate: Bytes a second; AWS has 2 MiB.
        burst: Bytes that go at once.
        now: The clock.
        sleep: Its sleep.
    """

    def __init__(
        self,
        rate: float,
        *,
        burst: float = _BURST,
        now: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._now = now
        self._sleep = sleep
        self._filled = now()

    async def spend(self, size: int) -> None:
        """Wait until ``size`` bytes may go."""
        self._left -= size
        while self._left < 0:
            await self._sleep(_TICK)
            self._refill()

    def _refill(self) -> None:
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._filled) * self._rate)
        self._filled = now
