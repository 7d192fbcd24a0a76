"""Runs one example of a document: in this process, or by its file and line in one of its own.

python -m tests.docs.run docs/django.md 12
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

from tests.docs import shell
from tests.docs.blocks import Block, Call, Example, examples
from tests.docs.callers import call

__all__ = ("run_apart", "run_example")

ROOT = Path(__file__).resolve().parents[2]
SHELLS = ("bash", "console", "sh", "shell")


def run_example(example: Example, folder: Path) -> None:
    """Do what the example's blocks and directives say; raise what went wrong."""
    state = _State(example, folder)
    try:
        for step in example.steps:
            try:
                state.call(step) if isinstance(step, Call) else state.block(step)
            except BaseException as error:
                error.add_note(f"in {example.path.name}, line {step.line}")
                raise
    finally:
        state.forget()


def run_apart(example: Example) -> None:
    """Run the example in a process of its own."""
    command = [sys.executable, "-m", "tests.docs.run", str(example.path), str(example.line)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


class _State:
    """What the steps of one example hand on: names, and what was printed."""

    def __init__(self, example: Example, folder: Path) -> None:
        self.example, self.folder = example, folder
        self.printed = ""
        # A real module: FastAPI, dataclasses and pickle look their annotations up in it.
        self.module = self._new_module(example.line)

    def _new_module(self, line: int) -> ModuleType:
        module = ModuleType(f"example_{self.example.path.stem}_{line}")
        sys.modules[module.__name__] = module
        return module

    def forget(self) -> None:
        """Take the example's module out of the interpreter again."""
        sys.modules.pop(self.module.__name__, None)

    def block(self, block: Block) -> None:
        if "file" in block.directives:
            (self.folder / block.directives["file"]).write_text(block.code)
        if "output" in block.directives:
            assert block.code.strip() == self.printed.strip()
        elif block.language in ("python", "py"):
            self._python(block)
        elif block.language in SHELLS:
            shell.check(block)
            if "run" in block.directives:
                self.printed = shell.run(block, self.folder)
        elif block.language == "json":
            json.loads(block.code)

    def call(self, request: Call) -> None:
        app = getattr(self.module, request.app, None)
        assert app is not None, f"the block makes no {request.app!r}"
        status, body = call(app, request)
        if request.status is not None:
            assert status == request.status, body
        else:
            assert status < 400, body
            assert request.text is not None
            assert request.text in body

    def _python(self, block: Block) -> None:
        # Line numbers are the document's, so that a traceback points there.
        code = compile(
            "\n" * block.line + block.code,
            str(self.example.path),
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        if "skip-run" in block.directives:
            return
        expected = block.directives.get("raises")
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                result = eval(code, vars(self.module))
                if inspect.iscoroutine(result):
                    asyncio.run(result)
        except Exception as error:
            if type(error).__name__ != expected:
                raise
        else:
            assert expected is None, f"should have raised {expected}"
        self.printed = printed.getvalue()


def _main(path: str, line: str) -> None:
    found = [each for each in examples(Path(path)) if each.line == int(line)]
    with tempfile.TemporaryDirectory() as folder:
        run_example(found[0], Path(folder))


if __name__ == "__main__":
    _main(*sys.argv[1:])
