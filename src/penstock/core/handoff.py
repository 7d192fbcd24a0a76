"""One value at a time from a producer to a consumer that asks for it.

Lives here: the rendezvous by which frameworks that pull a body get it from a stream that pushes,
without a second buffer: ``put`` returns when the consumer has come back for more.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from penstock.errors import ClientDisconnected

__all__ = ("Handoff",)

T = TypeVar("T")


class Handoff(Generic[T]):
    """A slot for one value, on one event loop, between one producer and one consumer."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._is_set = self._ended = self._left = False
        self._error: BaseException | None = None
        self._giver: asyncio.Future[None] | None = None  # waits until it is asked again
        self._taker: asyncio.Future[None] | None = None  # waits for a value

    async def put(self, value: T) -> None:
        """Hand over ``value``; return when the consumer, having taken it, asks for the next.

        Raises:
            ClientDisconnected: The consumer has left.
        """
        if self._left:
            raise ClientDisconnected("the reader left")
        self._value, self._is_set = value, True
        _wake(self._taker)
        self._giver = asyncio.get_running_loop().create_future()
        try:
            await self._giver
        finally:
            self._giver = None
        if self._left:
            raise ClientDisconnected("the reader left")

    def give_last(self, value: T) -> None:
        """Hand over the last value; nobody waits for it to be taken."""
        self._value, self._is_set, self._ended = value, True, True
        _wake(self._taker)

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; the consumer sees ``error``, or the end."""
        self._ended, self._error = True, error
        _wake(self._taker)

    async def get(self) -> T | None:
        """Return the next value, or None at the end.

        Raises:
            BaseException: What the producer ended with.
        """
        if not self._is_set:
            _wake(self._giver)
        while not self._is_set:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return None
            self._taker = asyncio.get_running_loop().create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        self._is_set = False
        value, self._value = self._value, None
        return value

    def leave(self) -> None:
        """The consumer wants no more."""
        self._left = True
        _wake(self._giver)


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
