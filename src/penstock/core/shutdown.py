"""Telling open streams that the process is going away.

Lives here: who is open, and one signal hook that chains to what was there. No server's class is
touched: uvicorn keeps open streams alive until they end by themselves, so somebody must tell them.

The hook is installed at the first stream, by the main thread. From a WSGI server's thread pool
that is asked of it, and done when its loop next turns (gunicorn's gthread: within a second). A
main thread that never runs Python again (granian's, for WSGI) never does it: such a host's owner
calls ``penstock.shutdown()``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol, runtime_checkable

from penstock.core.ending import Ending
from penstock.core.main_thread import in_main_thread

__all__ = ("GRACE", "Stoppable", "enroll", "hook_signals", "shutdown", "stop_open", "withdraw")

logger = logging.getLogger("penstock")

# What open streams get to end by themselves (drain) or to write their last words, in seconds.
GRACE = 2.0

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stoppable(Protocol):
    """Something open that ends when told."""

    def shut_down(self) -> None:
        """End in good order within the grace; called on the loop it was enrolled from."""


@runtime_checkable
class _Endable(Protocol):
    """Something open that may be ended for any reason."""

    def stop(self, ending: Ending) -> None:
        """End for the reason that ``ending`` says."""


_open: dict[asyncio.AbstractEventLoop, set[Stoppable]] = {}
# Reentrant: a signal handler may run in the middle of what its own thread does under the lock.
_lock = threading.RLock()


def enroll(stream: Stoppable) -> None:
    """Keep ``stream`` told of a shutdown until it withdraws; called on its loop."""
    loop = asyncio.get_running_loop()
    streams = _open.get(loop)
    if streams is None:
        with _lock:
            for closed in [other for other in _open if other.is_closed()]:
                del _open[closed]
            streams = _open.setdefault(loop, set())
        in_main_thread(hook_signals)  # per loop: a server started anew has set handlers anew
    streams.add(stream)


def withdraw(stream: Stoppable) -> None:
    """``stream`` has ended."""
    loop = asyncio.get_running_loop()
    streams = _open.get(loop)
    if streams is not None:
        streams.discard(stream)


def stop_open(ending: Ending) -> bool:
    """Stop every open stream of the running loop; return whether there was one.

    For hosts that serve one request at a time and know when its time is up.
    """
    running = list(_open.get(asyncio.get_running_loop(), ()))
    streams = [stream for stream in running if isinstance(stream, _Endable)]
    for stream in streams:
        stream.stop(ending)
    return bool(streams)


def shutdown() -> None:
    """Tell every open stream of this process to end: its reader gets the last words.

    Returns at once; callable from any thread and from a signal handler. For hosts whose signals
    never reach this process's main thread.
    """
    with _lock:
        loops = list(_open)
    for loop in loops:
        try:
            loop.call_soon_threadsafe(_stop_all, loop)
        except RuntimeError:  # it is closed, and its streams with it
            logger.debug("%r is closed", loop)


def _stop_all(loop: asyncio.AbstractEventLoop) -> None:
    for stream in list(_open.get(loop, ())):
        try:
            stream.shut_down()
        except Exception:
            logger.exception("a stream failed to shut down")


def hook_signals() -> None:
    """Install the hook, when this is the main thread; harmless when it is there already."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        previous = signal.getsignal(number)
        # None: installed from C, cannot be chained to. SIG_IGN: somebody wants it ignored.
        if previous in (None, signal.SIG_IGN) or isinstance(previous, _Hook):
            continue
        try:
            signal.signal(number, _Hook(previous))
        except ValueError:  # not the main interpreter: signals are not ours
            logger.debug("no signal hook; call penstock.shutdown()")
            return


class _Hook:
    """A signal handler: tells the streams, then does what was done before.

    Each remembers its own predecessor, since a server that ends puts back what it found: that may
    be an older hook, which must not call into the server that has gone.
    """

    __slots__ = ("_previous",)

    def __init__(self, previous: Any) -> None:
        self._previous = previous

    def __call__(self, number: int, frame: FrameType | None) -> None:
        shutdown()
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous == signal.SIG_DFL:
            # The default is to die at once: after the drain, then. A second signal does not wait.
            signal.signal(number, signal.SIG_DFL)
            _when_drained(lambda: os.kill(os.getpid(), number))


def _when_drained(then: Callable[[], None]) -> None:
    def wait() -> None:
        deadline = threading.Event()
        for _ in range(int(GRACE * 20) + 10):
            if not any(_open.values()):
                break
            deadline.wait(0.05)
        then()

    threading.Thread(target=wait, name="penstock-drain", daemon=True).start()


def _forget() -> None:
    """After a fork: the parent's streams are not the child's, nor is who held the lock."""
    global _lock
    _open.clear()
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
