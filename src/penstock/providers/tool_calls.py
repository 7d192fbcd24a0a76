"""Tool calls that come in pieces, put together whatever the provider leaves out.

Lives here: which call a piece belongs to, minted ids, and what makes a call malformed.
Stays out: where a provider's events keep the pieces.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from penstock.chunk import Chunk, Error, ToolCall, ToolCallDelta, ToolCallStart
from penstock.providers.failure import malformed
from penstock.providers.plain import plain

__all__ = ("Call", "ToolCalls", "mint_id")


def mint_id() -> str:
    """Return an id for a call that its provider left without one."""
    return f"call_{uuid4().hex[:24]}"


class Call:
    """One call, as far as it has come."""

    __slots__ = ("_pieces", "done", "executed", "id", "metadata", "minted", "name", "started")

    def __init__(self, id: str | None = None, name: str | None = None) -> None:
        self.minted = not id
        self.id = id or mint_id()
        self.name = name or ""
        self.started = self.done = False
        self.executed: bool | None = None
        self.metadata: dict[str, Any] | None = None
        self._pieces: list[str] = []

    @property
    def arguments(self) -> str:
        """The JSON text so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, piece: str | None) -> list[Chunk]:
        """Take a piece of the arguments; return what can be said of the call now."""
        if not self.started:
            if piece:
                self._pieces.append(piece)
            if not self.name:
                return []  # the name is still to come: nothing can be said without it
            self.started = True
            begun: list[Chunk] = [ToolCallStart(self.id, self.name)]
            if self.arguments:
                begun.append(ToolCallDelta(self.id, self.arguments))
            return begun
        if not piece:
            return []
        self._pieces.append(piece)
        return [ToolCallDelta(self.id, piece)]

    def finish(self, arguments: str | None = None) -> list[Chunk]:
        """Return the whole call, or the error that it is malformed.

        Args:
            arguments: The whole JSON text, where the provider repeats it.
        """
        if self.done:
            return []
        self.done = True
        text = (self.arguments or arguments or "").strip()
        chunks = self.add(None)
        if not self.name:
            return [malformed("it has no name", text)]
        try:
            input = json.loads(text) if text else {}
        except ValueError:
            return [*chunks, malformed("its arguments are not JSON", text)]
        if chunks and text and not self._pieces:
            chunks.append(ToolCallDelta(self.id, text))
        call = ToolCall(self.id, self.name, text or "{}", input, self.metadata, self.executed)
        return [*chunks, call]

    def is_complete(self) -> bool:
        """Whether the arguments so far are a whole JSON text, or none have come."""
        text = self.arguments
        if not text or text.rstrip()[-1:] not in ("}", "]", '"', "l", "e"):
            return not text
        try:
            json.loads(text)
        except ValueError:
            return False
        return True


class ToolCalls:
    """The calls of one answer, told apart also where ids or indexes are missing.

    A piece opens a new call if it has a new id, or a new index, or a name while the current call
    has all of its arguments; otherwise it continues one. That holds for Ollama (no index), vLLM
    (no id), LiteLLM (index 0 for every call) and servers that repeat the id on each piece.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._by_id: dict[str, Call] = {}
        self._by_index: dict[int, Call] = {}

    def feed(self, index: int | None, id: str | None, name: str | None, piece: Any) -> list[Chunk]:
        """Take one delta; return its chunks."""
        if piece is not None and not isinstance(piece, str):
            piece = json.dumps(plain(piece))  # some servers send the object itself
        call = self._find(index, id, name)
        if call is None:
            call = Call(id, name)
            self.calls.append(call)
            self._by_id[call.id] = call
        elif name and not call.name:
            call.name = name
        if index is not None:
            self._by_index[index] = call
        return call.add(piece)

    def _find(self, index: int | None, id: str | None, name: str | None) -> Call | None:
        if id and id in self._by_id:
            return self._by_id[id]
        if index is not None:
            current = self._by_index.get(index)
        else:
            current = self.calls[-1] if self.calls else None
        if current is None:
            return None
        if id:
            # A new id is a new call, unless it is the late id of one that has begun without.
            return current if current.minted and not name else None
        if name and current.name:
            if current.arguments:
                return None if current.is_complete() else current
            return current if name == current.name else None
        return current

    def finish(self, *, cut: bool) -> list[Chunk]:
        """Return all whole calls; an ``Error`` is the last where one is malformed.

        ``cut``: the model ran into its limit, so a call whose arguments break off is no call.
        """
        chunks: list[Chunk] = []
        for call in self.calls:
            if cut and not (call.name and call.arguments and call.is_complete()):
                continue
            chunks += call.finish()
            if chunks and isinstance(chunks[-1], Error):
                return chunks
        return chunks
