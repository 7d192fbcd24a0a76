"""Node, with the packages of ``package.json``."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import require

__all__ = ("AI_SDKS", "ROOT", "node", "run_node")

ROOT = Path(__file__).resolve().parents[2]

# The newest of 5, one of the strict versions of 6, the newest of 6, and 7.
AI_SDKS = ("ai5", "ai6strict", "ai6", "ai7")


def node(package: str = "ai7") -> str:
    """Return the path of Node; skip without it, or without ``package`` (``make setup``)."""
    program = shutil.which("node")
    require(program, "node")
    require((ROOT / "node_modules" / package).is_dir(), f"npm's {package}")
    assert program is not None
    return program


def run_node(script: str, given: Any, timeout: float = 50.0) -> Any:
    """Run ``tests/js/<script>`` with JSON on its standard input; return the JSON it printed."""
    command = [node(), str(ROOT / "tests" / "js" / script)]
    ran = subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, timeout=timeout, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)
