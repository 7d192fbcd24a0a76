"""``penstock bench``: the side-by-side benchmark, from the checkout that it comes with.

Lives here: finding and starting it. Stays out: what is measured (``bench/`` beside ``src/``).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

import penstock
from penstock.cli.console import Mistake

__all__ = ("bench_command",)

# Of a checkout: src/penstock/__init__.py stands two folders below its root.
_ROOT = Path(penstock.__file__).resolve().parents[2]


def bench_command(context: typer.Context) -> None:
    """The side-by-side benchmark; needs a checkout of penstock, and takes bench's own arguments."""
    raise typer.Exit(_run(context.args))


def _run(arguments: list[str]) -> int:
    if not (_ROOT / "bench" / "__main__.py").is_file():
        raise Mistake(
            "the benchmark comes with penstock's source, not with the installed package: clone "
            'the repository and run make bench there, or pip install -e ".[cli,speed]" and this'
        )
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=_ROOT, check=False).returncode  # noqa: S603  # ours
