"""The command line as people run it: a process, its output, its port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.process import wait_until
from tests.support.servers import Server

__all__ = ("penstock", "run_penstock")

_PENSTOCK = [sys.executable, "-m", "penstock.cli"]
_UP = re.compile(r"is up\..*?http://127\.0\.0\.1:(\d+)", re.DOTALL)


def run_penstock(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [*_PENSTOCK, *args], cwd=cwd, capture_output=True, text=True, timeout=30, check=False
    )


@contextmanager
def penstock(*args: str, cwd: Path | None = None) -> Iterator[Server]:
    """Run a command that serves, on a free port; interrupt it at the end, as Ctrl-C does."""
    command = ["env", "-C", str(cwd or Path.cwd()), *_PENSTOCK, *args, "--port", "0"]
    # No key: the demo would ask a real model.
    env = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    server = Server("penstock", command, 0, env)
    try:
        wait_until(
            lambda: _UP.search(server.output()) or server.process.poll() is not None,
            20.0,
            lambda: f"not up: {server.output()}",
        )
        up = _UP.search(server.output())
        assert up is not None, server.output()
        server.port = int(up[1])
        yield server
    finally:
        server.stop(with_signal=signal.SIGINT)
