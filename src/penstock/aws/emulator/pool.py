"""Which environment runs which invocation.

Lives here: concurrency, the queue before it and its bound, and the change of code. Stays out: how
one invocation is run (``sandbox``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from penstock.aws.emulator.invocation import Invocation
from penstock.aws.emulator.journal import Journal
from penstock.aws.emulator.reply import Failure
from penstock.aws.emulator.sandbox import Sandbox, Settings

__all__ = ("Pool", "Throttled")


class Throttled(Exception):
    """As many invocations wait as may; AWS says TooManyRequestsException."""


class Pool:
    """Environments of one function.

    Args:
        size: How many processes there may be.
        backlog: How many invocations may wait for one; the next is ``Throttled``.
    """

    def __init__(self, settings: Settings, journal: Journal, *, size: int, backlog: int) -> None:
        self._sandboxes = [Sandbox(settings, journal) for _ in range(size)]
        per_sandbox = settings.max_concurrency or 1
        # Which environment a free place belongs to; the one used last is taken first: it is warm.
        self._free = [each for each in reversed(self._sandboxes) for _ in range(per_sandbox)]
        self._places = asyncio.Semaphore(len(self._free))
        self._most = len(self._free) + backlog
        self._pending = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> list[int]:
        """Process ids of the guards that run; each has the function's process as its child."""
        return [each.pid for each in self._sandboxes if each.pid is not None]

    def submit(self, invocation: Invocation) -> None:
        """Have ``invocation`` run; its ``reply`` tells how it goes.

        Raises:
            Throttled: Too many wait already.
        """
        if self._pending >= self._most:
            raise Throttled(f"{self._pending} invocations run or wait already")
        self._pending += 1
        task = self._keep(self._run(invocation))
        task.add_done_callback(lambda _: self._done(invocation))

    async def warm_up(self) -> None:
        """Start one process, so that its mistakes are told at once."""
        await self._sandboxes[0].warm_up()

    def reload(self) -> None:
        """Start anew: idle environments at once, busy ones once they are not."""
        for sandbox in self._sandboxes:
            sandbox.is_stale = True
        self._keep(self._renew())

    async def aclose(self) -> None:
        """End everything; who waits for a reply is told that it failed."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.gather(*(each.stop() for each in self._sandboxes))

    async def _run(self, invocation: Invocation) -> None:
        await self._places.acquire()
        sandbox = self._free.pop()
        try:
            await sandbox.run(invocation)
        finally:
            self._free.append(sandbox)
            self._places.release()

    async def _renew(self) -> None:
        for sandbox in self._sandboxes:
            if sandbox.is_stale and not sandbox.is_busy and sandbox.pid is not None:
                await sandbox.stop()
        first = self._sandboxes[0]
        if not first.is_busy:
            await first.warm_up()

    def _done(self, invocation: Invocation) -> None:
        self._pending -= 1
        # One that was cancelled before it ran has a caller, too.
        invocation.reply.end(Failure.of("Runtime.Unavailable", "the local Lambda was closed"))
        invocation.is_reported.set()

    def _keep(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
