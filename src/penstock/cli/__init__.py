"""The command line: ``penstock demo``, ``serve``, ``lambda``, ``tail``, ``invoke``, ``bundle``.

Lives here: what ``pip install "penstock[cli]"`` is for. Nothing imports it.
"""

from __future__ import annotations

import sys

from penstock.errors import ExtraNotInstalled

__all__ = ("main",)


def main() -> None:
    """Run the command line; the ``penstock`` script."""
    try:
        # Here, so that without the extra there is one line, not a traceback.
        from penstock.cli.commands import run
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in ("rich", "typer", "uvicorn"):
            raise
        print(f"penstock: the command line is {ExtraNotInstalled('cli')}", file=sys.stderr)
        sys.exit(1)
    sys.exit(run())
