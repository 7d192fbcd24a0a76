"""Run in LiteLLM's own environment: reads its streams through ``chunks`` and leaves them.

It takes one JSON line for each case, ``{"url", "model", "state"}``, and one more line as the
word to leave; it says what it has to say in lines that begin with ``@@``, since LiteLLM prints too.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import litellm  # type: ignore[import-not-found]  # it has an environment of its own

from penstock.llm import chunks


def say(what: Any) -> None:
    print(f"\n@@{json.dumps(what)}", flush=True)


async def word() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def ask(url: str, model: str) -> Any:
    return litellm.acompletion(
        model=model,
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
        api_base=f"{url}/v1" if model.startswith("openai/") else url,
        api_key="k",
        num_retries=0,
    )


async def take_all(source: Any) -> list[Any]:
    return [chunk.to_dict() async for chunk in source]


async def run(url: str, model: str, state: str) -> None:
    source = chunks(lambda: ask(url, model))
    if state == "whole":
        say(await take_all(source))
    elif state == "parked":
        async for _ in source:
            break
        await word()
        await source.aclose()
        say("left")
    else:  # before the first token, or in the middle
        task = asyncio.create_task(take_all(source))
        await word()
        task.cancel()
        await asyncio.wait((task,))
        say("left")


async def main() -> None:
    say("ready")
    while line := await word():
        await run(**json.loads(line))


asyncio.run(main())
