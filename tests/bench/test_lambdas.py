"""The bench of Lambda handlers, as a smoke run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_quick_run_prints_every_line() -> None:
    command = [sys.executable, "-m", "bench.lambdas", "--quick"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for line in ("import asyncio", "alone", "mangum", "penstock", "bare", "flood"):
        assert line in printed
