"""Reading an answer that runs apart from its readers: what is held, then what comes.

Lives here: finding the run that a cursor means, and telling its end, a dead producer's too.
Stays out: producing (``production.py``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any

from penstock.core.ending import Ending
from penstock.core.log import Entry, EventLog, split_cursor
from penstock.core.logged import dump_problem, load_item, load_problem
from penstock.core.producer import Feed
from penstock.core.production import RunOptions, stream_key
from penstock.errors import CursorGone, HttpError, Problem
from penstock.event import Event, Numbered

__all__ = ("Following", "read_run")

# Seconds past a lease before its holder is taken for dead.
_AFTER_LEASE = 0.02

_DIED = Problem(500, detail="What produced this answer has died.")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a reader begins: a run, a cursor in it, and why it is not the cursor it came with."""

    token: str
    after: str | None = None
    reset: str | None = None


class Following:
    """An answer as a source: what is held of it, then what comes, each item once, in order.

    Give it to a ``Stream`` or a ``StreamResponse``, or iterate it. As a stream's source it lets the
    head leave at once, and gives each server-sent event its id; where nothing runs the response is
    204. Iterated by hand it yields the items without ids, and nothing where nothing runs.

    ``await following`` gives itself, or None where nothing runs: that is the question to ask
    before choosing another answer. Iterated again it begins again at its cursor.

    A run that has ended still counts for a reader with a cursor in it, which gets the rest and the
    end. Once it is read up to a ``stop()``, nothing runs.

    It raises ``HttpError`` when the answer failed, its producer died, or its process was shut
    down.
    """

    __slots__ = ("_after", "_key", "_log", "_options", "_token")

    yields_items = True  # never raw text, also where a host takes text for that

    def __init__(
        self, log: EventLog, options: RunOptions, key: str, after: str | None, token: str | None
    ) -> None:
        self._log, self._options, self._key = log, options, key
        self._after, self._token = after or None, token

    def __await__(self) -> Generator[Any, None, Following | None]:
        place = yield from self._find().__await__()
        return None if place is None else self

    def __aiter__(self) -> _Replay:
        return _Replay(self)

    async def _find(self) -> _Place | None:
        """Return where to begin; None: nothing runs.

        Raises:
            LogUnavailable: The log does not answer.
        """
        if self._after is not None:
            page = await self._rest(self._after)
            if page is not None:
                # Told before that it was stopped, or cut just then: asking again changes nothing.
                stopped = bool(page) and page[0].ending == Ending.STOPPED
                return None if stopped else _Place(self._after.partition("-")[0], self._after)
        token = self._token or await self._running()
        if token is None:
            return None
        return _Place(token, None, "unknown" if self._after is not None else None)

    async def _rest(self, after: str) -> list[Entry] | None:
        """Return what comes next after a cursor; None: it is of no run that is held."""
        split = split_cursor(after)
        if split is None:
            return None
        try:
            return await self._log.read(stream_key(self._key, split[0]), after=after, limit=1)
        except CursorGone:
            return None

    async def _running(self) -> str | None:
        """Return the token of the run that runs now."""
        claim = await self._log.claimed(self._key)
        if claim is None or not claim.is_held:
            return None
        if await self._log.ending(stream_key(self._key, claim.token)) is not None:
            return None
        return claim.token


class _Replay:
    """An iterator over a ``Following`` (``Attaching``)."""

    def __init__(self, following: Following) -> None:
        self._following = following
        self._feed: Feed | None = None
        self._place: _Place | None = None
        self._numbered = False
        self._items: AsyncGenerator[Any] | None = None

    async def attach_to_feed(self, feed: Feed) -> None:
        """Begin as a stream's own source: its head is 204, or leaves now."""
        self._feed, self._numbered = feed, getattr(feed.encoder, "takes_ids", False)
        self._place = await self._following._find()
        self._items = self._each(self._place)
        if self._place is not None:
            feed.commit()
        elif not feed.head.is_committed:
            feed.head.status = 204
            feed.head.headers.pop("content-type")

    def __aiter__(self) -> _Replay:
        return self

    async def __anext__(self) -> Any:
        if self._items is None:
            self._items = self._each(await self._following._find())
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop reading."""
        if self._items is not None:
            await self._items.aclose()

    async def _each(self, place: _Place | None) -> AsyncGenerator[Any]:
        if place is None:
            return
        following = self._following
        if place.reset is not None and self._numbered:
            yield Event({"reason": place.reset}, event="reset")
        async for entry in read_run(
            following._log, following._options, following._key, place.token, place.after
        ):
            if entry.ending is None:
                item = load_item(entry.data)
                yield Numbered(item, entry.id) if self._numbered else item
            elif entry.ending == Ending.STOPPED:
                if self._feed is not None:
                    self._feed.stop(Ending.STOPPED)
            elif entry.ending != Ending.COMPLETED:
                raise _error_of(entry)


def _error_of(entry: Entry) -> HttpError:
    problem = load_problem(entry.data) if entry.data else _DIED
    error = HttpError(problem.status, problem.title, problem.detail)
    error.was_reported = True  # where it happened
    return error


async def read_run(
    log: EventLog, options: RunOptions, key: str, token: str, after: str | None
) -> AsyncGenerator[Entry]:
    """Yield a run's entries, its ending the last; where its producer died, say so for it."""
    stream, wait = stream_key(key, token), 0.0
    while True:
        page = await log.read(stream, after=after, wait=wait)
        for entry in page:
            after = entry.id
            yield entry
            if entry.ending is not None:
                return
        # Having waited for the rest of the lease, look whether it was renewed; else wait for it.
        wait = 0.0 if page else await _patience(log, options, key, token, after)


async def _patience(
    log: EventLog, options: RunOptions, key: str, token: str, after: str | None
) -> float:
    """Return how many seconds to wait for more; 0: there is more now."""
    claim = await log.claimed(key)
    if claim is not None and claim.token == token and claim.is_held:
        return min(claim.remaining, options.lease) + _AFTER_LEASE
    stream = stream_key(key, token)
    if not await log.read(stream, after=after, limit=1):
        # Nobody runs it any more. Closed by the first reader that sees it, so that all of them,
        # and a producer that was only asleep, are told the same.
        data = dump_problem(_DIED)
        await log.close(stream, Ending.ERROR.value, data=data, keep=options.keep)
    return 0.0
