"""Random words to a log, against a list that keeps the same books."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import pytest

from penstock.core.log import EventLog, Keep, NewEntry
from penstock.errors import CursorGone, LogClosed, LogFull
from tests.logs.making import LOGS, OpenLog

RUNS, STEPS = (40, 400) if os.environ.get("PENSTOCK_FUZZ") else (3, 120)


@dataclass
class Model:
    """One key: every id it ever had, and which of its events are held."""

    ids: list[str] = field(default_factory=list)  # of this life
    datas: list[bytes] = field(default_factory=list)
    dropped: int = 0
    ending: str | None = None
    past: list[str] = field(default_factory=list)  # of earlier lives


class Game:
    """Plays one random step after the other on a log and on the model."""

    def __init__(self, log: EventLog, dice: random.Random) -> None:
        self.log, self.dice, self.model = log, dice, Model()
        self.retry: tuple[list[str], list[NewEntry], int] | None = None

    async def append(self) -> None:
        model, dice = self.model, self.dice
        entries = [NewEntry(dice.randbytes(dice.randint(0, 40))) for _ in range(dice.randint(1, 4))]
        keep = Keep(max_events=dice.choice([5, 10, 50]), trim=dice.random() < 0.8)
        number = len(model.ids) + len(model.past) + 1
        held = len(model.ids) - model.dropped
        call = self.log.append_many("k", entries, keep=keep, sequence=("w", number))
        if model.ending is not None:
            with pytest.raises(LogClosed):
                await call
        elif not keep.trim and held + len(entries) > keep.max_events:
            with pytest.raises(LogFull):
                await call
        else:
            ids = await call
            assert len(ids) == len(entries)
            assert ids == sorted(ids)
            assert ids[0] > max([*model.ids, *model.past], default="")
            model.ids += ids
            model.datas += [entry.data for entry in entries]
            model.dropped = max(model.dropped, len(model.ids) - keep.max_events)
            self.retry = (ids, entries, number)

    async def append_again(self) -> None:
        if self.retry is not None:
            ids, entries, number = self.retry
            keep = Keep(max_events=50)
            assert (
                await self.log.append_many("k", entries, keep=keep, sequence=("w", number)) == ids
            )

    async def read(self) -> None:
        model, limit = self.model, self.dice.randint(1, 20)
        known = model.ids[max(0, model.dropped - 1) :]
        for cursor in [None, *self.dice.sample(known, min(3, len(known)))]:
            start = model.dropped if cursor is None else model.ids.index(cursor) + 1
            page = await self.log.read("k", after=cursor, limit=limit)
            assert [entry.id for entry in page] == model.ids[start : start + limit]
            assert [entry.data for entry in page] == model.datas[start : start + limit]

    async def read_what_is_gone(self) -> None:
        gone = self.model.past + self.model.ids[: max(0, self.model.dropped - 1)]
        for cursor in self.dice.sample(gone, min(3, len(gone))):
            with pytest.raises(CursorGone):
                await self.log.read("k", after=cursor)

    async def look(self) -> None:
        model = self.model
        held = model.ids[model.dropped :]
        assert await self.log.oldest("k") == (held[0] if held else None)
        assert await self.log.ending("k") == model.ending
        if model.ids:
            assert await self.log.tail("k") == model.ids[-1]

    async def close(self) -> None:
        model = self.model
        assert await self.log.close("k", "over", data=b"bye") is (model.ending is None)
        if model.ending is None:
            (last,) = [entry for entry in await self.log.read("k", limit=999) if entry.ending]
            model.ids.append(last.id)
            model.datas.append(b"bye")
            model.ending = "over"

    async def delete(self) -> None:
        await self.log.delete("k")
        self.model = Model(past=self.model.past + self.model.ids)
        self.retry = None


@pytest.mark.parametrize("kind", LOGS)
@pytest.mark.parametrize("seed", range(RUNS))
async def test_it_keeps_the_same_books(
    kind: str, seed: int, request: pytest.FixtureRequest
) -> None:
    open_log: OpenLog = request.getfixturevalue(f"open_{kind}")
    dice = random.Random(seed)
    async with open_log() as log:
        game = Game(log, dice)
        steps = [game.append] * 8 + [game.append_again, game.read, game.read, game.look]
        steps += [game.read_what_is_gone] * 2
        for _ in range(STEPS):
            await dice.choice(steps)()
            if dice.random() < 0.02:
                await dice.choice([game.close, game.delete, game.delete])()
