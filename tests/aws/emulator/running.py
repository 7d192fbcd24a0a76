"""Local Lambdas for tests, and readers that see each byte when it comes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from penstock.aws.emulator import LocalLambda

__all__ = ("FUNCTIONS", "boto3_client", "curl", "curled", "raw_lambda")

FUNCTIONS = Path(__file__).parent / "functions"


def raw_lambda(**options: Any) -> LocalLambda:
    """A local Lambda whose runtime is a script on a bare socket."""
    command = [sys.executable, "-S", "-E", str(FUNCTIONS / "raw_runtime.py")]
    return LocalLambda("raw.handler", command=command, cwd=FUNCTIONS, **options)


@contextmanager
def boto3_client(fn: LocalLambda) -> Iterator[Any]:
    """The real SDK, sent to ``fn``."""
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    client = boto3.client(
        "lambda", endpoint_url=fn.endpoint_url, region_name="us-east-1", config=config
    )
    with closing(client):
        yield client


class Curl:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        self.process, self.out = process, process.stdout

    async def read_until(self, text: bytes) -> bytes:
        return await asyncio.wait_for(self.out.readuntil(text), 20)

    async def rest(self) -> tuple[bytes, int]:
        """What else came, and curl's exit code: 18 for a body that was cut."""
        data = await asyncio.wait_for(self.out.read(), 20)
        return data, await self.process.wait()


async def curl(url: str, *args: str) -> Curl:
    """``curl -N -i``."""
    command = ["curl", "-sNi", "--max-time", "30", *args, url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return Curl(process)


async def curled(url: str, *args: str) -> tuple[int, dict[str, list[str]], bytes, int]:
    """Status, headers, body, and curl's exit code."""
    data, code = await (await curl(url, *args)).rest()
    head, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    return int(status_line.split()[1]), headers, body, code
