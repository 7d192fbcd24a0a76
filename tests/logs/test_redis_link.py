"""What only Redis's shared reader does: keeping at hand what it has seen last."""

from __future__ import annotations

from penstock.core.log import Entry
from penstock.logs._ids import make_id, new_epoch
from penstock.logs._redis_link import Watched


def test_what_is_at_hand_is_of_one_life_of_a_key() -> None:
    # S5: a key that was deleted and began anew does not go on where it was
    old, new = new_epoch(), new_epoch()
    watched = Watched("k", make_id(old, 0), "0-0")
    entries = [Entry(make_id(old, number), b"old") for number in (1, 2)]
    for entry in entries:
        watched.add(entry)
    assert watched.after(make_id(old, 1), 9) == entries[1:]
    begun = Entry(make_id(new, 1), b"new")
    watched.add(begun)
    assert watched.after(make_id(old, 2), 9) == []
    assert watched.after(make_id(new, 0), 9) == [begun]
    assert (watched.newest, watched.size) == (begun.id, 3)
