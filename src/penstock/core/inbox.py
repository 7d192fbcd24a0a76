"""What comes in: the request's body, and the news that the reader has left.

Lives here: the one owner of ASGI's ``receive``. Body readers and the disconnect watch share it,
since a message can be received only once.

Source: ASGI HTTP specification, "Request - receive event" and "Disconnect - receive event".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from penstock.errors import ClientDisconnected
from penstock.types import Message, Receive

__all__ = ("Inbox",)

logger = logging.getLogger("penstock")

# Unread body that the watch may take in; past it, it stops pulling until somebody reads.
_MAX_UNREAD = 64 * 1024


class Inbox:
    """Owns ``receive`` for one request.

    Args:
        receive: ASGI's ``receive`` of this request.
    """

    __slots__ = (
        "_complete",
        "_left",
        "_news",
        "_pieces",
        "_pulling",
        "_receive",
        "_unread",
        "_watcher",
        "is_gone",
    )

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._pieces: list[bytes] | None = None  # few: the bound on what is unread sees to that
        self._unread = 0
        self._complete = False
        self._pulling = False
        self._news: list[asyncio.Future[None]] | None = None  # who waits for a change
        self._watcher: asyncio.Task[None] | None = None
        self._left: Callable[[], object] | None = None
        self.is_gone = False

    async def read(self) -> bytes | None:
        """Return the next piece of the body, or None when it is complete.

        Raises:
            ClientDisconnected: The reader left before the body was complete.
        """
        while not self._pieces:
            if self._complete:
                return None
            if self.is_gone:
                raise ClientDisconnected("the client left before its request was complete")
            if self._pulling or self._watcher is not None:
                await self._change()
            else:
                await self._pull()
        piece = self._pieces.pop(0)
        self._unread -= len(piece)
        if self._watcher is not None:
            self._announce()  # the watch may go on pulling
        return piece

    def watch(self, left: Callable[[], object]) -> None:
        """Call ``left`` as soon as the reader is gone, until ``unwatch()``."""
        self._left = left
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(
                self._watch(), name="penstock watch"
            )

    def unwatch(self) -> None:
        """Stop watching."""
        self._left = None
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _watch(self) -> None:
        while not self.is_gone:
            if self._pulling or self._unread > _MAX_UNREAD:
                await self._change()
                continue
            self._pulling, was_complete = True, self._complete
            try:  # _pull(), in line: thousands of these wait here
                self._take(await self._receive())
            except Exception:
                if was_complete:
                    logger.warning(
                        "receive() failed: nobody tells when this reader leaves", exc_info=True
                    )
                    return
                # A host that cannot say what comes in cannot say that anybody is there.
                logger.warning("receive() failed; taking the reader for gone", exc_info=True)
                self.is_gone = True
            finally:
                self._pulling = False
                self._announce()
            if was_complete and not self.is_gone:
                return  # a host that repeats itself instead of waiting: it never lets the loop run
        if self._left is not None:
            self._left()

    async def _pull(self) -> None:
        self._pulling = True
        try:
            self._take(await self._receive())
        finally:
            self._pulling = False
            self._announce()

    def _take(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self.is_gone = True
        elif message["type"] == "http.request":
            piece = message.get("body", b"")
            if piece:
                if self._pieces is None:
                    self._pieces = []
                self._pieces.append(piece)
                self._unread += len(piece)
            self._complete = not message.get("more_body", False)

    async def _change(self) -> None:
        news = asyncio.get_running_loop().create_future()
        if self._news is None:
            self._news = []
        self._news.append(news)
        await news

    def _announce(self) -> None:
        news, self._news = self._news, None
        for waiter in news or ():
            if not waiter.done():
                waiter.set_result(None)
