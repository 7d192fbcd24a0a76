"""The servers that are compared: how each is started, found ready, and stopped."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.process import SERVER_CORE, pinned

__all__ = ("CONTENDERS", "Contender", "Server", "free_port", "missing", "serving")

ROOT = Path(__file__).resolve().parent.parent
_UVICORN = (
    *("--loop", "uvloop", "--http", "httptools", "--log-level", "error", "--no-access-log"),
    *("--backlog", "4096", "--timeout-graceful-shutdown", "1"),
)


@dataclass(frozen=True, slots=True)
class Contender:
    """One server of the table.

    Attributes:
        name: What ``--servers`` takes.
        label: What the table shows.
        app: ``module:app`` for uvicorn, or the path of a Node program.
        needs: The module it is about, or the Node package.
    """

    name: str
    label: str
    app: str
    needs: str

    @property
    def is_node(self) -> bool:
        """Whether it runs on Node."""
        return self.app.endswith(".mjs")

    def command(self, port: int) -> list[str]:
        """Return the command line that serves on ``port``."""
        if self.is_node:
            return ["node", str(ROOT / self.app), str(port)]
        return [sys.executable, "-m", "uvicorn", self.app, "--port", str(port), *_UVICORN]


CONTENDERS = (
    Contender("raw", "raw ASGI by hand", "bench.apps.raw:app", "uvicorn"),
    Contender("raw-watching", "raw, watching", "bench.apps.raw_watching:app", "uvicorn"),
    Contender("bare-pump", "a bare pump", "bench.apps.bare_pump:app", "penstock"),
    Contender("penstock", "penstock", "bench.apps.ours:app", "penstock"),
    Contender(
        "sse-starlette", "sse-starlette", "bench.apps.sse_starlette_app:app", "sse_starlette"
    ),
    Contender("fastapi", "FastAPI's SSE", "bench.apps.fastapi_app:app", "fastapi"),
    Contender("litestar", "Litestar", "bench.apps.litestar_app:app", "litestar"),
    Contender("better-sse", "better-sse (Node)", "bench/apps/better_sse.mjs", "better-sse"),
)


def missing(contender: Contender) -> str | None:
    """Return what has to be installed before ``contender`` can run, or None."""
    if contender.is_node:
        if shutil.which("node") is None:
            return "node"
        package = ROOT / "bench" / "node_modules" / contender.needs
        return None if package.is_dir() else f"{contender.needs}: npm install in bench/"
    for module in ("uvicorn", "uvloop", "httptools", "orjson", contender.needs):
        if find_spec(module) is None:
            return f"{module}: pip install -r bench/requirements.txt"
    return None


@dataclass(frozen=True, slots=True)
class Server:
    """A running contender."""

    contender: Contender
    port: int
    pid: int


@contextmanager
def serving(contender: Contender) -> Iterator[Server]:
    """Run ``contender`` on the server's core; it is gone when the block is left.

    Raises:
        RuntimeError: It did not come up.
    """
    port = free_port()
    with pinned(SERVER_CORE):
        process = subprocess.Popen(contender.command(port), cwd=ROOT)
    try:
        _wait_ready(process, port)
        yield Server(contender, port, process.pid)
    finally:
        # Not asked politely: streams are open, and nothing of it is to be kept.
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"it did not come up (exit {process.poll()}): {process.args!r}")
