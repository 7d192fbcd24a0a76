"""Resumable answers: the producer outlives the connection.

Lives here: starting an answer under a key, joining or replacing one that runs, stopping it from
any process. Stays out: running it (``production.py``), reading it (``replay.py``), HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Literal

from penstock.clock import Clock
from penstock.core.ending import Ending
from penstock.core.log import EventLog, Fence, Keep
from penstock.core.options import check_seconds
from penstock.core.problem import Scrub
from penstock.core.production import Production, RunOptions, stop_key, stream_key
from penstock.core.replay import Following, read_run
from penstock.core.source import check_source, discard
from penstock.errors import AlreadyRunning, InvalidOption
from penstock.types import Source

__all__ = ("Resumable", "Run")

logger = logging.getLogger("penstock")

# Orders to one producer that are kept, and for how long, in seconds: it needs one.
_ORDERS = Keep(max_events=4, ttl=600.0)

# Seconds between two looks at a run that is about to give its claim back.
_MOMENT = 0.01


class Run:
    """One answer that was started, here or elsewhere.

    Attributes:
        key: What it was started under.
        id: Its own name, that no other run has.
        number: How many runs the key has had, this one included.
        is_owner: Whether this call of ``start`` began it; False: it joined one that runs.
    """

    __slots__ = ("_answers", "id", "is_owner", "key", "number")

    def __init__(
        self, answers: Resumable, key: str, id: str, number: int, *, is_owner: bool
    ) -> None:
        self._answers = answers
        self.key, self.id, self.number, self.is_owner = key, id, number, is_owner

    def __repr__(self) -> str:
        return f"<Run {self.number} of {self.key!r}: {self.id}>"

    def follow(self, after: str | None = None) -> Following:
        """Return this run as a source, whether it still runs or has ended."""
        return Following(self._answers.log, self._answers.options, self.key, after or None, self.id)

    async def wait(self) -> Ending:
        """Return how the run has ended, once it has."""
        answers = self._answers
        await answers._settled(self.id)
        ending = await answers.log.ending(stream_key(self.key, self.id))
        if ending is not None:
            return Ending(ending)
        async for entry in read_run(answers.log, answers.options, self.key, self.id, None):
            ending = entry.ending
        return Ending(ending or Ending.ERROR)

    async def stop(self) -> bool:
        """Stop this run; return whether it ran (``Resumable.stop``)."""
        return await self._answers._stop(self.key, self.id)


class Resumable:
    """Answers whose producer outlives the connection, kept in a log.

    One answer runs per key, in whichever process started it. Its items go to the log; readers
    follow it from there, in every process that shares the log, leave, and come back.

    Args:
        log: Where the items go: a ``MemoryLog``, ``SqliteLog`` or ``RedisLog``.
        max_events: Items that one answer may have. Past it the answer fails: it is never trimmed.
        ttl: Seconds after its last item, or its end, at which an answer is forgotten.
        lease: Seconds after which a producer that shows no sign of life is taken for dead, and
            its readers are told so.
        scrub: Decides what of an error readers are shown; None: 4xx details are, 5xx are not.
        cleanup_timeout: Seconds that a stopped producer's cleanup may take.
        clock: Where time comes from; None: the clock in force where an answer is started.

    Raises:
        InvalidOption: A value that an option cannot take.

    Example:
        ``run = await answers.start("chat-42", lambda: model_stream())``
    """

    def __init__(
        self,
        log: EventLog,
        *,
        max_events: int = 100_000,
        ttl: float = 3600.0,
        lease: float = 10.0,
        scrub: Scrub | None = None,
        cleanup_timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        check_seconds("lease", lease)
        check_seconds("cleanup_timeout", cleanup_timeout)
        if not hasattr(log, "append") or not hasattr(log, "claim"):
            raise InvalidOption("log", log, "a MemoryLog, SqliteLog or RedisLog")
        self.log = log
        self.options = RunOptions(
            keep=Keep(max_events=max_events, trim=False, ttl=ttl),
            lease=lease,
            scrub=scrub,
            cleanup_timeout=cleanup_timeout,
            clock=clock,
        )
        self._here: dict[str, Production] = {}  # what runs in this process, by its key
        self._tasks: dict[asyncio.Task[None], Production] = {}  # strong references

    async def start(
        self,
        key: str,
        source: Source,
        *,
        on_running: Literal["join", "replace", "error"] = "join",
    ) -> Run:
        """Start an answer, apart from whoever is connected; return it once it is claimed.

        Of several that start a key at once, in whichever processes, one wins.

        Args:
            key: What the answer is found under, such as a chat's id.
            source: What makes the items; best a zero-argument callable, which is not called when
                another answer runs.
            on_running: What to do when one runs already: "join" follows that one, "replace" stops
                it, "error" raises.

        Raises:
            AlreadyRunning: With "error".
            TypeError: ``source`` can never be one.
            InvalidOption: An unknown ``on_running``.
            LogUnavailable: The log does not answer.
        """
        check_source(source)
        if on_running not in ("join", "replace", "error"):
            raise InvalidOption("on_running", on_running, '"join", "replace" or "error"')
        if not isinstance(key, str) or not key:
            raise InvalidOption("key", key, "a str that is not empty")
        while True:
            displaced = await self._running(key) if on_running == "replace" else None
            fence = await self.log.claim(
                key, lease=self.options.lease, takeover=on_running == "replace"
            )
            if fence is not None:
                if displaced is not None:
                    await self._order_stop(key, displaced)
                return self._begin(fence, source)
            running = await self._join(key)
            if running is not None:
                await discard(source)
                if on_running == "error":
                    raise AlreadyRunning(key)
                return running
            await asyncio.sleep(_MOMENT)  # it has ended, and gives its claim back

    def follow(self, key: str, after: str | None = None) -> Following:
        """Return the answer under ``key`` as a source: what is held of it, then what comes.

        It is a source at once; whether anything runs is asked when it is read: a stream of it
        is answered 204 then. ``await answers.follow(key)`` is the same, or None where nothing runs.

        An answer that this process started and that has not ended when ``follow`` is called is
        followed to its end, also if it has ended when the reading begins.

        Args:
            key: What it was started under.
            after: The reader's cursor, its ``Last-Event-ID``; None or "": from the start.
        """
        here = self._here.get(key)
        token = here.fence.token if here is not None and here.ending is None else None
        return Following(self.log, self.options, key, after, token)

    async def running(self, key: str) -> Run | None:
        """Return the answer that runs under ``key`` now, in any process."""
        return await self._join(key)

    async def stop(self, key: str) -> bool:
        """Stop the answer under ``key``, in whichever process it runs; return whether one ran.

        The producer is cancelled, and this returns once its readers are told. It does not wait
        longer for one that does not obey than its cleanup may take.
        """
        token = await self._running(key)
        return token is not None and await self._stop(key, token)

    async def aclose(self) -> None:
        """Stop what this event loop produces: its readers are told of a shutdown."""
        loop = asyncio.get_running_loop()
        tasks = {task: each for task, each in self._tasks.items() if each.loop is loop}
        for production in tasks.values():
            production.stop(Ending.SHUTDOWN)
        if tasks:
            await asyncio.wait(tasks)

    # --- parts

    def _begin(self, fence: Fence, source: Source) -> Run:
        production = Production(self.log, fence, source, self.options)
        task = asyncio.create_task(production.run(), name="penstock answer")
        self._here[fence.key], self._tasks[task] = production, production
        task.add_done_callback(self._ended)
        return Run(self, fence.key, fence.token, fence.run, is_owner=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        production = self._tasks.pop(task)
        key = production.fence.key
        if self._here.get(key) is production:
            del self._here[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the answer %r could not be ended", key, exc_info=error)

    async def _settled(self, token: str) -> None:
        """Return once a run of this event loop is over; at once for any other."""
        loop = asyncio.get_running_loop()
        for task, production in list(self._tasks.items()):
            if production.fence.token == token and production.loop is loop:
                await asyncio.wait([task])

    async def _running(self, key: str) -> str | None:
        claim = await self.log.claimed(key)
        return claim.token if claim is not None and claim.is_held else None

    async def _join(self, key: str) -> Run | None:
        claim = await self.log.claimed(key)
        if claim is None or not claim.is_held:
            return None
        if await self.log.ending(stream_key(key, claim.token)) is not None:
            return None
        return Run(self, key, claim.token, claim.run, is_owner=False)

    async def _order_stop(self, key: str, token: str) -> None:
        """Tell its producer; and its readers, should it not be able to."""
        await self.log.append(stop_key(key, token), b"stop", keep=_ORDERS)
        await self.log.close(stream_key(key, token), Ending.STOPPED.value, keep=self.options.keep)

    async def _stop(self, key: str, token: str) -> bool:
        here = self._here.get(key)
        loop = asyncio.get_running_loop()
        if here is not None and here.fence.token == token and here.loop is loop:
            here.stop(Ending.STOPPED)
        else:
            await self.log.append(stop_key(key, token), b"stop", keep=_ORDERS)
        give_up = monotonic() + self.options.cleanup_timeout + 1.0
        while await self.log.ending(stream_key(key, token)) is None:
            if monotonic() > give_up:
                logger.warning("the answer %r was told to stop, and has not done so yet", key)
                break
            await asyncio.sleep(_MOMENT)
        return True
