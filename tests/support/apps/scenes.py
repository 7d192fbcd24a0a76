"""What every scenario app streams: the same paths under every framework and server.

``/log`` of each app gives what the producers wrote down, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeAlias

from penstock import Context, Event, HttpError, endpoint

__all__ = ("LOG", "SCENES", "Refuse", "Scene", "scenes", "ticks")

LOG: list[str] = []

Query: TypeAlias = Mapping[str, str]
Scene: TypeAlias = Callable[[Query], Callable[[], AsyncIterator[Any]]]
Refuse: TypeAlias = Callable[[], Exception]


@endpoint(format="sse")
async def ticks(ctx: Context) -> AsyncIterator[Event]:
    """The endpoint that is mounted in each framework."""
    for i in range(int(ctx.query.get("n", "3"))):
        yield Event({"i": i}, event="tick")


def scenes(refuse: Refuse) -> dict[str, Scene]:
    """Return the source of each path; ``refuse`` makes the framework's own 403, "no entry"."""

    async def late_error() -> AsyncIterator[Any]:
        yield {"i": 0}
        raise refuse()

    async def early_error() -> AsyncIterator[Any]:
        raise refuse()
        yield {}

    return {
        "/ticks": lambda query: lambda: _ticks(int(query["n"]), float(query["gap"])),
        "/early-error": lambda query: early_error,
        "/late-error": lambda query: late_error,
        "/early-crash": lambda query: _early_crash,
        "/late-crash": lambda query: _late_crash,
        "/late-words": lambda query: _late_words,
        "/early-http-error": lambda query: _early_http_error,
        "/forever": lambda query: lambda: _forever(float(query["gap"])),
        "/silent": lambda query: _silent,
        "/idle": lambda query: _idle,
        "/flood": lambda query: _flood,
    }


SCENES = tuple(scenes(RuntimeError))


async def _ticks(n: int, gap: float) -> AsyncIterator[Event]:
    for i in range(n):
        if i:
            await asyncio.sleep(gap)
        yield Event({"i": i}, event="tick")


async def _early_crash() -> AsyncIterator[Any]:
    raise RuntimeError("the secret is 42")
    yield {}


async def _late_crash() -> AsyncIterator[Any]:
    yield {"i": 0}
    raise RuntimeError("the secret is 42")


async def _late_words() -> AsyncIterator[str]:
    yield "half a "
    raise RuntimeError("the secret is 42")


async def _early_http_error() -> AsyncIterator[Any]:
    raise HttpError(409, detail="already there", headers={"retry-after": "7"})
    yield {}


async def _forever(gap: float) -> AsyncIterator[Any]:
    i = 0
    try:
        while True:
            LOG.append(f"forever {i}")
            yield {"i": i}
            i += 1
            await asyncio.sleep(gap)
    finally:
        await asyncio.sleep(0)  # cleanup that awaits runs too
        LOG.append("forever stopped")


async def _silent() -> AsyncIterator[Any]:
    LOG.append("silent begun")
    try:
        await asyncio.Event().wait()
        yield {}
    finally:
        LOG.append("silent stopped")


async def _idle() -> AsyncIterator[Any]:
    yield {"i": 0}
    try:
        await asyncio.Event().wait()
    finally:
        LOG.append("idle stopped")


async def _flood() -> AsyncIterator[str]:
    """Always ready: 16 KiB at a time, as much as the reader's side takes."""
    n = 0
    try:
        while True:
            n += 1
            if n % 16 == 0:
                LOG.append(f"flood {n}")
            yield "x" * 16 * 1024
    finally:
        LOG.append("flood stopped")
