"""A handler that is called with its event, and may write, yield or return.

Lives here: its task, and the response that comes of it. Stays out: the chain around it.

The handler runs in a task of its own: until it has written or returned, nobody knows which of the
two it does; and after it has ended its stream it may go on.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from penstock.aws.mixed import MixedEncoder, written_response
from penstock.aws.replies import response_of
from penstock.aws.response_stream import ResponseStream
from penstock.core.ending import Ending
from penstock.core.format import Format
from penstock.core.head import Head
from penstock.core.options import StreamOptions
from penstock.core.producer import Feed
from penstock.core.response import Response, Streaming
from penstock.core.sink import Sink

__all__ = ("Calling",)

logger = logging.getLogger("penstock")


class Calling:
    """One call of a handler.

    Args:
        call: Calls it, given the stream that it may write to.
        format: The handler's.
        options: How its stream flows and ends.
        head: Of its stream.
        name: The handler's, for log and errors.
        returns: Whether what it returns is its answer.
    """

    def __init__(
        self,
        call: Callable[[ResponseStream], Any],
        format: Format,
        options: StreamOptions,
        head: Head,
        *,
        name: str,
        returns: bool,
    ) -> None:
        self._call, self._format, self._options, self._head = call, format, options, head
        self._name, self._returns = name, returns
        self._encoder = MixedEncoder(format)
        self.stream = ResponseStream(self._encoder, head)
        self._task: asyncio.Task[Any] | None = None

    async def response(self) -> Response:
        """Call the handler; return its response as soon as it is known.

        Raises:
            Exception: What it raised before it wrote, or that it returned what means nothing.
        """
        task = self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            await asyncio.wait([task, self.stream.begun], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._stop(task)
            raise
        if self.stream.begun.done():
            return _Written(self)
        reply = task.result()
        self.stream.close()
        if not self._returns:
            self._check_unused(reply)
            reply = None
        if reply is None:
            # It only set the head, perhaps: that leaves, with an empty body.
            return written_response(
                _Nothing(), self._format, self._encoder, self._options, self._head
            )
        return response_of(
            reply, format=self._format, options=self._options, head=self._head, name=self._name
        )

    async def produce(self, feed: Feed) -> None:
        """Be the producer of what the handler writes, until it ends that or returns."""
        assert self._task is not None
        self.stream.attach(feed)
        try:
            await asyncio.wait([self._task, self.stream.ended], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._stop(self._task)
            raise
        if self._task.done():
            self._check_unused(self._task.result())

    async def discard(self) -> None:
        """The response is not wanted: the handler is stopped."""
        if self._task is not None:
            await self._stop(self._task)

    async def finished(self) -> None:
        """Return when the handler has, after its response: what it then raises is only logged."""
        task = self._task
        if task is None:
            return
        if not task.done():
            self.stream.close()
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                await self._stop(task)
                raise
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.error("%s failed after its response", self._name, exc_info=error)
        elif not task.cancelled():
            task.exception()  # the response has told it

    async def _run(self) -> Any:
        reply = self._call(self.stream)
        return await reply if inspect.isawaitable(reply) else reply

    async def _stop(self, task: asyncio.Task[Any]) -> None:
        self.stream.close()
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed when it was stopped", self._name, exc_info=error)

    def _check_unused(self, reply: Any) -> None:
        if reply is not None:
            logger.warning(
                "%s wrote to its response stream; the %s that it returned is not sent",
                self._name,
                type(reply).__name__,
            )


class _Written(Streaming):
    """The response of a handler that writes it."""

    __slots__ = ("_calling",)

    def __init__(self, calling: Calling) -> None:
        made = written_response(
            calling, calling._format, calling._encoder, calling._options, calling._head
        )
        super().__init__(calling, made.format, made.options, made.head, end_mark=False)
        self._calling = calling

    async def send(self, sink: Sink, *, head_only: bool = False) -> Ending:
        try:
            return await super().send(sink, head_only=head_only)
        finally:
            await self._calling.finished()


class _Nothing:
    """A producer of nothing."""

    async def produce(self, feed: Feed) -> None:
        """There is nothing."""

    async def discard(self) -> None:
        """There is nothing."""
