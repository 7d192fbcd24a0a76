"""A session's place in the channels it is registered in, as one last event ID.

Lives here: how the ids of several logs become one, and back. Stays out: what an id means to a log.

One log's id travels as it is. Several travel as ``tag.id_tag.id``, a tag being eight hex digits of
the channel's name: nothing in it makes a browser ask first (Fetch, "CORS-unsafe request-header
byte"), up to three channels it stays within the 128 bytes that are allowed without asking, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ("join_cursors", "split_cursors", "tag_of")

_COMPOSITE = re.compile(r"[0-9a-f]{8}\.[0-9a-f-]+(?:_[0-9a-f]{8}\.[0-9a-f-]+)+", re.ASCII)


def tag_of(name: str) -> str:
    """Return what stands for a channel in a composite id."""
    from hashlib import blake2s  # late: it loads OpenSSL, and only channels with a log have ids

    return blake2s(name.encode(), digest_size=4).hexdigest()


def join_cursors(cursors: Mapping[str, str]) -> str:
    """Return one id for the places in ``cursors``, by tag."""
    if len(cursors) == 1:
        return next(iter(cursors.values()))
    return "_".join(f"{tag}.{id}" for tag, id in cursors.items())


def split_cursors(id: str) -> dict[str, str]:
    """Return the places by tag; one that names no channel stands under ``""``."""
    if not id:
        return {}
    if _COMPOSITE.fullmatch(id) is None:
        return {"": id}
    parts = (part.partition(".") for part in id.split("_"))
    return {tag: place for tag, _, place in parts}
