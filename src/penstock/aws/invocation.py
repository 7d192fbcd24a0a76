"""Invocations that can be answered by a stream, by their request ids.

Lives here: how whoever took an invocation from the Runtime API (the hook on awslambdaric, our own
loop, a test) lends its wire to the handler, and learns that it is answered.
Stays out: the wires themselves, what is answered.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeAlias

from penstock.aws.runtime_api import FunctionError

__all__ = (
    "Connect",
    "Invocation",
    "Wire",
    "at_runtime_api",
    "begin",
    "current",
    "end",
    "is_answered",
)


class Wire(Protocol):
    """The response of one invocation, as a stream."""

    @property
    def was_refused(self) -> bool:
        """Whether the other end took no more before the response was over."""
        ...

    async def write(self, data: bytes) -> None:
        """Send ``data``; return when there is room for more."""

    def finish(self, error: FunctionError | None = None, data: bytes = b"") -> None:
        """End the response, after ``data`` and with word of ``error``.

        ``accepted`` tells when it has arrived.
        """

    async def accepted(self) -> None:
        """Return when the response was taken, whole."""

    async def close(self) -> None:
        """Drop the wire; before ``finish`` the other end sees a response that was cut."""


# Opens the wire, given the body's content type.
Connect: TypeAlias = Callable[[str], Awaitable[Wire]]


class Invocation:
    """One invocation that may be answered by a stream.

    Attributes:
        request_id: AWS's id of it.
        connect: Opens its wire.
        is_answered: Whether the response has begun, so that nobody else may answer.
    """

    __slots__ = ("connect", "is_answered", "request_id")

    def __init__(self, request_id: str, connect: Connect) -> None:
        self.request_id, self.connect = request_id, connect
        self.is_answered = False


# One at a time in a process, as a rule; whoever begins one ends it.
_open: dict[str, Invocation] = {}


def begin(invocation: Invocation) -> None:
    """Lend the wire of ``invocation`` to its handler, until ``end``."""
    _open[invocation.request_id] = invocation


def current(context: Any) -> Invocation | None:
    """Return the invocation that ``context`` is of; None: nobody lends its wire."""
    return _open.get(getattr(context, "aws_request_id", None) or "")


def is_answered(request_id: str) -> bool:
    """Return whether the response of an open invocation has begun."""
    invocation = _open.get(request_id)
    return invocation is not None and invocation.is_answered


def end(request_id: str) -> bool:
    """Take the wire back; return whether the invocation was answered."""
    invocation = _open.pop(request_id, None)
    return invocation is not None and invocation.is_answered


def at_runtime_api(
    request_id: str, address: str | None, invocation_id: str | None = None
) -> Invocation:
    """Return an invocation that is answered at the Runtime API.

    Args:
        request_id: AWS's id of it.
        address: ``host:port``; None: what the environment says.
        invocation_id: Its ``Lambda-Runtime-Invocation-Id``, where it has one.
    """
    address = address or os.environ.get("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    return Invocation(request_id, partial(_open_post, address, request_id, invocation_id))


async def _open_post(
    address: str, request_id: str, invocation_id: str | None, content_type: str
) -> Wire:
    from penstock.aws.runtime_client import ResponsePost  # sockets: not before they are needed

    return await ResponsePost.open(address, request_id, content_type, invocation_id)


def _forget() -> None:
    """After a fork: the parent's invocations are not the child's."""
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
