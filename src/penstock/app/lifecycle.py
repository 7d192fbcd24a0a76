"""What runs around a handler: guards before it, set-up and tear-down about it.

Lives here: each kind's meaning and order. Stays out: the chain they stand in (``endpoint.py``).
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from penstock.app.context import Context
from penstock.core.response import Response
from penstock.errors import HttpError, InvalidOption

__all__ = ("Guard", "Step", "as_guards", "as_steps", "check_available", "run_guards", "run_steps")

logger = logging.getLogger("penstock")

# True or None: go on; False: the guard's status; a Response, or a raised error: stop with it.
GuardFunction: TypeAlias = Callable[
    [Context], "bool | Response | None | Awaitable[bool | Response | None]"
]


# Named tuples, as in ``plan.py``: quick to define.
class Guard(NamedTuple):
    """A check before the handler runs, and the status of its plain "no"."""

    check: GuardFunction
    status: int


class Step(NamedTuple):
    """One set-up or tear-down; takes the context or nothing."""

    function: Callable[..., Any]
    takes_context: bool

    async def run(self, ctx: Context) -> None:
        """Run it, awaiting what is to be awaited."""
        result = self.function(ctx) if self.takes_context else self.function()
        if inspect.isawaitable(result):
            await result


def as_guards(option: str, given: Any, status: int) -> tuple[Guard, ...]:
    """Return one callable, or a list of them, as guards.

    Raises:
        InvalidOption: An entry is not callable.
    """
    return tuple(Guard(check, status) for check in _callables(option, given))


def as_steps(option: str, given: Any) -> tuple[Step, ...]:
    """Return one callable, or a list of them, as steps.

    Raises:
        InvalidOption: An entry is not callable.
    """
    return tuple(Step(one, _takes_context(one)) for one in _callables(option, given))


async def run_guards(guards: Iterable[Guard], ctx: Context) -> Response | None:
    """Run ``guards`` in order; return the Response that one of them answers with.

    Raises:
        HttpError: A guard said False.
        TypeError: A guard returned what is none of its answers.
    """
    for guard in guards:
        verdict = guard.check(ctx)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if verdict is None or verdict is True:
            continue
        if isinstance(verdict, Response):
            return verdict
        if verdict is False:
            raise HttpError(guard.status)
        raise TypeError(
            f"{_name(guard.check)} returned {verdict!r}; a guard returns None or True to go on, "
            "False or a Response to stop"
        )
    return None


async def run_steps(steps: Iterable[Step], ctx: Context) -> None:
    """Run tear-down ``steps``: each of them, also when an earlier one raised."""
    for step in steps:
        try:
            await step.run(ctx)
        except Exception:
            logger.exception("teardown %s failed", _name(step.function))


def check_available(unavailable: bool) -> None:
    """Refuse the request while the endpoint, or the whole project, is switched off.

    Raises:
        HttpError: 503; ``unavailable=True``, or ``PROJECT_UNAVAILABLE`` is set to a yes.
    """
    switch = os.environ.get("PROJECT_UNAVAILABLE", "").strip().lower()
    if unavailable or switch not in ("", "0", "false", "no", "off"):
        raise HttpError(503)


def _callables(option: str, given: Any) -> list[Callable[..., Any]]:
    entries = [given] if callable(given) else given
    if entries is None:
        return []
    if isinstance(entries, (str, bytes)) or not isinstance(entries, Iterable):
        raise InvalidOption(option, given, "a function or a list of functions")
    entries = list(entries)
    for entry in entries:
        if not callable(entry):
            raise InvalidOption(option, entry, "a function or a list of functions")
    return entries


def _takes_context(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a C function that does not tell
        return True
    return any(
        parameter.kind
        in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        for parameter in parameters
    )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
