"""``Llm``: ask a model by its official SDK, whichever it is.

Lives here: the class users construct. Stays out: requests (``with_*``), retries and tools
(``rounds``), what events mean (``providers/``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from weakref import ref

from penstock.chunk import Chunk
from penstock.errors import InvalidOption
from penstock.llm.dialect import Ask, Dialect, Settings, as_messages
from penstock.llm.rounds import Policy, ask_in_rounds, ask_once
from penstock.llm.tools import tools_of

__all__ = ("Llm",)

_NAMES = {
    "openai": "openai",
    "anthropic": "anthropic",
    "claude": "anthropic",
    "bedrock": "bedrock",
    "google": "google",
    "gemini": "google",
}


class Llm:
    """A model to ask.

    Args:
        provider: "openai", "anthropic", "bedrock" or "google"; any other name with ``base_url``.
        model: Its name; by default a small one of the provider's.
        base_url: Where the provider is. With "openai", or a name of your own: any server that
            speaks like OpenAI (Ollama, vLLM, OpenRouter, LiteLLM's proxy, ...).
        api_key: By default what the SDK finds in the environment.
        client: An SDK's client that you made, in place of one made here.
        retries: How often a request that failed before its first chunk is sent again.
        max_rounds: How often at most the model is asked in one answer with ``run_tools``.
        sleep: Waits between retries, in seconds.

    Raises:
        InvalidOption: An unknown provider, or a number that cannot be meant.

    Example:
        ``async for chunk in Llm("anthropic").stream("Tell me a joke"): ...``
    """

    def __init__(
        self,
        provider: str,
        model: str | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        client: Any = None,
        retries: int = 2,
        max_rounds: int = 8,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._dialect = _dialect(provider, base_url)
        if not isinstance(retries, int) or retries < 0:
            raise InvalidOption("retries", retries, "a whole number, 0 or more")
        if not isinstance(max_rounds, int) or max_rounds < 1:
            raise InvalidOption("max_rounds", max_rounds, "a whole number, 1 or more")
        self.provider = provider
        self.model = model or self._dialect.default_model
        self._settings = Settings(base_url, api_key)
        self._given = client
        self._client: Any = None
        self._loop: Callable[[], Any] = lambda: None
        policy = Policy(retries, max_rounds)
        self._policy = policy if sleep is None else Policy(retries, max_rounds, sleep)

    def stream(
        self,
        prompt: str | Mapping[str, Any] | Sequence[Any],
        *,
        system: str | None = None,
        tools: Sequence[Any] | None = None,
        run_tools: bool = False,
        max_tokens: int | None = None,
        model: str | None = None,
        **options: Any,
    ) -> AsyncGenerator[Chunk, None]:
        """Return the chunks of the model's answer; exactly one ``Done`` or ``Error`` is the last.

        The request is sent when the first chunk is asked for; leaving the loop's ``aclosing``, or
        the response it streams into, closes the provider's connection.

        Args:
            prompt: A text, or messages: ``{"role", "content"}``, or the provider's own.
            system: What the model is told beforehand.
            tools: Python functions, whose signature is the schema, or the provider's own
                declarations.
            run_tools: Run the functions that the model calls, tell it the results, and go on
                until it calls none; every round is a step, and the usage is that of all.
            max_tokens: How long each round's answer may become.
            model: Another model for this question.
            **options: Handed on to the SDK's call: ``temperature=``, ``thinking=``, ...

        Raises:
            InvalidOption: A prompt or tools that cannot be meant.
            ExtraNotInstalled: While iterating: the provider's SDK is not installed.
            Exception: While iterating: what the SDK raised before the first chunk.
        """
        messages, found = self._dialect.messages(as_messages(prompt))
        texts = [text for text in (system, found) if text]
        ask = Ask(
            model=model or self.model,
            messages=list(messages),
            system="\n".join(texts) or None,
            tools=tools_of(tools),
            max_tokens=max_tokens,
            options=options,
        )
        if run_tools:
            return ask_in_rounds(self._dialect, self._connect, ask, self._policy)
        return ask_once(self._dialect, self._connect, ask, self._policy.retries, self._policy)

    def _connect(self) -> Any:
        """Return the client of the running loop: a pool's connections belong to one loop."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop() is not loop:
            self._client, self._loop = self._dialect.client(self._settings), ref(loop)
        return self._client


def _dialect(provider: str, base_url: str | None) -> Dialect:
    name = _NAMES.get(provider.lower()) if isinstance(provider, str) else None
    if name is None and isinstance(provider, str) and base_url is not None:
        name = "openai"
    if name == "openai":
        from penstock.llm.with_openai import OpenAi

        return OpenAi()
    if name == "anthropic":
        from penstock.llm.with_anthropic import Anthropic

        return Anthropic()
    if name == "bedrock":
        from penstock.llm.with_bedrock import Bedrock

        return Bedrock()
    if name == "google":
        from penstock.llm.with_google import Google

        return Google()
    known = ", ".join(f'"{each}"' for each in ("openai", "anthropic", "bedrock", "google"))
    raise InvalidOption("provider", provider, f"one of {known}, or any name with base_url=")
