"""One execution environment: a Runtime API and the process behind it.

Lives here: start, invocation, deadline and death of a function process, told as AWS tells them.
Stays out: which environment gets which invocation (``pool``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.aws.emulator.invocation import Invocation
from penstock.aws.emulator.journal import Journal
from penstock.aws.emulator.process import FunctionProcess
from penstock.aws.emulator.reply import Failure
from penstock.aws.emulator.runtime_api import RuntimeApi

__all__ = ("Sandbox", "Settings")


@dataclass(frozen=True, slots=True)
class Settings:
    """What all environments of a function have in common.

    Attributes:
        command: What is run; it finds AWS_LAMBDA_RUNTIME_API in its environment.
        cwd: Where.
        env: Its whole environment but for that one variable.
        arn: The function's.
        timeout: Seconds an invocation may take.
        init_timeout: Seconds until the runtime asks for its first invocation.
        memory: MB; reported, not enforced.
        max_concurrency: Managed instances: how many invocations one process takes at once.
    """

    command: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    arn: str
    timeout: float
    init_timeout: float
    memory: int
    max_concurrency: int | None


class Sandbox:
    """Starts its process when it needs one, and again after it has died."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._api: RuntimeApi | None = None
        self._process: FunctionProcess | None = None
        self._watching: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._running: set[Invocation] = set()
        self._init_seconds: float | None = None
        self.is_stale = False  # the code has changed since it was started

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    @property
    def pid(self) -> int | None:
        """The guard's process id, while it runs."""
        return self._process.pid if self._process is not None else None

    async def warm_up(self) -> Failure | None:
        """Start the process; why it did not get as far as asking for work, or None."""
        async with self._starting:
            if self._api is not None and self._process is not None:
                outdated = self._api.is_stuck or self.is_stale
                if not outdated or len(self._running) > 1:
                    return None
                await self.stop()
            return await self._start()

    async def run(self, invocation: Invocation) -> None:
        """Run ``invocation`` to its end, and the process to where it can take another one."""
        self._running.add(invocation)
        try:
            failure = await self.warm_up()
            if failure is not None:
                invocation.reply.end(failure)
                return
            await self._invoke(invocation)
        finally:
            self._running.discard(invocation)

    async def stop(self) -> None:
        """End the process, if there is one."""
        process, api, watching = self._process, self._api, self._watching
        self._process = self._api = self._watching = None
        if watching is not None:
            watching.cancel()
            await asyncio.wait({watching})
        if process is not None:
            await process.kill()
        if api is not None:
            await api.aclose()

    async def _start(self) -> Failure | None:
        began, settings = time.monotonic(), self._settings
        self.is_stale = False
        api = RuntimeApi(settings.arn, concurrent=settings.max_concurrency is not None)
        self._api = api
        await api.start()
        env = {**settings.env, "AWS_LAMBDA_RUNTIME_API": api.address}
        process = await FunctionProcess.start(
            settings.command, env=env, cwd=settings.cwd, on_line=self._line
        )
        self._process = process
        self._watching = asyncio.create_task(self._watch(process, api))
        try:
            async with asyncio.timeout(settings.init_timeout):
                await api.until(
                    lambda: api.is_ready or api.init_failure is not None or api.exited.is_set()
                )
        except TimeoutError:
            failure = Failure.of(
                "Sandbox.Timedout", f"Init timed out after {settings.init_timeout:.2f} seconds"
            )
        else:
            self._init_seconds = time.monotonic() - began
            if api.is_ready:
                self._journal.say("init", f"Init Duration: {self._init_seconds * 1000:.2f} ms")
                return None
            failure = api.init_failure or Failure.of("Runtime.ExitError", process.end)
        self._journal.say("error", f"init failed: {failure.type}: {failure.message}")
        await self.stop()
        return failure

    async def _watch(self, process: FunctionProcess, api: RuntimeApi) -> None:
        """Notice the process's end, and what it means for those who wait for it."""
        await process.wait()
        for invocation in list(self._running):
            text = f"RequestId: {invocation.id} Error: {process.end}"
            failure = api.init_failure or Failure.of("Runtime.ExitError", text)
            invocation.reply.end(failure)
        api.exited.set()
        api.notify()
        if api.init_failure is None:
            self._journal.say("error", process.end)
        if self._process is process:
            self._process = self._api = self._watching = None
            # Not now: a connection whose body was cut is still being told so.
            await asyncio.sleep(0.05)
            await api.aclose()

    async def _invoke(self, invocation: Invocation) -> None:
        api, settings, began = self._api, self._settings, time.monotonic()
        if api is None:  # it died between its start and now
            invocation.reply.end(Failure.of("Runtime.ExitError", "the process has ended"))
            return
        say = self._say(invocation)
        say("start", f"START RequestId: {invocation.id} Version: $LATEST")
        invocation.deadline = time.time() + settings.timeout
        api.submit(invocation)
        try:
            async with asyncio.timeout(settings.timeout):
                await api.until(lambda: self._is_done(invocation, api))
        except TimeoutError:
            await self._time_out(invocation, api, say)
        # What it printed before it answered is in the pipe: let it be read first.
        for _ in range(3):
            await asyncio.sleep(0)
        self._report(invocation, time.monotonic() - began, say)

    def _is_done(self, invocation: Invocation, api: RuntimeApi) -> bool:
        if api.exited.is_set():
            return True
        if invocation.phase != "answered":
            return False
        # A process that takes one at a time is done when it asks for the next.
        return api.is_concurrent or api.is_ready or api.is_stuck

    async def _time_out(
        self, invocation: Invocation, api: RuntimeApi, say: Callable[[str, str], None]
    ) -> None:
        text = f"Task timed out after {self._settings.timeout:.2f} seconds"
        say("error", f"{_timestamp()} {invocation.id} {text}")
        type_ = "Sandbox.Timedout" if api.is_concurrent else "Sandbox.Timeout"
        message = f"RequestId: {invocation.id} Error: {text}"
        invocation.reply.end(Failure.of(type_, message))
        api.withdraw(invocation)
        if not api.is_concurrent:
            await self.stop()

    def _report(
        self, invocation: Invocation, seconds: float, say: Callable[[str, str], None]
    ) -> None:
        say("end", f"END RequestId: {invocation.id}")
        milliseconds = seconds * 1000
        facts = [
            f"REPORT RequestId: {invocation.id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {int(milliseconds) + 1} ms",
            f"Memory Size: {self._settings.memory} MB",
        ]
        if self._init_seconds is not None:
            facts.append(f"Init Duration: {self._init_seconds * 1000:.2f} ms")
            self._init_seconds = None
        if invocation.reply.failure is not None:
            facts += ["Status: error", f"Error Type: {invocation.reply.failure.type}"]
        say("report", "\t".join(facts))

    def _say(self, invocation: Invocation) -> Callable[[str, str], None]:
        def say(kind: str, text: str) -> None:
            invocation.log(text)
            self._journal.say(kind, text, invocation.id)

        return say

    def _line(self, line: str) -> None:
        """A line that the function printed; whose it is can only be told when one runs."""
        owner = next(iter(self._running)) if len(self._running) == 1 else None
        if owner is not None:
            owner.log(line)
        self._journal.say("log", line, owner.id if owner is not None else None)


def _timestamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z"
