"""One event loop's way to Redis: a pool of connections, and one blocking reader.

Lives here: commands that are tried again while Redis is away, and the XREAD that watches every key
somebody waits for. Stays out: what the commands mean (``redis.py``).
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any

from penstock.core.log import Entry, EventId, split_cursor
from penstock.errors import LogUnavailable, StreamClosed
from penstock.logs._redis_scripts import Names, Script
from penstock.logs._waiters import Waiters

__all__ = ("Link", "Watched")

logger = logging.getLogger("penstock")

# Seconds that one XREAD blocks, and after which a key that nobody waited for is watched no more.
_BLOCK, _LINGER = 2.0, 10.0

# Seconds between two tries: doubled each time, between half and the whole of it.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

# Events of a watched key that are kept for followers that are nearly up to date.
_RECENT = 256
_RECENT_BYTES = 128 * 1024

# Events that one XREAD takes of each key.
_COUNT = 256


def _pause(tries: int) -> float:
    longest: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tries)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  (no secret: it spreads reconnects)


async def _cancellable(command: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``await command(*arguments)`` gives; a cancellation meanwhile is not lost.

    redis-py writes within ``asyncio.wait_for``, which before Python 3.12 swallows a cancellation
    that comes in the turn in which the write is done (python/cpython#86296).
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    result = await command(*arguments)
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


def _packed(command: Sequence[str | int]) -> bytes:
    """Return a command as it goes to Redis; redis-py's own packing costs several times as much."""
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        data = str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Watched:
    """A key that the reader watches.

    Attributes:
        newest: Id of the last event that the reader has seen, or began behind.
        position: The same, as Redis knows it.
        recent: The last events it has seen, without a gap between them.
        used: When somebody last waited for it.
    """

    __slots__ = ("key", "newest", "position", "recent", "size", "used")

    def __init__(self, key: str, newest: EventId, position: str) -> None:
        self.key, self.newest, self.position, self.used = key, newest, position, monotonic()
        self.recent: deque[Entry] = deque()
        self.size = 0

    def add(self, entry: Entry) -> None:
        """Note an event that has come."""
        if self.recent and self.recent[-1].id.partition("-")[0] != entry.id.partition("-")[0]:
            self.recent.clear()  # the key began anew: what came before is no way to it
            self.size = 0
        self.newest = entry.id
        self.recent.append(entry)
        self.size += len(entry.data)
        while len(self.recent) > _RECENT or (self.size > _RECENT_BYTES and len(self.recent) > 1):
            self.size -= len(self.recent.popleft().data)

    def after(self, cursor: EventId, limit: int) -> list[Entry]:
        """Return what comes next after a cursor, as far as that is here; empty: ask Redis."""
        recent = self.recent
        if not recent or recent[-1].id == cursor:
            return []
        if len(recent) > 1 and recent[-2].id == cursor:  # as good as always
            return [recent[-1]]
        split = split_cursor(cursor)
        oldest, newest = split_cursor(recent[0].id), split_cursor(recent[-1].id)
        if not split or not oldest or not newest or not split[0] == oldest[0] == newest[0]:
            return []  # another epoch's: only Redis can tell
        skip = split[1] + 1 - oldest[1]
        if skip < 0 or newest[1] - oldest[1] != len(recent) - 1:
            return []
        return [recent[at] for at in range(skip, min(skip + limit, len(recent)))]


class Link:
    """What one event loop has open.

    Args:
        redis: The ``redis.asyncio`` module.
        url: Where Redis is.
        options: Further arguments of its connections.
        prefix: Of all keys' names.
        patience: Seconds for which a command is tried again.
        decode: Makes an entry of what a stream holds.
    """

    def __init__(
        self,
        redis: Any,
        url: str,
        options: dict[str, Any],
        prefix: str,
        patience: float,
        decode: Callable[[Any], Entry],
    ) -> None:
        from redis import exceptions
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._away = (
            exceptions.ConnectionError,
            exceptions.TimeoutError,
            exceptions.BusyLoadingError,
            OSError,
        )
        self._no_script, self._refused = exceptions.NoScriptError, exceptions.RedisError
        common = {
            "retry": Retry(NoBackoff(), 0),  # the tries are ours: bounded in time, with jitter
            "protocol": 2,
            "decode_responses": False,
            **options,
        }
        pool = redis.BlockingConnectionPool.from_url(
            url, **{"max_connections": 16, "timeout": patience, "socket_timeout": 5.0, **common}
        )
        self.client = redis.Redis.from_pool(pool)
        # One connection, for XREAD alone: held as it is, since a client spends more on each event
        # than the event does. Its timeout is that of a whole look.
        waiting = {"socket_connect_timeout": 5.0, **common, "socket_timeout": None}
        self._blocking = redis.ConnectionPool.from_url(url, **waiting).make_connection()
        self._patience, self._decode = patience, decode
        self._prefix = prefix
        self.waiters = Waiters()
        self._watched: dict[str, Watched] = {}  # by the stream's name
        self._wake = f"{prefix}:wake:{os.urandom(8).hex()}"
        self._wake_id = self._deleted_id = "0-0"
        self.deleted = f"{prefix}:deleted"  # the keys that were, by whichever process
        self._reader: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_blocked = self._nudged = self._closed = False

    # --- commands

    async def run(self, script: Script, keys: Iterable[str], *arguments: Any) -> Any:
        """Return what ``script`` returns; it is tried again while Redis is away.

        Raises:
            LogUnavailable: Redis was away for longer than our patience, or refused it.
            StreamClosed: The log was closed meanwhile.
        """
        keys = list(keys)
        rest = (len(keys), *keys, *arguments)

        async def evaluate() -> Any:
            try:
                return await self.client.evalsha(script.digest, *rest)
            except self._no_script:  # the first time, and after each of its restarts
                return await self.client.eval(script.text, *rest)

        return await self.retry(evaluate)

    async def retry(self, command: Callable[[], Any]) -> Any:
        """Return what ``command()`` returns in the end.

        Raises:
            LogUnavailable: As for ``run``.
        """
        give_up, tries = monotonic() + self._patience, 0
        while True:
            if self._closed:
                raise StreamClosed("the log was closed")
            try:
                return await _cancellable(command)
            except self._away as exc:
                pause = _pause(tries)
                if monotonic() + pause > give_up:
                    message = f"Redis did not answer for {self._patience:g} s: {exc}"
                    raise LogUnavailable(message) from exc
                tries += 1
                await asyncio.sleep(pause)
            except self._refused as exc:
                raise LogUnavailable(f"Redis refused it: {exc}") from exc

    def spawn(self, coroutine: Any) -> None:
        """Run something beside whoever asked for it."""
        task = asyncio.create_task(coroutine, name="penstock redis")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the reader

    def recent(self, stream: str, after: EventId | None, limit: int) -> list[Entry]:
        """Return what comes next after a cursor, where the reader has just seen it."""
        watched = self._watched.get(stream)
        if watched is None or after is None:
            return []
        watched.used = monotonic()
        return watched.after(after, limit)

    def is_newest(self, stream: str, after: EventId | None) -> bool:
        """Return whether a cursor is where the reader stands: what comes next, it will bring."""
        watched = self._watched.get(stream)
        if watched is None or watched.newest != after:
            return False
        return self._reader is not None and not self._reader.done()

    def watch(self, key: str, stream: str, newest: EventId, position: str) -> None:
        """Wake those that wait for ``key`` by whatever comes after ``newest``."""
        watched = self._watched.get(stream)
        if watched is not None:
            watched.used = monotonic()
        else:
            self._watched[stream] = Watched(key, newest, position)
            if self._is_blocked and not self._nudged:
                self._nudged = True  # one for all that come until the reader turns
                self.spawn(self._nudge())
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read(), name="penstock redis reader")

    async def _nudge(self) -> None:
        """Have the blocked reader look at its keys again."""

        async def add() -> None:
            async with self.client.pipeline(transaction=False) as pipe:
                pipe.xadd(self._wake, {"n": ""}, maxlen=4)
                pipe.pexpire(self._wake, 600_000)
                await pipe.execute()

        try:
            await self.retry(add)
        except LogUnavailable:  # the reader turns by itself, and more so without Redis
            return

    async def _read(self) -> None:
        tries = 0
        while self._prune():
            self._nudged = False
            watched = dict(self._watched)
            positions = [each.position for each in watched.values()]
            command = ("XREAD", "COUNT", _COUNT, "BLOCK", int(_BLOCK * 1000), "STREAMS")
            self._is_blocked = True
            try:
                ours = (self._wake_id, self._deleted_id)
                look = (*command, self._wake, self.deleted, *watched, *ours, *positions)
                reply = await _cancellable(self._look, look)
                for name, events in reply or ():
                    self._take(name.decode(), events)
                tries = 0
            except Exception as exc:
                await self._blocking.disconnect(nowait=True)  # a late reply is nobody's
                # Whatever it is: those that wait depend on this task. What was missed meanwhile is
                # read by its id.
                if not tries:
                    logger.warning("reading from Redis is interrupted: %s", exc)
                if not isinstance(exc, self._away):
                    self.waiters.wake_all()  # they meet the error themselves, and can be told
                await asyncio.sleep(_pause(tries))
                tries += 1
            finally:
                self._is_blocked = False

    async def _look(self, command: Sequence[str | int]) -> Any:
        async with asyncio.timeout(_BLOCK + 5.0):
            await self._blocking.send_packed_command(_packed(command), check_health=False)
            return await self._blocking.read_response()

    def _take(self, stream: str, events: list[Any]) -> None:
        if stream == self._wake:
            self._wake_id = events[-1][0].decode()
            return
        if stream == self.deleted:
            for _, (_, key) in events:
                self.forget(key.decode())
            self._deleted_id = events[-1][0].decode()
            return
        watched = self._watched.get(stream)
        if watched is None:
            return
        for event in events:
            watched.add(self._decode(event))
        watched.position = events[-1][0].decode()
        self.waiters.wake(watched.key)

    def forget(self, key: str) -> None:
        """``key`` was deleted: whoever waits for it is to look, and nothing of it is at hand."""
        self._watched.pop(Names(self._prefix, key).events, None)
        self.waiters.wake(key)

    def _prune(self) -> bool:
        """Stop watching what nobody waits for; return whether anything is left."""
        now = monotonic()
        for stream, watched in list(self._watched.items()):
            if self.waiters.is_awaited(watched.key):
                watched.used = now
            elif now - watched.used > _LINGER:
                del self._watched[stream]
        return bool(self._watched)

    async def aclose(self) -> None:
        """End the reader and close the connections."""
        self._closed = True
        self._watched.clear()
        tasks = {*self._tasks, *([self._reader] if self._reader else [])}
        while tasks:
            for task in tasks:
                task.cancel()
            # Again: a cancellation may get lost in redis-py; see _cancellable().
            _, tasks = await asyncio.wait(tasks, timeout=0.05)
        self.waiters.close()
        await self._blocking.disconnect(nowait=True)
        await self.client.aclose()
        await self.client.connection_pool.aclose()
