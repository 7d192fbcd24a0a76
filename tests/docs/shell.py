"""Commands of a document: checked against what the programs really take, or run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.docs.blocks import Block

__all__ = ("check", "commands", "run")

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def commands(block: Block) -> list[str]:
    """Return the commands of a block, continued lines joined."""
    text = block.code.replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    if block.language == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line and not line.startswith("#")]


def check(block: Block) -> None:
    """Check a block's commands without running them."""
    for command in commands(block):
        parsed = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
        assert parsed.returncode == 0, f"{command}: {parsed.stderr}"
        words = shlex.split(command, comments=True)
        # NAME=value before the program is its environment.
        while words and re.match(r"[A-Za-z_]\w*=", words[0]):
            words.pop(0)
        match words:
            case ["penstock", *rest]:
                _check_penstock(rest)
            case ["make", *rest]:
                _check_make(rest)
        _check_extras(command)


def run(block: Block, folder: Path) -> str:
    """Run a block's commands in ``folder`` and return what they printed."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    printed = []
    for command in commands(block):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
        printed.append(done.stdout)
    return "".join(printed)


def _check_penstock(words: list[str]) -> None:
    command = [word for word in words[:1] if not word.startswith("-")]
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    told = subprocess.run(
        [BIN / "penstock", *command, "--help"], env=env, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, f"penstock {' '.join(command)}: {told.stdout}{told.stderr}"
    for word in words:
        if word.startswith("-"):
            option = word.partition("=")[0]
            assert option in told.stdout, f"penstock {' '.join(command)} has no {option}"


def _check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for word in words:
        assert "=" in word or word in targets, f"the Makefile has no target {word}"


def _check_extras(command: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extras in re.findall(r"penstock\[([\w,\s]+)\]", command):
        for extra in extras.split(","):
            assert extra.strip() in project["optional-dependencies"], f"no extra {extra!r}"
