"""Runs a command, and takes it and all that it started along when its own parent dies.

Lives here: a script for an interpreter of its own, started with a pipe as its input whose other end
the parent holds: the end of that pipe is the parent's, however it came. Stays out: everything else,
imports of ours included: it is the price of each start of a function.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
from contextlib import suppress

__all__ = ("main",)


def main(command: list[str]) -> None:
    """Run ``command`` to its end and end as it did."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        try:
            os.execvp(command[0], command)  # noqa: S606  # the user's own function
        except OSError as exc:
            os.write(2, f"{command[0]}: {exc.strerror}\n".encode())
            os._exit(127)
    with suppress(PermissionError):  # it has begun already, and has done so itself
        os.setpgid(child, child)
    _thread.start_new_thread(_watch, (child,))
    # Not reaped yet, so that the number of its group is nobody else's.
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    _kill_group(child)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _watch(child: int) -> None:
    while os.read(0, 64):
        pass
    _kill_group(child)


def _kill_group(group: int) -> None:
    # Workers that the command forked are in it as well.
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
