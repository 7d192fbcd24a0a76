"""``penstock bundle``: the zip to deploy.

Lives here: the command and what it says. Stays out: what goes into the zip (``bundling``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from penstock.bundling import ARCHITECTURES, PYTHONS, Architecture, bundle
from penstock.cli.console import Mistake, say_addresses
from penstock.errors import ConfigurationError, InvalidOption

__all__ = ("bundle_command",)

_NAMES = {"entry": "ENTRY", "python_version": "--python", "architecture": "--arch"}


def bundle_command(
    entry: Annotated[Path, typer.Argument(help="Folder with your code.")] = Path("."),
    out: Annotated[Path, typer.Option("--out", "-o", help="The zip to write.")] = Path(
        "dist/function.zip"
    ),
    requirements: Annotated[
        Path | None,
        typer.Option("--requirements", "-r", help="Default: requirements.txt in ENTRY, if any."),
    ] = None,
    python: Annotated[
        str, typer.Option("--python", help=f"The runtime's: {', '.join(PYTHONS)}.")
    ] = "3.13",
    arch: Annotated[str, typer.Option("--arch", help=f"{' or '.join(ARCHITECTURES)}.")] = "arm64",
) -> None:
    """Make the zip that Lambda runs: your code, penstock, and wheels for Lambda's Linux."""
    try:
        made = bundle(
            entry,
            out,
            requirements=requirements,
            python_version=python,
            architecture=cast(Architecture, arch),
        )
    except InvalidOption as exc:
        name = _NAMES.get(exc.option, f"--{exc.option}")
        message = str(exc).removeprefix(f"{exc.option}=")
        raise Mistake(f"{name}{message}") from exc
    except ConfigurationError as exc:
        raise Mistake(str(exc), code=1) from exc
    rows = {
        "zip": f"{_size(made.size)}, {made.files} files, {_size(made.unpacked)} unpacked",
        "for": f"Python {python} on {arch}",
    }
    say_addresses(str(made.path), rows)


def _size(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
