"""What the command line says: colours on a terminal, plain lines in a pipe.

Lives here: how a mistake, an address and a log line look. Stays out: what is said.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

__all__ = ("Mistake", "complain", "note", "remark", "say_addresses", "say_line", "say_log")

_out = Console(highlight=False, soft_wrap=True)
_err = Console(highlight=False, soft_wrap=True, stderr=True)

_STYLES = {"stop": "red", "error": "red", "first": "cyan", "end": "bold"}
_LINE_STYLES = {"error": "red", "reload": "cyan", "log": ""}


class Mistake(Exception):
    """The user can put it right: one line, no traceback.

    Args:
        message: What is wrong and what to do.
        code: Exit code: 2 for how the command was given, 1 for what got in its way.
    """

    def __init__(self, message: str, *, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


def complain(message: str) -> None:
    """Say what went wrong, in one line on stderr."""
    _err.print(Text.assemble(("penstock: ", "bold red"), " ".join(message.split())))


def note(message: str) -> None:
    """Say something by the way."""
    _out.print(Text(message, style="dim"))


def remark(message: str) -> None:
    """Say something by the way, on stderr: what a pipe reads stays clean."""
    _err.print(Text(" ".join(message.split()), style="dim"))


def say_addresses(title: str, rows: dict[str, str]) -> None:
    """Say where something is to be found: a title, then a name and a value a line."""
    width = max(map(len, rows))
    lines = [Text(title, style="bold")]
    for name, value in rows.items():
        lines.append(Text.assemble("  ", (name.ljust(width), "dim"), "  ", (value, "cyan")))
    _out.print(Text("\n").join(lines))  # in one write: who reads a pipe sees all of it, or none


def say_log(run: int, kind: str, text: str) -> None:
    """Say what happened to a stream."""
    _out.print(Text.assemble((f"#{run} ", "dim"), (text, _STYLES.get(kind, ""))))


def say_line(kind: str, text: str) -> None:
    """Say a line of a function's log; what the service says about it stands back."""
    _out.print(Text(text, style=_LINE_STYLES.get(kind, "dim")))
