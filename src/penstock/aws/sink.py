"""Where a whole stream goes that is written to a handler's response stream.

Lives here: its sink. Stays out: sources (``piping.py``), the response stream itself.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock.aws.response_stream import ResponseStream
from penstock.core.head import Head

__all__ = ("LambdaSink",)


class LambdaSink:
    """The ``Sink`` of a stream that is written to a response stream.

    Args:
        stream: The handler's.
    """

    def __init__(self, stream: ResponseStream) -> None:
        self._stream = stream

    async def open(self, head: Head) -> None:
        self._stream.absorb(head)

    async def write(self, data: bytes, more: bool) -> None:
        if data:
            await self._stream.write(data)

    def watch(self, left: Callable[[], object]) -> None:
        """Lambda does not tell when a reader leaves."""

    def unwatch(self) -> None:
        """Nobody was watched."""
