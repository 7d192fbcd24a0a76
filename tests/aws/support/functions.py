"""Functions in processes of their own, under AWS's awslambdaric or our own loop.

``make setup`` installs the older versions of awslambdaric, each into a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from tests.aws.support.runtime_api import RuntimeApi
from tests.conftest import require

__all__ = ("APPS", "NEWEST", "VERSIONS", "Function", "running", "site_of")

ROOT = Path(__file__).resolve().parents[3]
APPS = ROOT / "tests" / "aws" / "apps"
# The newest stands in requirements/dev.txt, and is installed with the rest.
VERSIONS = ("2.0.12", "3.1.1", "4.0.4", "newest")
NEWEST = "newest"


def site_of(version: str) -> Path | None:
    """Return the folder that awslambdaric ``version`` is in; None: the environment's own."""
    if version == NEWEST:
        return None
    folder = ROOT / ".state" / "ric" / version
    require((folder / "awslambdaric").is_dir(), f"awslambdaric {version} (make setup)")
    return folder


class Function:
    """A running function."""

    def __init__(self, process: subprocess.Popen[bytes], log: object, api: RuntimeApi) -> None:
        self.process, self._log, self.api = process, log, api

    @property
    def log(self) -> str:
        """What it has printed."""
        self._log.seek(0)  # type: ignore[attr-defined]  # a file
        return self._log.read().decode()  # type: ignore[attr-defined]  # a file


@contextmanager
def running(
    handler: str, *, version: str = NEWEST, runtime: str = "awslambdaric", **environment: str
) -> Iterator[Function]:
    """Run ``module.function`` of ``tests/aws/apps`` against a Runtime API of its own."""
    site = site_of(version) if runtime == "awslambdaric" else None
    paths = [str(site)] if site else []
    paths += [str(APPS), str(ROOT)]
    with RuntimeApi() as api, TemporaryFile() as log:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "LAMBDA_TASK_ROOT": str(APPS),
            "_HANDLER": handler,
            **environment,
        }
        command = [sys.executable, "-m", runtime, handler]
        process = subprocess.Popen(command, env=env, cwd=APPS, stdout=log, stderr=subprocess.STDOUT)
        function = Function(process, log, api)
        try:
            yield function
        finally:
            process.kill()
            process.wait()
