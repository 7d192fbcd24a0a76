"""How long to wait before asking again.

Lives here: the delay of each attempt. Source of the floor: WHATWG HTML, section 9.2.3, "wait a
delay equal to the reconnection time" and, optionally, more.
Stays out: waiting, and whether to ask again at all.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ("Backoff",)

# A server may say "retry: 0": what fails again and again still gets slower.
_LEAST_GROWTH = 0.5


class Backoff:
    """Delays that grow while attempts bring nothing.

    The first is the reconnection time itself. Each further one is that, and a random part on top
    whose bound doubles ("full jitter"): readers who lost one server do not come back as one.

    Args:
        base: Reconnection time in seconds; the server's ``retry`` replaces it.
        cap: Longest delay in seconds, unless the server itself asks for a longer one.
        uniform: ``random.uniform``, or a test's.
    """

    def __init__(
        self, base: float, cap: float, *, uniform: Callable[[float, float], float]
    ) -> None:
        self.base = base
        self._cap, self._uniform = cap, uniform
        self._vain = 0

    def reset(self) -> None:
        """An attempt brought something: begin with the reconnection time again."""
        self._vain = 0

    def next(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait now, ``at_least`` those that the server asked for."""
        floor = max(self.base, at_least)
        bound = min(self._cap, max(self.base, _LEAST_GROWTH) * 2.0 ** min(self._vain, 64))
        delay = floor if not self._vain or bound <= floor else self._uniform(floor, bound)
        self._vain += 1
        return delay
