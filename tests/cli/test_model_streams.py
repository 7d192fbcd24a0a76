"""``tail`` and ``invoke`` of what our own endpoints, functions and local Lambda send."""
# P3, P4, W16

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from penstock.aws.emulator import LocalLambda
from tests.cli.running import run_penstock
from tests.support.servers import APPS, Server, serve

TEXT = "Hello, wörld"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("uvicorn", "telling:app") as running:
        yield running


@pytest.mark.parametrize("path", ["sse", "ndjson", "ui-message-stream", "openai"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_tail_prints_a_models_text_and_ends(server: Server, path: str, method: str) -> None:
    # The chat wires have no ids: an answer that is over must not be asked for again.
    ran = run_penstock("tail", f"{server.url}/{path}", "--text", "--method", method)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, TEXT, "")


@pytest.mark.parametrize("path", ["sse", "ndjson", "ui-message-stream", "openai"])
def test_tail_says_that_an_answer_failed(server: Server, path: str) -> None:
    ran = run_penstock("tail", f"{server.url}/{path}?fails", "--text")
    assert (ran.returncode, ran.stdout) == (1, TEXT)
    assert ran.stderr.startswith("penstock: the stream ended in an error: ")
    assert "secret" not in ran.stderr


@contextmanager
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "x")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield


async def test_a_local_lambda_is_read_by_both(monkeypatch: pytest.MonkeyPatch) -> None:
    def penstock(*args: str) -> asyncio.Future[subprocess.CompletedProcess[str]]:
        return asyncio.ensure_future(asyncio.to_thread(run_penstock, *args))

    with _environment(monkeypatch):
        async with LocalLambda("telling.handler", cwd=APPS) as fn:
            # One process takes one invocation at a time.
            tailed = await penstock("tail", fn.url, "--text")
            as_json = await penstock("tail", fn.url, "--json")
            sdk = ("function", "--endpoint-url", fn.endpoint_url)
            invoked = await penstock("invoke", *sdk, "--text")
            plain = await penstock("invoke", *sdk)
            failed = await penstock("invoke", *sdk, "--text", "-p", '{"fails":true}')
    assert (tailed.returncode, tailed.stdout, tailed.stderr) == (0, TEXT, "")
    last = [json.loads(line)["data"] for line in as_json.stdout.splitlines()][-2:]
    assert (last[0]["type"], last[1]) == ("finish", "[DONE]")
    assert (invoked.returncode, invoked.stdout, invoked.stderr) == (0, TEXT, "")
    assert plain.stdout.endswith("data: [DONE]\n\n")
    assert (failed.returncode, failed.stdout) == (1, TEXT)
    assert "secret" not in failed.stderr
