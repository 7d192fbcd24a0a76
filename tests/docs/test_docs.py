"""The README's and the docs' code blocks do what they say. How to write one: blocks.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Example, examples
from tests.docs.run import run_apart, run_example

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [example for path in DOCUMENTS for example in examples(path)]


def name_of(example: Example) -> str:
    return f"{example.path.relative_to(ROOT)}:{example.line}"


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_example(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if example.apart:
        run_apart(example)
    else:
        run_example(example, tmp_path)
