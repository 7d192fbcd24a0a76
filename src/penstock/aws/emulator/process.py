"""The function's process: started, read, killed; never left behind.

Lives here: the command, its environment, its output by lines. Stays out: what it is asked to do.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from penstock.aws.emulator import guard

__all__ = ("FunctionProcess", "default_command", "lambda_environment")

# A line that does not end is shown in pieces of this size (bytes).
_LONGEST_LINE = 256 * 1024
_READ_SIZE = 64 * 1024


def default_command(handler: str, python: str | None = None) -> list[str]:
    """Return how ``handler`` is run: AWS's own runtime client, or ours where that is missing."""
    if python is not None or find_spec("awslambdaric") is not None:
        return [python or sys.executable, "-m", "awslambdaric", handler]
    return [sys.executable, "-m", "penstock.aws.runtime", handler]


def lambda_environment(
    *, name: str, handler: str, directory: Path, memory: int, region: str
) -> dict[str, str]:
    """Return the variables that Lambda sets, beside AWS_LAMBDA_RUNTIME_API."""
    return {
        "_HANDLER": handler,
        "LAMBDA_TASK_ROOT": str(directory),
        "LAMBDA_RUNTIME_DIR": str(directory),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local/[$LATEST]penstock",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "TZ": ":UTC",
    }


class FunctionProcess:
    """One running process, with everything that it starts.

    Args:
        on_line: Called with each line of its output and errors.

    Attributes:
        pid: Of the guard; the function is its child.
        code: Exit code once it has ended; negative for a signal.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, on_line: Callable[[str], object]
    ) -> None:
        self._process = process
        self._on_line = on_line
        self.pid = process.pid
        self.code: int | None = None
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], object],
    ) -> FunctionProcess:
        """Start ``command``; a command that is not there ends with exit code 127."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            guard.__file__,
            *command,
            env=dict(env),
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE,  # held open: its end is ours
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us, and a group of its own can be killed whole
        )
        return cls(process, on_line)

    async def wait(self) -> int:
        """Wait for its end and the end of what it said; return the exit code."""
        self.code = await self._process.wait()
        await asyncio.wait({self._reading}, timeout=1.0)
        return self.code

    async def kill(self) -> None:
        """End it at once, with all that it started, and wait until it has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()  # what the guard watches
        await self.wait()
        self._reading.cancel()
        await asyncio.wait({self._reading})

    @property
    def end(self) -> str:
        """How it ended, in the service's words."""
        assert self.code is not None
        if self.code < 0:
            name = signal.strsignal(-self.code) or str(-self.code)
            return f"Runtime exited with error: signal: {name.lower()}"
        if self.code == 0:
            return "Runtime exited without providing a reason"
        return f"Runtime exited with error: exit status {self.code}"

    async def _read(self) -> None:
        assert self._process.stdout is not None
        held = b""
        while data := await self._process.stdout.read(_READ_SIZE):
            *lines, held = (held + data).split(b"\n")
            for line in lines:
                self._say(line)
            if len(held) > _LONGEST_LINE:
                self._say(held)
                held = b""
        if held:
            self._say(held)

    def _say(self, line: bytes) -> None:
        # awslambdaric joins the lines of a traceback by CR, so that they are one entry of the log.
        self._on_line(line.decode(errors="replace").rstrip("\r").replace("\r", "\n"))
