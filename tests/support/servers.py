"""Real servers for tests: each a process group of its own, on a free port of 127.0.0.1.

    with serve("uvicorn", "scenario:app", workers=2) as server:
        request(server.port, "GET", "/ticks")
        stopped = server.stop()             # SIGTERM; also at the end of the block
        assert stopped.code == 0 and stopped.seconds < 3, server.output()

``scenario`` is found in ``tests/support/apps`` unless ``path=`` names another folder. What the
server prints is in ``server.output()``. Nothing is left behind: a server that does not stop is
killed with its whole group, and the block then raises.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import wait_until

__all__ = (
    "APPS",
    "ASGI_SERVERS",
    "SERVERS",
    "WSGI_SERVERS",
    "Server",
    "Stopped",
    "free_port",
    "held_port",
    "serve",
)

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).resolve().parent / "apps"

running: list[Server] = []  # conftest looks here at the end

Command = Callable[[str, int, int | None], list[str]]


def _uvicorn(app: str, port: int, workers: int | None) -> list[str]:
    return ["uvicorn", app, "--host=127.0.0.1", f"--port={port}", *_option("--workers", workers)]


def _granian(interface: str) -> Command:
    def command(app: str, port: int, workers: int | None) -> list[str]:
        return [
            "granian", f"--interface={interface}", "--host=127.0.0.1", f"--port={port}",
            *_option("--workers", workers), app,
        ]  # fmt: skip

    return command


def _hypercorn(in_process: bool) -> Command:
    # --workers 0 serves in the first process; the default mode starts one child and supervises it.
    def command(app: str, port: int, workers: int | None) -> list[str]:
        count = 0 if in_process else workers
        return ["hypercorn", f"--bind=127.0.0.1:{port}", *_option("--workers", count), app]

    return command


def _gunicorn(*options: str) -> Command:
    def command(app: str, port: int, workers: int | None) -> list[str]:
        # --no-control-socket: it would be one file for all gunicorns of this machine.
        return [
            "gunicorn", f"--bind=127.0.0.1:{port}", "--no-control-socket",
            *_option("--workers", workers), *options, app,
        ]  # fmt: skip

    return command


def _option(name: str, value: int | None) -> list[str]:
    return [] if value is None else [f"{name}={value}"]


ASGI_SERVERS: dict[str, Command] = {
    "uvicorn": _uvicorn,
    "granian": _granian("asgi"),
    "hypercorn": _hypercorn(in_process=True),
    "hypercorn-supervised": _hypercorn(in_process=False),
    "gunicorn-uvicorn": _gunicorn("--worker-class=uvicorn_worker.UvicornWorker"),
    "gunicorn-asgi": _gunicorn("--worker-class=asgi"),
}
WSGI_SERVERS: dict[str, Command] = {
    "gunicorn-sync": _gunicorn("--worker-class=sync"),
    "gunicorn-gthread": _gunicorn("--worker-class=gthread", "--threads=8"),
    "granian-wsgi": _granian("wsgi"),
}
SERVERS = ASGI_SERVERS | WSGI_SERVERS


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a server ended.

    Attributes:
        code: Exit code; negative for the signal that ended it.
        seconds: From SIGTERM to the end of the first process.
        killed: It, or a process of its group, outlived the time it was given.
    """

    code: int
    seconds: float
    killed: bool


class Server:
    """A running server. ``serve`` starts one; it is a context manager."""

    def __init__(self, name: str, command: list[str], port: int, env: Mapping[str, str]) -> None:
        self.name, self.port = name, port
        self.stopped: Stopped | None = None
        self._kept: str | None = None
        # A file, not a pipe: nobody need read it for the server to go on.
        handle, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".log")
        self._log = Path(path)
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=ROOT,
                start_new_session=True,  # a group of its own, so that all of it can be ended
            )
        finally:
            os.close(handle)
        running.append(self)

    @property
    def pid(self) -> int:
        """The first process: the one a supervisor would signal."""
        return self.process.pid

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        """Return what the server has printed so far."""
        return self._log.read_text(errors="replace") if self._kept is None else self._kept

    def wait_for(self, text: str, timeout: float = 10.0) -> str:
        """Return the output once it holds ``text``."""
        wait_until(
            lambda: text in self.output(), timeout, lambda: f"no {text!r} in {self.output()}"
        )
        return self.output()

    def accepts(self) -> bool:
        """Whether somebody listens on the port."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def stop(self, timeout: float = 20.0, *, with_signal: int = signal.SIGTERM) -> Stopped:
        """Signal the first process and wait for the group's end; kill what is left then."""
        if self.stopped is not None:
            return self.stopped
        began = time.monotonic()
        self.process.send_signal(with_signal)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = self.kill()
        seconds = time.monotonic() - began
        # A supervisor may leave its children a moment behind it.
        late = not wait_until(lambda: not self._group_lives(), 3.0, fail=False)
        self.kill()
        self.stopped = Stopped(code, seconds, late or code == -signal.SIGKILL)
        return self.stopped

    def kill(self) -> int:
        """End the whole group at once; return the first process's exit code."""
        self._kill_group()
        code = self.process.wait(10)
        if self in running:
            running.remove(self)
            self._kept = self.output()
            self._log.unlink()
        return code

    def _group_lives(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nobody left: what we wanted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stopped = self.stop()
        if error is not None:
            error.add_note(f"{self.name} printed:\n{self.output()}")
        elif stopped.killed:
            raise RuntimeError(f"{self.name} had to be killed; it printed:\n{self.output()}")

    def __repr__(self) -> str:
        return f"<{self.name} pid={self.pid} port={self.port}>"


def serve(
    name: str,
    app: str,
    *,
    workers: int | None = None,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    path: Path = APPS,
    port: int | None = None,
    timeout: float = 20.0,
) -> Server:
    """Start server ``name`` with ``app`` ("module:attribute") and wait until it accepts.

    Args:
        workers: Worker processes; None leaves the server's default.
        args: Further options for the server's command line.
        env: Added to this process's environment.
        path: Folder that the module is found in.
        port: Where it listens, for one that is started again; None: on a free port.
    """
    for attempt in (1, 2, 3):
        at = free_port() if port is None else port
        command = [sys.executable, "-m", *SERVERS[name](app, at, workers), *args]
        server = Server(name, command, at, _environment(path, env or {}))
        try:
            _wait_until_it_accepts(server, timeout)
        except BaseException as error:
            server.kill()
            # Between our look and its bind another process may have taken the port.
            if attempt < 3 and "in use" in server.output().lower():
                continue
            error.add_note(f"{name} printed:\n{server.output()}")
            raise
        return server
    raise AssertionError("unreachable")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody holds at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def held_port() -> socket.socket:
    """Return a socket that keeps a port, until it is closed, for a server that comes and goes.

    It does not listen: who connects while no server runs is refused, and a server with SO_REUSEADDR
    (they all set it) may bind the port; but nobody who asks for any free port is given this one.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def _environment(path: Path, extra: Mapping[str, str]) -> dict[str, str]:
    found_in = os.pathsep.join([str(path), str(ROOT)])
    return {**os.environ, "PYTHONPATH": found_in, "PYTHONUNBUFFERED": "1", **extra}


def _wait_until_it_accepts(server: Server, timeout: float) -> None:
    def ready() -> bool:
        if server.process.poll() is not None:
            raise RuntimeError(f"{server.name} ended with code {server.process.returncode}")
        return server.accepts()

    wait_until(ready, timeout, lambda: f"{server.name} did not accept within {timeout} s")
