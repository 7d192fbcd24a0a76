"""Running something in the main thread, asked from another.

Lives here: the one call that CPython has for it. Signal handlers can be set nowhere else, and the
workers of a threaded WSGI server run all requests elsewhere.

Source: CPython C API, "Asynchronous Notifications", Py_AddPendingCall.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

__all__ = ("in_main_thread",)

logger = logging.getLogger("penstock")

_callbacks: list[Any] = []  # C calls them: they must live until then


def in_main_thread(callback: Callable[[], object]) -> bool:
    """Have the main thread call ``callback``, at once when this is it.

    Elsewhere it is called when the main thread next runs Python code: a server's loop does when
    its poll returns, a thread that waits for a lock for ever does not. Return False where an
    interpreter has no such call.
    """
    if threading.current_thread() is threading.main_thread():
        callback()
        return True
    try:
        import ctypes  # here: only servers with threads pay for it

        add_pending_call = ctypes.pythonapi.Py_AddPendingCall
    except (ImportError, AttributeError):
        return False

    def call(_: Any) -> int:
        try:
            callback()
        except Exception:
            logger.exception("%r failed in the main thread", callback)
        return 0

    pending = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(call)
    _callbacks.append(pending)
    return bool(add_pending_call(pending, None) == 0)
