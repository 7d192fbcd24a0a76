"""The command line in a terminal: what it writes to one, byte by byte."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

__all__ = ("Terminal",)


class Terminal:
    """The command in a terminal of 80 columns."""

    def __init__(self, *args: str, **env: str) -> None:
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "penstock.cli", *args],
            stdin=other, stdout=other, stderr=other, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **env},
        )  # fmt: skip
        os.close(other)
        self.seen = ""

    def wait_for(self, text: str, timeout: float = 20.0) -> str:
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            if not self._read():
                break
        assert text in self.seen
        return self.seen

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._main)
        return self.process.wait(20)

    def _read(self) -> bool:
        if not select.select([self._main], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._main, 65536)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
