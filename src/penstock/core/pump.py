"""The pump: carries what a producer makes to a sink, and knows how it ended.

Lives here: the producer's task, the writer, the commit, keep-alives, timeouts, and every way a
stream can end. Stays out: ASGI, HTTP, formats' grammar, what a source is.

Producer and writer have a task each and one bounded ``Outbox`` between them: what happens to the
host's task, which only waits, cuts neither a cleanup nor the last words short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from time import monotonic
from typing import Any

from penstock.clock import current_clock
from penstock.core.ending import Ending
from penstock.core.format import Encoder
from penstock.core.goodbye import error_words, goodbye_error, last_words
from penstock.core.head import Head
from penstock.core.options import StreamOptions
from penstock.core.outbox import TURN_EVENTS, TURN_SECONDS, Outbox
from penstock.core.problem import problem_of, report
from penstock.core.producer import Capacity, Producer, run_producer
from penstock.core.request import Request
from penstock.core.settle import settle
from penstock.core.shutdown import GRACE, enroll, withdraw
from penstock.core.sink import Sink, Stats
from penstock.core.timers import Timers
from penstock.errors import BodyNotAllowed, ClientDisconnected, StreamClosed, StreamError

__all__ = ("Pump",)


class Pump:
    """One stream, from its start to its ending.

    Args:
        head: What is committed before the first byte.
        encoder: Turns items into bytes.
        sink: Where they go.
        options: How it flows and ends.
        around: Context managers entered in the producer's task around everything.
        request: Which it answers, for the log.
    """

    __slots__ = (
        "_around",
        "_began",
        "_breaking_off",
        "_clock",
        "_committed",
        "_error",
        "_notes",
        "_opened",
        "_options",
        "_over",
        "_producer",
        "_request",
        "_sink",
        "_sink_error",
        "_timers",
        "_writer",
        "_writing",
        "_written",
        "encoder",
        "ending",
        "head",
        "last_item",
        "last_write",
        "outbox",
        "started",
        "stats",
    )

    def __init__(
        self,
        head: Head,
        encoder: Encoder,
        sink: Sink,
        options: StreamOptions,
        around: Sequence[AbstractAsyncContextManager[Any]] = (),
        request: Request | None = None,
    ) -> None:
        self.head, self.encoder, self._request = head, encoder, request
        self.outbox = Outbox()
        self._committed = head.is_committed
        self._notes = 0  # of what waits in the outbox
        self.ending: Ending | None = None
        self.stats = Stats()
        self._sink, self._options, self._around = sink, options, around
        self._clock = options.clock or current_clock()
        self._producer: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._over: asyncio.Future[None] | None = None  # the writer has finished
        self._sink_error: Exception | None = None
        self._error: BaseException | None = None
        self.started = self._opened = self._writing = self._written = self._breaking_off = False
        self._timers = Timers(self, options, self._clock)
        self._began = self.last_write = self.last_item = self._clock.now()

    # --- the producer's side

    def put(self, item: Any) -> bool:
        """Take one item; return whether the producer owes the loop a turn.

        Raises:
            StreamClosed: The stream has ended.
            BodyNotAllowed: The head's status forbids a body.
            UnsupportedItem, NotSerializable, InvalidField: The item has no bytes on this wire.
        """
        if self.ending is not None:
            raise StreamClosed(f"this stream has ended: {self.ending}")
        data = self.encoder.item(item)
        outbox = self.outbox
        if not data:
            return outbox.owes_turn
        pending = outbox.pending
        if not pending:  # the writer is to be woken
            return outbox.put(data if self._committed else self._commit_with(data))
        # Its put() and owes_turn, in line: in a burst every call per event counts.
        pending.append(data)
        size = outbox.size = outbox.size + len(data)
        return (
            len(pending) >= TURN_EVENTS
            or size >= outbox.max_bytes
            or monotonic() - outbox.turn_began > TURN_SECONDS
        )

    def put_unasked(self, item: Any) -> Capacity:
        """Take one item from a caller that may or may not wait; return what it may await.

        Raises:
            Overflow: The bound is reached and earlier calls were not awaited.
            StreamClosed: The stream has ended.
        """
        if self.ending is not None:
            raise StreamClosed(f"this stream has ended: {self.ending}")
        data = self.encoder.item(item)
        if data:
            if not self._committed:
                data = self._commit_with(data)
            self.outbox.put_unasked(data)
        return Capacity(self.outbox)

    def commit(self) -> None:
        """Let the head leave now, before there is an item."""
        if self._committed or self.ending is not None:
            return
        # Some servers hold the head until a byte of the body: a comment, where there is one.
        note = self.encoder.control("open") if self.head.allows_body else b""
        self._note(note + self._commit())

    def _commit(self) -> bytes:
        """Freeze the head; return what stands before everything else."""
        self._committed = True
        self.head.commit()
        return self.encoder.open() if self.head.allows_body else b""

    def _commit_with(self, data: bytes) -> bytes:
        """Freeze the head for the first item's sake."""
        if not self.head.allows_body:
            raise BodyNotAllowed(self.head.status)
        return self._commit() + data

    def _note(self, data: bytes) -> None:
        """Put what is no item of the producer's."""
        self._notes += 1
        self.outbox.put(data)

    # --- running

    async def run(self, producer: Producer, context: Context) -> Ending:
        """Carry everything ``producer`` makes to the sink; return how it ended.

        ``producer`` runs in ``context``, in a task of its own. When this returns or raises, it
        has finished, or had ``cleanup_timeout`` seconds to.

        Raises:
            Exception: The producer's own error, while the head was not committed, or with
                ``throw``.
            asyncio.CancelledError: The host cancelled us; the producer was stopped first.
        """
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        enroll(self)
        self._sink.watch(self._left)  # before the producer: a reader already gone starts nothing
        # Named, and all alike: a name made up for each task is one string more for each.
        self._producer = loop.create_task(
            run_producer(producer, self._around, self), name="penstock producer", context=context
        )
        self._writer = loop.create_task(self._write(loop), name="penstock writer")
        self._timers.arm(self._began)
        if self._options.commit == "start":
            self.commit()
        try:
            await self._over
        except asyncio.CancelledError:
            # Without word that the reader left, it is shutting down.
            self.stop(Ending.SHUTDOWN)
            await settle(self._writer, 2 * GRACE, "writing the last words", self._clock)
            raise
        finally:
            self._timers.cancel()
            withdraw(self)
            try:
                await self._settle(producer)
            finally:
                self._sink.unwatch()
        return self._conclude()

    def _conclude(self) -> Ending:
        ending = self.ending or Ending.COMPLETED
        if self._sink_error is not None:
            raise self._sink_error
        error = self._error
        if error is not None:
            if isinstance(error, asyncio.CancelledError):
                # The source's own: raised as it is, the host would take it for one of its own.
                raise StreamError("something cancelled the source from inside") from error
            raise error
        return ending

    async def _write(self, loop: asyncio.AbstractEventLoop) -> None:  # noqa: C901 (one frame)
        """The writer: a task of its own, so that its steps cost the same on every host."""
        outbox, sink, stats, now = self.outbox, self._sink, self.stats, self._clock.now
        pending = outbox.pending
        self._writing = True
        try:
            while True:
                if not pending and not outbox.ended:
                    outbox.writer = loop.create_future()
                    await outbox.writer
                ended = outbox.ended  # then nothing follows what is taken now
                if not self._opened:
                    if not self._committed:
                        return  # it failed before the commit: the host renders it
                    self._opened = True
                    await sink.open(self.head)
                count = outbox.taken = len(pending)
                data = pending[0] if count == 1 else b"".join(pending)
                pending.clear()
                items, self._notes = count - self._notes, 0
                final = ended and not self._breaking_off
                if data or final:
                    await sink.write(data, not final)
                    self.last_write = now()
                    if items:
                        self.last_item = self.last_write
                        stats.events += items
                    if data:
                        stats.bytes += len(data)
                        if stats.first_byte is None:
                            stats.first_byte = self.last_write - self._began
                if outbox.taken:  # else it was discarded meanwhile
                    outbox.taken = 0
                    outbox.size -= len(data)
                    if outbox.room:
                        outbox.make_room()
                        if not ended:
                            await asyncio.sleep(0)  # their turn comes first: no wake-up for it
                data = b""  # or an idle stream holds what it wrote last
                if ended:
                    self._written = True  # now: hosts report a departure as soon as all is sent
                    return
        except ClientDisconnected:
            self._left()
        except asyncio.CancelledError:
            pass  # ours: the reader left, or takes nothing at a shutdown
        except Exception as exc:  # the host's: it is given back to it
            self._sink_error = exc
            self.stop(Ending.ERROR)
        finally:
            self._writer_finished()

    def _writer_finished(self) -> None:
        self._written = True
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def _settle(self, producer: Producer) -> None:
        task = self._producer
        assert task is not None
        self.outbox.discard()  # nothing is written any more; whoever waits for that goes on
        if self.ending is None:
            self.stop(Ending.CLOSED)
        timeout = self._options.cleanup_timeout
        await settle(task, timeout, "the producer's cleanup", self._clock)
        if not self.started:
            cleanup = asyncio.create_task(producer.discard())
            await settle(cleanup, timeout, "closing the unopened source", self._clock)

    # --- the ways to end

    def _end(self, ending: Ending) -> None:
        """End in good order, after what was put; with an error where the wire has no other."""
        if self.ending is not None:
            return
        words = last_words(self.encoder, ending) if self.head.allows_body else b""
        if words is None:
            self.ending = ending
            self._put_error(goodbye_error(ending))
        else:
            if not self._committed:
                words = self._commit() + words
            self.ending = ending
            if words:
                self._note(words)
        self.outbox.end()

    def complete(self) -> None:
        """The producer has returned."""
        self._end(Ending.COMPLETED)

    def fail(self, error: BaseException) -> None:
        """The producer raised: one error event, or the head's own status."""
        if error is self._error:
            return
        if self.ending is not None:
            if not isinstance(error, StreamClosed):
                report(error, "the producer's cleanup failed", self._request)
            return
        self.ending = Ending.ERROR
        if self._committed and self._options.throw:
            self._error, self._breaking_off = error, True
        else:
            self._put_error(error)
            if self._error is None:  # else it is raised to the host
                report(error, "a stream failed", self._request)
        self.outbox.end()

    def _put_error(self, error: BaseException) -> None:
        """Write ``error`` in the stream's form; before the commit it is the host's to render."""
        if not self._committed:
            self._error = error
            return
        words = error_words(self.encoder, problem_of(error, self._options.scrub), self._request)
        if words is None:
            self._breaking_off = True
            if self._options.raise_cuts:
                self._error = error
        else:
            self._note(words)

    def stop(self, ending: Ending) -> None:
        """End the stream from outside: the producer is cancelled, its cleanup runs.

        The first word wins; later ones are ignored.
        """
        if self.ending is not None:
            return
        if ending is Ending.DISCONNECTED:
            self.ending = ending
            self._stop_writing()
        elif ending is Ending.ERROR:
            self.ending = ending
        else:
            self._end(ending)
            self._timers.grace(drain=False)  # a reader that takes nothing does not hold it up
        if self._producer is not None:
            self._producer.cancel()

    def _left(self) -> None:
        if self.ending is None:
            self.stop(Ending.DISCONNECTED)
        elif not self._written:  # it had ended, but not for this reader
            self.ending = Ending.DISCONNECTED
            self._stop_writing()

    def _stop_writing(self) -> None:
        self.outbox.discard()
        self.outbox.end()
        if self._writer is not None:  # it may be waiting for the reader that has left
            self._writer.cancel()
            if not self._writing:
                self._writer_finished()  # cancelled before its first step, it never runs

    def shut_down(self) -> None:
        """The process is going away: end within the grace (``Stoppable``)."""
        if self._options.on_shutdown == "drain":
            self._timers.grace(drain=True)
        else:
            self.stop(Ending.SHUTDOWN)

    def abort(self) -> None:
        """Break off a reader that takes nothing, or the process would never end (``Timed``)."""
        self.stop(Ending.SHUTDOWN)
        if not self._written:
            self._breaking_off = True
            self._stop_writing()

    def keep_alive(self) -> None:
        """Write something that readers ignore, unless they have enough to read (``Timed``)."""
        if self.ending is None and self.head.allows_body and self.outbox.is_idle:
            data = self.encoder.keep_alive()
            self._note(data if self._committed else data + self._commit())
            self.stats.keep_alives += 1
