"""A real redis-server of the tests' own, on a free port, that can be killed and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.process import wait_until
from tests.support.servers import held_port

__all__ = ("RedisServer",)


class RedisServer:
    """redis-server with a folder of its own; as a context manager it runs.

    Args:
        durable: Each write is on the disk before it is answered (``appendfsync always``).
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._held = held_port()
        self.port: int = self._held.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = tempfile.mkdtemp(prefix="penstock-redis-")
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return when it answers."""
        policy = ["yes", "--appendfsync", "always"] if self._durable else ["no"]
        self._process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", ""]
            + ["--dir", self._folder, "--appendonly", *policy, "--logfile", "redis.log"],
            stdin=subprocess.DEVNULL,
        )
        wait_until(self.answers, 20.0, lambda: f"redis-server does not answer: {self.log()}")

    def answers(self) -> bool:
        """Return whether it answers a PING."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64) == b"+PONG\r\n"
        except OSError:
            return False

    def log(self) -> str:
        """Return what it has logged."""
        path = Path(self._folder, "redis.log")
        return path.read_text()[-2000:] if path.exists() else ""

    def kill(self) -> None:
        """Kill it as a power cut would, but for what the operating system holds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.kill()
        self._held.close()
        shutil.rmtree(self._folder, ignore_errors=True)
