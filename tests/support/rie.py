"""AWS's Runtime Interface Emulator: the service's own code on this machine, without Docker.

The binary comes inside the PyPI package aws-sam-cli, which a stamp of the Makefile puts into a
folder of its own (``.venv/sam``), never into the environment: it pins other versions of boto3.

It buffers what is streamed and has no Function URL; in managed-instances mode it reads error
trailers with AWS's own parser.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.process import wait_until

__all__ = ("BINARY", "Rie", "RieAnswer", "can_be_managed", "running_rie")

_NAMES = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64"}
_RAPID = Path(__file__).parents[2] / ".venv" / "sam" / "samcli" / "local" / "rapid"
BINARY = _RAPID / _NAMES.get(platform.machine(), "unknown")

# Where the managed-instances mode looks, and nowhere else: a mount of our own hides the machine's.
# The emulator starts the runtime as another user, who could not read an interpreter in a home; so
# that the right to read outlives the change of user, as a right of its own.
_READS = "+dac_read_search,+dac_override"
_ALONE = (
    *("unshare", "-m", "setpriv", "--securebits=+no_setuid_fixup"),
    *(f"--inh-caps={_READS}", f"--ambient-caps={_READS}"),
)
_INSTALL = (
    "mount -t tmpfs none /var && mkdir -p /var/task /var/runtime && cp {} /var/runtime/bootstrap"
)


@dataclass
class RieAnswer:
    """What the caller of ``Invoke`` gets."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Rie:
    """A running emulator."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port, self.process, self._log = port, process, log

    def invoke(
        self, event: object, headers: Mapping[str, str] | None = None, *, timeout: float = 30.0
    ) -> RieAnswer:
        """Invoke and wait for the whole answer.

        Where managed instances are still on their way to ask for the next, once more; and where
        the emulator, which has limits of its own, dropped the call without a word.
        """
        answers: list[RieAnswer] = []

        def invoked() -> bool:
            try:
                answers[:] = [self._invoke(event, headers or {}, timeout)]
            except ConnectionResetError:
                return False
            return answers[0].headers.get("error-type") != "Runtime.Unavailable"

        wait_until(invoked, timeout, self.log)
        return answers[0]

    def _invoke(self, event: object, headers: Mapping[str, str], timeout: float) -> RieAnswer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            path = "/2015-03-31/functions/function/invocations"
            connection.request("POST", path, json.dumps(event), dict(headers))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return RieAnswer(response.status, named, response.read())
        finally:
            connection.close()

    def log(self) -> str:
        """What the emulator and the function printed."""
        return self._log.read_text(errors="replace")


def can_be_managed() -> bool:
    """Whether a mount of our own can be had, which the managed-instances mode needs."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return False
    command = [*_ALONE, "mount", "-t", "tmpfs", "none", "/var"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def running_rie(
    handler: str,
    *,
    cwd: Path,
    command: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: int = 10,
    max_concurrency: int | None = None,
) -> Iterator[Rie]:
    """Run ``handler`` under the emulator.

    Args:
        command: What is run; None is ``python -m awslambdaric HANDLER``.
        timeout: Seconds an invocation may take.
        max_concurrency: Managed-instances mode, with so many invocations at once.
    """
    command = command or [sys.executable, "-m", "awslambdaric", handler]
    port, runtime_port = _free_port(), _free_port()
    environment = {
        **os.environ,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "PYTHONPATH": str(cwd),
        **(env or {}),
    }
    with TemporaryDirectory(prefix="penstock-rie-") as folder:
        log = Path(folder, "log")
        whole = [
            *(str(BINARY), "--log-level", "error"),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
            *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
        ]
        if max_concurrency is None:
            whole += command
        else:
            environment["AWS_LAMBDA_MAX_CONCURRENCY"] = str(max_concurrency)
            environment["_HANDLER"] = handler
            whole = _in_a_mount(whole, command, Path(folder))
        with log.open("wb") as out:
            process = subprocess.Popen(
                whole, cwd=cwd, env=environment, stdout=out, stderr=out, start_new_session=True
            )
        rie = Rie(port, process, log)
        try:
            wait_until(lambda: _listens(port) or process.poll() is not None, 20, rie.log)
            yield rie
        finally:
            _end(process)


def _in_a_mount(whole: list[str], command: Sequence[str], folder: Path) -> list[str]:
    bootstrap = folder / "bootstrap"
    quoted = " ".join(f"'{part}'" for part in command)
    bootstrap.write_text(f"#!/bin/sh\nexec {quoted}\n")
    bootstrap.chmod(0o755)
    return [*_ALONE, "sh", "-c", f'{_INSTALL.format(bootstrap)} && exec "$@"', "sh", *whole]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    # Its session is its own: the runtime that it started goes with it.
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass
    process.wait()
