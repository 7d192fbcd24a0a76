"""What a function answers, on its way from the Runtime API to whoever invoked it.

Lives here: ``Reply``, a pipe of one piece: the function's side waits until the caller's side has
passed a piece on, which is how a slow caller is felt in the function's own socket. Stays out:
sockets, processes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

__all__ = ("Failure", "Gone", "Head", "Reply")


class Gone(Exception):
    """The invocation has ended: nobody takes what the function still sends."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How an invocation failed.

    Attributes:
        type: AWS's error type, such as ``Runtime.ExitError``, or the function's own.
        body: The error as JSON: errorType, errorMessage, stackTrace.
    """

    type: str
    body: bytes

    @classmethod
    def of(cls, type_: str, message: str) -> Failure:
        """Return a failure that the service itself reports."""
        return cls(type_, json.dumps({"errorType": type_, "errorMessage": message}).encode())

    @property
    def message(self) -> str:
        """The errorMessage of the body; the body as text when it is not such an object."""
        try:
            return str(json.loads(self.body)["errorMessage"])
        except (ValueError, KeyError, TypeError):
            return self.body.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Head:
    """What is known before the first byte.

    Attributes:
        content_type: Of the function's POST.
        streamed: It was posted in streaming mode.
    """

    content_type: str
    streamed: bool


class Reply:
    """The function's answer. Ends once, by ``end``; what comes later is ``Gone``.

    Attributes:
        head: None until the answer has begun.
        failure: Why it ended; None when it ended well, or not yet.
        size: Bytes that the function has sent.
    """

    def __init__(self) -> None:
        self.head: Head | None = None
        self.failure: Failure | None = None
        self.size = 0
        self._piece = b""
        self._ended = False
        self._abandoned = False
        self._taken = False  # the caller has seen the end
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def is_ended(self) -> bool:
        return self._ended

    def start(self, head: Head) -> None:
        """Say that the answer begins.

        Raises:
            Gone: It has ended.
        """
        if self._ended:
            raise Gone
        self.head = head
        self._wake()

    async def put(self, piece: bytes) -> None:
        """Hand a piece on; returns when it has been passed on whole.

        Raises:
            Gone: The invocation ended meanwhile.
        """
        if self._ended:
            raise Gone
        self.size += len(piece)
        if not piece or self._abandoned:
            return
        self._piece = piece
        self._wake()
        await self._until(lambda: not self._piece or self._abandoned or self._ended)
        if self._ended:
            raise Gone

    def end(self, failure: Failure | None = None) -> bool:
        """End the answer; False when it had ended already."""
        if self._ended:
            return False
        self._ended = True
        self.failure = failure
        self._wake()
        return True

    async def drained(self) -> None:
        """Wait until the caller's side has taken everything, or has left."""
        await self._until(lambda: self._taken or self._abandoned)

    async def begun(self) -> Head | None:
        """Wait for the head; None when the invocation failed before it."""
        await self._until(lambda: self.head is not None or self._ended)
        return self.head

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield what the function sends; asking for the next says that the last was passed on."""
        while True:
            await self._until(lambda: bool(self._piece) or self._ended)
            if not self._piece:
                break
            yield self._piece
            self._piece = b""
            self._wake()
        self._taken = True
        self._wake()

    async def read(self) -> bytes:
        """Return all of it."""
        return b"".join([piece async for piece in self.pieces()])

    def abandon(self) -> None:
        """The caller has left. The function is not told, as on AWS: it runs on, into nothing."""
        self._abandoned = True
        self._wake()

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
