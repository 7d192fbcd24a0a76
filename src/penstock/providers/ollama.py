"""Ollama's own API: ``chat`` and ``generate`` of its client.

Lives here: what a line means. Terminal event: ``done`` is true.
Stays out: its OpenAI-compatible endpoint.
"""

from __future__ import annotations

from typing import Any

from penstock.chunk import Chunk, Done, Reasoning, Text
from penstock.providers.failure import failed
from penstock.providers.plain import plain
from penstock.providers.shape import at, ends, finish, usage_of
from penstock.providers.tool_calls import ToolCalls

__all__ = ("Ollama",)


class Ollama:
    """One answer."""

    def __init__(self) -> None:
        self._tools = ToolCalls()

    def feed(self, event: Any) -> list[Chunk]:
        if error := at(event, "error"):
            return [failed("error", error)]
        message = at(event, "message")
        said = at(event, "response") if message is None else at(message, "content")
        thought = at(event, "thinking") if message is None else at(message, "thinking")
        chunks: list[Chunk] = [Reasoning(thought)] if thought else []
        if said:
            chunks.append(Text(said))
        for call in at(message, "tool_calls") or ():
            function = at(call, "function")
            # Each comes whole: an index of our own keeps two calls of one tool apart.
            index = len(self._tools.calls)
            arguments = plain(at(function, "arguments"))
            chunks += self._tools.feed(index, at(call, "id"), at(function, "name"), arguments)
        return chunks + self._finish(event) if at(event, "done") else chunks

    def _finish(self, event: Any) -> list[Chunk]:
        why = at(event, "done_reason") or "stop"
        chunks = self._tools.finish(cut=why == "length")
        if ends(chunks):
            return chunks
        reason = {"stop": "stop", "length": "length"}.get(why, "other")
        if reason == "stop" and self._tools.calls:
            reason = "tool-calls"
        usage = usage_of(input=at(event, "prompt_eval_count"), output=at(event, "eval_count"))
        return [*chunks, Done(reason, usage)]

    def end(self) -> list[Chunk]:
        return finish(None, None)
