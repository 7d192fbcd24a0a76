"""Asking a model, and asking it again: retries before the first chunk, rounds of tools after.

Lives here: when to try again, when to stop, and one sum of what was used.
Stays out: requests (``with_*``), events (``providers/``).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, fields
from typing import Any

from penstock.chunk import Chunk, Done, Error, StepEnd, StepStart, ToolResult, Usage
from penstock.llm.dialect import Ask, Dialect, Round
from penstock.llm.tools import run_tool
from penstock.providers.failure import is_retryable
from penstock.providers.reading import chunks

__all__ = ("Policy", "ask_in_rounds", "total")

logger = logging.getLogger("penstock")

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a model is asked.

    Attributes:
        retries: How often a request that failed before its first chunk is sent again.
        max_rounds: How often at most the model is asked in one answer when its tools are run.
        sleep: Waits so many seconds.
    """

    retries: int = 2
    max_rounds: int = 8
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def ask_once(
    dialect: Dialect, connect: Callable[[], Any], ask: Ask, retries: int, policy: Policy
) -> AsyncGenerator[Chunk, None]:
    """Yield one round's chunks; try again while none has come and the failure may pass."""
    client, attempt = connect(), 0
    while True:
        begun = False
        try:
            async with aclosing(chunks(dialect.open(client, ask))) as source:
                async for chunk in source:
                    failed = isinstance(chunk, Error) and chunk.retryable
                    if failed and not begun and attempt < retries:
                        break
                    begun = True
                    yield chunk
                else:
                    return
            delay = _delay(attempt, None)
        except Exception as exc:
            if begun or attempt >= retries or not is_retryable(exc):
                raise
            delay = _delay(attempt, exc)
            logger.warning("a model's provider failed, asking again in %.1f s: %r", delay, exc)
        attempt += 1
        await policy.sleep(delay)


async def ask_in_rounds(
    dialect: Dialect, connect: Callable[[], Any], ask: Ask, policy: Policy
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of one answer: the model's, its tools' results, and one end."""
    used: Usage | None = None
    runnable = {tool.name for tool in ask.tools if tool.function is not None}
    for number in range(1, policy.max_rounds + 1):
        round, done = Round(), Done()
        yield StepStart()
        retries = policy.retries if number == 1 else 0  # something has been sent already
        async with aclosing(ask_once(dialect, connect, ask, retries, policy)) as said:
            async for chunk in said:
                if isinstance(chunk, Done):
                    done = chunk
                    continue
                round.note(chunk)
                yield chunk
                if isinstance(chunk, Error):
                    return
        used = total(used, done.usage)
        again = bool(round.calls) and all(call.name in runnable for call in round.calls)
        if again:
            round.results = await _run(ask, round)
            for result in round.results:
                yield result
        yield StepEnd()
        if not again or number == policy.max_rounds:
            yield Done(done.finish_reason, used)
            return
        dialect.remember(ask, round)


async def _run(ask: Ask, round: Round) -> list[ToolResult]:
    """Run the calls of one round side by side; their results keep the calls' order."""
    tools = {tool.name: tool for tool in ask.tools}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run_tool(tools.get(call.name), call)) for call in round.calls]
    return [task.result() for task in tasks]


def total(one: Usage | None, other: Usage | None) -> Usage | None:
    """Return the sum of what two rounds used."""
    if one is None or other is None:
        return one or other
    sums: dict[str, int] = {}
    for field in fields(Usage):
        counts = [getattr(each, field.name) for each in (one, other)]
        known = [count for count in counts if count is not None]
        if known:
            sums[field.name] = sum(known)
    return Usage(**sums)


def _delay(attempt: int, error: BaseException | None) -> float:
    """Return how long to wait: what the provider asks for, else twice as long each time."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    asked = headers.get("retry-after")
    if asked is not None and str(asked).replace(".", "", 1).isdigit():
        return min(float(asked), _LONGEST_DELAY)
    longest = min(_FIRST_DELAY * 2.0**attempt, _LONGEST_DELAY)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 (no secret: only apart)
