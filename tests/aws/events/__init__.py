"""Events as AWS's documentation shows them, re-typed.

Source: the pages named in ``penstock.aws.types``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ("NAMES", "sample")

_HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in _HERE.glob("*.json"))


def sample(name: str) -> dict[str, Any]:
    """Return the event called ``name``."""
    event: dict[str, Any] = json.loads((_HERE / f"{name}.json").read_text())
    return event
