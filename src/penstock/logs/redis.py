"""A log in Redis Streams: many processes, many machines.

Lives here: the log's words as scripts, and appends of one key sent together while one is under way.
Stays out: connections (``_redis_link.py``), Lua (``_redis_scripts.py``).

What an append that returned survives is what Redis's own fsync policy says. With ``appendfsync
always`` that is everything; with less, a crash of Redis may take the last events back, and their
ids may then be given again.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.log import (
    PAGE_BYTES,
    Claim,
    Entry,
    EventId,
    Fence,
    Keep,
    NewEntry,
    Sequenced,
    follow_log,
    split_cursor,
)
from penstock.core.options import check_seconds
from penstock.errors import (
    ExtraNotInstalled,
    InvalidOption,
    LogClosed,
    LogFull,
    StaleFence,
    StreamClosed,
)
from penstock.logs import _redis_scripts as scripts
from penstock.logs._ids import Span, make_id, new_epoch
from penstock.logs._redis_link import Link
from penstock.logs._redis_scripts import Names

__all__ = ("RedisLog",)

_KEEP = Keep()

# Connections that forks took over, for as long as they live: see `_link`.
_of_parents: list[dict[asyncio.AbstractEventLoop, Link]] = []

# Appends of a key that are sent together, and bytes of theirs.
_TOGETHER, _TOGETHER_BYTES = 64, 1 << 20


@dataclass(slots=True)
class _Append:
    """One call of ``append_many`` that waits for its turn."""

    entries: Sequence[NewEntry]
    fence: Fence | None
    keep: Keep
    sequence: Sequenced
    done: asyncio.Future[list[EventId]]


class RedisLog:
    """An ``EventLog`` in Redis 6.2 or newer, or what speaks like it.

    It connects when it is first used, on each event loop that uses it: a pool of connections, and
    one connection more that waits for events, however many keys are followed. What that one has
    seen last of a key is kept at hand, so a reader that comes back may be given a few events that
    were trimmed meanwhile; of a key that was deleted it is given none.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, as redis-py takes it.
        prefix: Stands before the names of all keys in Redis.
        patience: Seconds for which something is tried again while Redis is away; then it raises
            ``LogUnavailable``. An append that is tried again is not kept twice.
        **options: Further arguments of redis-py's connections: ``password=``, ``ssl_ca_certs=``,
            ``max_connections=``, ...

    Raises:
        ExtraNotInstalled: redis-py is missing.
        InvalidOption: ``url`` is none, or ``patience`` no number of seconds.

    Example:
        ``log = RedisLog("redis://127.0.0.1"); id = await log.append("room", b"hi")``
    """

    def __init__(
        self, url: str, *, prefix: str = "penstock", patience: float = 15.0, **options: Any
    ) -> None:
        try:
            from redis import asyncio as redis
            from redis.asyncio.connection import parse_url
        except ImportError as exc:
            raise ExtraNotInstalled("redis") from exc
        check_seconds("patience", patience)
        try:
            parse_url(url)
        except (ValueError, TypeError, AttributeError) as exc:
            raise InvalidOption("url", url, "a redis://, rediss:// or unix:// URL") from exc
        self._redis: Any = redis
        self._url, self._prefix, self._patience = url, prefix, patience
        self._options = options
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}
        self._lanes: dict[tuple[asyncio.AbstractEventLoop, str], list[_Append]] = {}
        self._process = 0
        self._name, self._count = "", 0  # of this log as a writer

    # --- appending

    async def append(
        self,
        key: str,
        data: bytes,
        *,
        meta: Mapping[str, str] | None = None,
        fence: Fence | None = None,
        sequence: Sequenced | None = None,
        keep: Keep | None = None,
    ) -> EventId:
        """Add one event; return its id (``EventLog``)."""
        entries = (NewEntry(data, meta or {}),)
        ids = await self.append_many(key, entries, fence=fence, sequence=sequence, keep=keep)
        return ids[0]

    async def append_many(
        self,
        key: str,
        entries: Sequence[NewEntry],
        *,
        fence: Fence | None = None,
        sequence: Sequenced | None = None,
        keep: Keep | None = None,
    ) -> list[EventId]:
        """Add several events that stand together (``EventLog``)."""
        if not entries:
            return []
        link, loop = self._link(), asyncio.get_running_loop()
        if sequence is None:
            self._count += 1
            sequence = (self._name, self._count)
        append = _Append(entries, fence, keep or _KEEP, sequence, loop.create_future())
        lane = self._lanes.get((loop, key))
        if lane is not None:
            lane.append(append)
        else:
            self._lanes[loop, key] = [append]
            link.spawn(self._send(link, loop, key))
        return await append.done

    async def _send(self, link: Link, loop: asyncio.AbstractEventLoop, key: str) -> None:
        """Send a key's appends, in order: one script at a time, with all that wait meanwhile.

        At most one is under way, so that a retry cannot overtake another append.
        """
        lane = self._lanes[loop, key]
        batch: list[_Append] = []
        try:
            while lane:
                batch = _together(lane)
                del lane[: len(batch)]
                try:
                    await self._send_batch(link, key, batch)
                except Exception as exc:
                    for each in batch:
                        _fail(each, exc)
        finally:
            del self._lanes[loop, key]
            for each in (*batch, *lane):  # cancelled: the log is being closed
                _fail(each, StreamClosed("the log was closed"))

    async def _send_batch(self, link: Link, key: str, batch: list[_Append]) -> None:
        names, fence, keep = Names(self._prefix, key), batch[0].fence, batch[0].keep
        keys = [names.events, names.hash, self._claim_name(fence) or names.claim]
        arguments: list[Any] = [keep.max_events, int(keep.trim), _to_ms(keep.ttl), len(batch)]
        for each in batch:
            keys.append(names.writer + each.sequence[0])
            arguments += [each.sequence[1], len(each.entries)]
            for entry in each.entries:
                arguments += [entry.data, json.dumps(dict(entry.meta)) if entry.meta else ""]
        token = fence.token if fence is not None else ""
        epoch = token or new_epoch()
        reply = await link.run(scripts.APPEND, keys, token, epoch, *arguments)
        if reply[0] == b"STALE":
            assert fence is not None
            raise StaleFence(fence.key, fence.run)
        for each, result in zip(batch, reply[2:], strict=True):
            if result[0] == b"CLOSED":
                _fail(each, LogClosed(key, result[1].decode()))
            elif result[0] == b"FULL":
                _fail(each, LogFull(key, keep.max_events))
            elif not each.done.done():
                numbers = range(result[0], result[1] + 1)
                each.done.set_result([make_id(reply[1].decode(), number) for number in numbers])

    # --- reading

    async def read(
        self, key: str, *, after: EventId | None = None, limit: int = 256, wait: float = 0.0
    ) -> list[Entry]:
        """Return the events after a cursor (``EventLog``)."""
        link, names = self._link(), Names(self._prefix, key)
        if recent := link.recent(names.events, after, limit):
            return recent
        with link.waiters.ticket(key) as ticket:  # before the look: nothing is missed
            if wait <= 0 or not link.is_newest(names.events, after):
                page, span = await self._page(link, names, after, limit)
                if page or wait <= 0:
                    return page
                link.watch(key, names.events, make_id(span.epoch or "", span.last), _position(span))
            if await ticket.wait(wait) and (recent := link.recent(names.events, after, limit)):
                return recent
        return (await self._page(link, names, after, limit))[0]

    async def _page(
        self, link: Link, names: Names, after: EventId | None, limit: int
    ) -> tuple[list[Entry], Span]:
        """Return what comes after a cursor, and what is held."""
        epoch, number = (split_cursor(after) or ("?", 0)) if after is not None else ("", 0)
        keys = (names.events, names.hash)
        reply = await link.run(scripts.READ, keys, epoch, number, limit, PAGE_BYTES)
        span = _span(reply)
        span.start(after)
        return [_entry(event) for event in reply[4]], span

    def follow(self, key: str, *, after: EventId | None = None) -> AsyncGenerator[Entry]:
        """Yield what is held, then what comes (``EventLog``)."""
        return follow_log(self, key, after=after)

    async def tail(self, key: str) -> EventId:
        """Return the cursor of now (``EventLog``)."""
        names = Names(self._prefix, key)
        keys = (names.events, names.hash)
        epoch, last = await self._link().run(scripts.TAIL, keys, "", new_epoch())
        return make_id(epoch.decode(), last)

    async def oldest(self, key: str) -> EventId | None:
        """Return the id of the oldest event that is held (``EventLog``)."""
        span = _span(await self._look(key))
        return make_id(span.epoch, span.first) if span.epoch and span.first <= span.last else None

    async def ending(self, key: str) -> str | None:
        """Return how a key has ended (``EventLog``)."""
        ending: bytes = (await self._look(key))[3]
        return ending.decode() or None

    async def _look(self, key: str) -> Any:
        names = Names(self._prefix, key)
        return await self._link().run(scripts.READ, (names.events, names.hash), "?", 0, 1, 1)

    async def close(
        self,
        key: str,
        ending: str = "closed",
        *,
        data: bytes = b"",
        fence: Fence | None = None,
        keep: Keep | None = None,
    ) -> bool:
        """End a key (``EventLog``)."""
        names = Names(self._prefix, key)
        token = fence.token if fence is not None else ""
        keys = (names.events, names.hash, self._claim_name(fence) or names.claim)
        ttl = "" if keep is None else _to_ms(keep.ttl)
        closer = new_epoch()
        reply = await self._link().run(
            scripts.CLOSE, keys, token, token or closer, ending, data, ttl, closer
        )
        if reply[0] == b"STALE":
            assert fence is not None
            raise StaleFence(fence.key, fence.run)
        return bool(reply[1])

    async def delete(self, key: str) -> None:
        """Forget a key (``EventLog``)."""
        link, names = self._link(), Names(self._prefix, key)
        await link.run(scripts.DELETE, (names.events, names.hash, link.deleted), key)
        link.forget(key)

    # --- claims

    async def claim(self, key: str, *, lease: float, takeover: bool = False) -> Fence | None:
        """Become the one writer of ``key`` (``EventLog``)."""
        name, token = Names(self._prefix, key).claim, new_epoch()
        run = await self._link().run(scripts.CLAIM, (name,), token, _to_ms(lease), int(takeover))
        return Fence(key, run, token) if run else None

    async def renew(self, fence: Fence, *, lease: float) -> None:
        """Hold the claim for ``lease`` seconds from now (``EventLog``)."""
        name = Names(self._prefix, fence.key).claim
        if not await self._link().run(scripts.RENEW, (name,), fence.token, _to_ms(lease)):
            raise StaleFence(fence.key, fence.run)

    async def release(self, fence: Fence) -> None:
        """Give the claim back (``EventLog``)."""
        name = Names(self._prefix, fence.key).claim
        await self._link().run(scripts.RELEASE, (name,), fence.token)

    async def claimed(self, key: str) -> Claim | None:
        """Return how the claim on ``key`` stands (``EventLog``)."""
        held = await self._link().run(scripts.CLAIMED, (Names(self._prefix, key).claim,))
        return Claim(held[0], held[1].decode(), held[2] / 1000) if held else None

    def _claim_name(self, fence: Fence | None) -> str | None:
        return Names(self._prefix, fence.key).claim if fence is not None else None

    # --- connections

    def _link(self) -> Link:
        """Return this loop's connections; a fork's child has none of its parent's."""
        if self._process != os.getpid():
            # Kept: to be collected, a connection would leave the selector that we share with the
            # parent, which would then wait for its answers in vain.
            _of_parents.append(self._links)
            self._process, self._links, self._lanes = os.getpid(), {}, {}
            self._name = new_epoch()
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            for closed in [each for each in self._links if each.is_closed()]:
                del self._links[closed]
            link = self._links[loop] = Link(
                self._redis, self._url, self._options, self._prefix, self._patience, _entry
            )
        return link

    async def aclose(self) -> None:
        """Close this loop's connections (``EventLog``)."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None and self._process == os.getpid():
            await link.aclose()


def _together(lane: list[_Append]) -> list[_Append]:
    """Return the first appends of a lane that may go in one script."""
    first, size = lane[0], 0
    batch: list[_Append] = []
    for each in lane[:_TOGETHER]:
        size += sum(len(entry.data) for entry in each.entries)
        if batch and (
            each.fence != first.fence or each.keep != first.keep or size > _TOGETHER_BYTES
        ):
            break
        batch.append(each)
    return batch


def _fail(append: _Append, error: Exception) -> None:
    if not append.done.done():
        append.done.set_exception(error)


def _entry(event: Any) -> Entry:
    """Return what a stream's event says."""
    id, values = event
    if not isinstance(values, dict):
        values = dict(zip(values[::2], values[1::2], strict=True))
    meta, ending = values[b"m"], values.get(b"x")
    return Entry(
        make_id(values[b"e"].decode(), int(id.partition(b"-")[2])),
        values[b"d"],
        json.loads(meta) if meta else {},
        ending.decode() if ending is not None else None,
    )


def _span(reply: Any) -> Span:
    epoch, last, length = reply[:3]
    return Span(epoch.decode() or None, last - length + 1, last)


def _position(span: Span) -> str:
    return f"{int(span.epoch[:14], 16)}-{span.last}" if span.epoch else "0-0"


def _to_ms(seconds: float | None) -> int:
    return -1 if seconds is None else max(1, round(seconds * 1000))
