"""LiteLLM, in an environment of its own: it cannot share one with openai 3 (``make litellm``)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.llm import test_cancel as events
from tests.llm.support.provider import Provider, Script
from tests.llm.test_provider import ANTHROPIC, OPENAI, OPENAI_CALLS

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-litellm" / "bin" / "python"
PROGRAM = Path(__file__).parent / "support" / "with_litellm.py"

# Its import alone may take half a minute on a busy machine.
pytestmark = pytest.mark.timeout(180)


class LiteLlm:
    """The process, for all cases of the module."""

    def __init__(self) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "LITELLM_LOCAL_MODEL_COST_MAP": "1"}
        self.process = subprocess.Popen(
            [str(PYTHON), str(PROGRAM)],
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.hear() == "ready"

    def tell(self, what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        for line in self.process.stdout or ():
            if line.startswith("@@"):
                return json.loads(line[2:])
        raise AssertionError("LiteLLM's process has ended")


@pytest.fixture(scope="module")
def litellm() -> Iterator[LiteLlm]:
    require(PYTHON.exists(), "LiteLLM's environment (make litellm)")
    litellm = LiteLlm()
    try:
        yield litellm
    finally:
        litellm.process.kill()
        litellm.process.communicate()


@pytest.mark.parametrize(
    ("model", "body", "reason"),
    [
        ("openai/m", OPENAI, "stop"),
        ("openai/m", OPENAI_CALLS, "tool-calls"),
        ("anthropic/claude-m", ANTHROPIC, "stop"),
    ],
)
def test_an_answer(  # C1
    provider: Provider, litellm: LiteLlm, model: str, body: bytes, reason: str
) -> None:
    provider.script(Script(body))
    litellm.tell({"url": provider.url, "model": model, "state": "whole"})
    got = litellm.hear()
    done = got[-1]
    assert (done["type"], done["finish_reason"]) == ("done", reason), got
    assert done["usage"]["total"] == 15
    if reason == "stop":
        assert [each["content"] for each in got[:-1]] == ["Hello"]
    else:
        call = next(each for each in got if each["type"] == "tool_call")
        assert (call["name"], call["input"]) == ("weather", {"city": "Oslo"})


@pytest.mark.parametrize("state", ["silent", "parked", "middle"])
@pytest.mark.parametrize("model", ["openai/m", "anthropic/claude-m"])
def test_leaving(provider: Provider, litellm: LiteLlm, model: str, state: str) -> None:  # C5
    anthropic = model.startswith("anthropic")
    head = events.ANTHROPIC_HEAD if anthropic else events.CHAT_HEAD
    delta = events.ANTHROPIC if anthropic else events.CHAT
    silent = state == "silent"
    script = provider.script(Script(head, hold=silent, then=None if silent else delta))
    litellm.tell({"url": provider.url, "model": model, "state": state})
    assert script.began.wait(60), "it was never asked"
    litellm.tell("leave")
    assert litellm.hear() == "left"
    assert script.left.wait(events.GENEROUS), "still connected"
