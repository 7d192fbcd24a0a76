"""The zip of ``penstock bundle``, unpacked as Lambda does, under each awslambdaric.

Without ``site``: of this environment nothing but awslambdaric can be imported.
"""
# L1, L3, L7, L11, L12

from __future__ import annotations

import asyncio
import json
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from penstock.aws.emulator import FunctionFailed, LocalLambda
from penstock.bundling import bundle
from tests.aws.emulator.running import boto3_client, curl
from tests.aws.support.functions import VERSIONS, site_of
from tests.conftest import require
from tests.support.process import wait_until
from tests.support.rie import BINARY, can_be_managed, running_rie

HANDLER = """
import asyncio, os, penstock
from penstock.aws import stream_handler

@stream_handler(format="sse", throw=True)
async def handler(event, context):
    asked = event.get("queryStringParameters", event)
    yield {"from": penstock.__file__}
    while not os.path.exists(asked.get("until", "/")):
        await asyncio.sleep(0.01)
    if "fail" in asked:
        raise LookupError("midway")
"""


@pytest.fixture(scope="module")
def task_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("function")
    (folder / "code").mkdir()
    (folder / "code" / "app.py").write_text(HANDLER)
    made = bundle(folder / "code", folder / "function.zip")
    with ZipFile(made.path) as archive:
        archive.extractall(folder / "task")
    return folder / "task"


def environment(root: Path, version: str) -> dict[str, str]:
    site = site_of(version) or Path(sysconfig.get_path("purelib"))
    return {"PYTHONPATH": os.pathsep.join([str(root), str(site)]), "PYTHONUNBUFFERED": "1"}


COMMAND = [sys.executable, "-S", "-m", "awslambdaric", "app.handler"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_zip_streams_under_every_runtime_client(
    version: str, task_root: Path, tmp_path: Path
) -> None:
    first = f'data: {{"from":"{task_root / "penstock" / "__init__.py"}"}}\n\n'.encode()
    env = environment(task_root, version)
    async with LocalLambda("app.handler", cwd=task_root, command=COMMAND, env=env) as fn:
        await asyncio.to_thread(boto3_reads, fn, first, tmp_path / "sdk")

        go_on = tmp_path / "url"
        reader = await curl(f"{fn.url}?until={go_on}")
        head = await reader.read_until(b"\r\n\r\n")
        assert b"content-type: text/event-stream\r\n" in head
        assert await reader.read_until(b"\n\n") == first  # while the function waits
        go_on.touch()
        rest, code = await reader.rest()
        assert (rest, code) == (b"event: done\nid: ~end\ndata: \n\n", 0)

        seen = []
        with pytest.raises(FunctionFailed, match="LookupError: midway"):
            async for piece in fn.stream({"fail": 1}):
                seen.append(piece)
        assert b"".join(seen) == first
        broken, code = await (await curl(f"{fn.url}?fail=1")).rest()
        assert broken.endswith(first)
        assert code == 18  # cut, so that the reader knows
        again = await fn.invoke({})
        assert (again.error_type, again.content_type) == (None, "text/event-stream")
        assert again.payload == first + rest


def boto3_reads(fn: LocalLambda, first: bytes, go_on: Path) -> None:
    payload = json.dumps({"until": str(go_on)}).encode()
    with boto3_client(fn) as client:
        answer = client.invoke_with_response_stream(FunctionName=fn.name, Payload=payload)
        events = iter(answer["EventStream"])
        assert next(events)["PayloadChunk"]["Payload"] == first  # while the function waits
        go_on.touch()
        *_, complete = events
        assert "ErrorCode" not in complete["InvokeComplete"]
        whole = client.invoke(FunctionName=fn.name, Payload=b"{}")
        assert whole["Payload"].read().startswith(first)
        failed = client.invoke_with_response_stream(FunctionName=fn.name, Payload=b'{"fail":1}')
        *_, complete = failed["EventStream"]
        assert complete["InvokeComplete"]["ErrorCode"] == "LookupError"
        details: Any = json.loads(complete["InvokeComplete"]["ErrorDetails"])
        assert details["errorMessage"] == "midway"


@pytest.mark.parametrize("max_concurrency", [None, 2], ids=["classic", "managed instances"])
def test_a_zip_under_awss_own_emulator(task_root: Path, max_concurrency: int | None) -> None:
    require(BINARY.is_file(), "AWS's Runtime Interface Emulator (make setup)")
    if max_concurrency is not None:
        require(can_be_managed(), "the right to mount, which managed-instances mode needs")
    env = environment(task_root, "newest")
    with running_rie(
        "app.handler", cwd=task_root, command=COMMAND, env=env, max_concurrency=max_concurrency
    ) as rie:
        answer = rie.invoke({})
        assert answer.body.startswith(b'data: {"from":'), rie.log()
        assert answer.body.endswith(b"event: done\nid: ~end\ndata: \n\n")
        failed = rie.invoke({"fail": 1})
        if max_concurrency is None:  # it swallows trailers
            assert failed.body.startswith(b'data: {"from":')
        else:
            assert failed.headers["error-type"] == "Runtime.Unknown"  # as its parser says of any
            assert json.loads(failed.body)["errorMessage"] == "midway"
        assert rie.invoke({}).body == answer.body
        wait_until(lambda: "LookupError" in rie.log(), 10, rie.log)
