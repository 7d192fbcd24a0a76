"""A model's stream to the UI message stream, side by side: an SDK's objects in, bytes out.

CPU time of one core, without a network: what one chunk costs a server. Vercel's own Python
adapter is not here: it needs Python 3.12, and its own runtime in place of the SDK's stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median
from typing import Any, Self

__all__ = ("WIRES", "compare_wires")

_Run = Callable[[list[Any]], Awaitable[int]]


def objects(count: int) -> list[Any]:
    """Return ``count`` of OpenAI's chunks, a word each, and the last one."""
    from openai.types.chat import ChatCompletionChunk

    def chunk(delta: dict[str, Any], reason: str | None) -> Any:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return ChatCompletionChunk.model_validate({**base, "choices": [choice]})

    return [*(chunk({"content": f" word{n}"}, None) for n in range(count)), chunk({}, "stop")]


class _Stream:
    """OpenAI's stream without its HTTP."""

    def __init__(self, chunks: list[Any]) -> None:
        self._chunks = iter(chunks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    async def close(self) -> None:
        return None

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


def _penstock() -> _Run:
    from penstock import Ending, UiMessageStream
    from penstock.llm import chunks

    async def run(made: list[Any]) -> int:
        encoder = UiMessageStream().encoder(end_mark=True)
        size = len(encoder.open())
        async for chunk in chunks(_Stream(made)):
            size += len(encoder.item(chunk))
        return size + len(encoder.close(Ending.COMPLETED) or b"")

    return run


def _pydantic_ai() -> _Run:
    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.ui.vercel_ai import VercelAIAdapter

    body = (
        b'{"id":"c","trigger":"submit-message","messages":[{"id":"u","role":"user",'
        b'"parts":[{"type":"text","text":"hi"}]}]}'
    )

    async def run(made: list[Any]) -> int:
        client: Any = AsyncOpenAI(api_key="k", base_url="http://127.0.0.1:9/v1")

        async def create(**options: Any) -> _Stream:
            return _Stream(made)

        client.chat.completions.create = create
        agent = Agent(OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client)))
        adapter = VercelAIAdapter(agent=agent, run_input=VercelAIAdapter.build_run_input(body))
        return sum([len(each) async for each in adapter.encode_stream(adapter.run_stream())])

    return run


_LOADERS: dict[str, Callable[[], _Run]] = {"penstock": _penstock, "pydantic-ai": _pydantic_ai}
WIRES = tuple(_LOADERS)


def compare_wires(count: int, rounds: int) -> dict[str, float | str]:
    """Return the seconds that each takes for a chunk, the median of ``rounds``, or why not.

    Args:
        count: Chunks of one stream.
        rounds: How often; they take turns.
    """
    found: dict[str, float | str] = {}
    runs: dict[str, _Run] = {}
    for name, load in _LOADERS.items():
        try:
            runs[name] = load()
            objects(0)
        except ImportError as exc:
            runs.pop(name, None)
            found[name] = f"not installed ({exc.name})"
    taken: dict[str, list[float]] = {name: [] for name in runs}
    made = objects(count) if runs else []
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(asyncio.run(_timed(name, run, made)) / count)
    return {name: found.get(name) or median(taken[name]) for name in WIRES}


async def _timed(name: str, run: _Run, made: list[Any]) -> float:
    began = time.process_time()
    size = await run(made)
    spent = time.process_time() - began
    if size < 40 * len(made):  # each is an event of some 60 bytes
        raise RuntimeError(f"{name} wrote {size} bytes of {len(made)} chunks")
    return spent
