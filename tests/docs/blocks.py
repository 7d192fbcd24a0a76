"""Markdown to examples: which fenced blocks there are, and what is to be done with each.

Write plain Markdown. A block is tried by its language, without a word said about it:

- ```` ```python ````: executed as a module of its own, stdout kept. Top-level ``await`` is fine.
- ```` ```bash ```` or ```` ```console ````: checked, not run: the shell's grammar, that
  ``penstock`` has the command and the options, ``make`` the target, ``pip install penstock[...]``
  the extra. In a console block the commands are the lines behind ``$ ``.
- ```` ```json ````: parsed.  Other languages are left alone.

A directive, ``<!-- test: ... -->`` on a line of its own, changes that. Above a block:

- ``continue``: the python block goes on in the names of the one before it.
- ``raises NAME``: the python block must end in that exception.
- ``file NAME``: the block is also written to NAME, beside what ``run`` runs in.
- ``apart``: the example runs in a process of its own (Django's settings, for one).
- ``run``: the commands are run, in a temporary folder; each must end with 0 within a minute.
- ``output``: the text block is what the block before it printed.
- ``skip-run: REASON``: compiled or checked, not run. For what needs an account, say, never for
  what is merely slow; the reason is required.

Below a python block, any number of calls of the app it made, in process:

- ``get /ticks?n=2 expects "event: tick"``: the body holds that text (``\\n`` is a line end). The
  reader leaves once it has seen it, so an endless stream is fine.
- ``get /nothing expects 404``: the status.
- ``post /chat {"prompt": "hi"} expects "Hello"``: with a JSON body.
- ``get / of wsgi expects "x"``: on ``wsgi`` instead of ``app``; an ASGI or a WSGI app.

A block and what depends on it (``continue``, ``output``, calls) is one example, and one test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

__all__ = ("Block", "Call", "DocumentError", "Example", "examples")

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<language>[\w+-]*)(?P<info>.*)$")
_DIRECTIVE = re.compile(r"^\s*<!--\s*test:\s*(?P<text>.*?)\s*-->\s*$")
_CALL = re.compile(
    r"""^(?P<method>get|post|put|delete|head|options)\s+(?P<target>/\S*)
        (?:\s+(?P<body>\{.*\}))?(?:\s+of\s+(?P<app>\w+))?\s+expects\s+
        (?:"(?P<text>.*)"|(?P<status>\d{3}))$""",
    re.VERBOSE,
)
_ON_BLOCKS = ("continue", "raises", "file", "apart", "run", "output", "skip-run:")


class DocumentError(Exception):
    """A document says something that this reader does not understand."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, text, first line in the document and directives."""

    language: str
    code: str
    line: int
    directives: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the app of the block above it, and the text or the status expected."""

    method: str
    target: str
    body: str | None
    app: str
    text: str | None
    status: int | None
    line: int


@dataclass(slots=True)
class Example:
    """A block and what depends on it."""

    path: Path
    steps: list[Block | Call]

    @property
    def line(self) -> int:
        return self.steps[0].line

    @property
    def apart(self) -> bool:
        return any(isinstance(step, Block) and "apart" in step.directives for step in self.steps)


def examples(path: Path) -> list[Example]:
    """Return the examples of the document at ``path``.

    Raises:
        DocumentError: An unknown directive, or one that stands where it means nothing.
    """
    found: list[Example] = []
    for step in _steps(path):
        if not _depends(step):
            found.append(Example(path, [step]))
        elif found:
            found[-1].steps.append(step)
        else:
            raise DocumentError(f"{path.name}:{step.line}: depends on a block, and there is none")
    return found


def _depends(step: Block | Call) -> bool:
    return isinstance(step, Call) or bool({"continue", "output"} & step.directives.keys())


def _steps(path: Path) -> Iterator[Block | Call]:
    lines = path.read_text().splitlines()
    directives: dict[str, str] = {}
    at = 0
    while at < len(lines):
        where = f"{path.name}:{at + 1}"
        if opening := _FENCE.match(lines[at]):
            end = _end_of_block(lines, at, opening, where)
            code = dedent("\n".join(lines[at + 1 : end]))
            yield Block(opening["language"].lower(), code + "\n", at + 1, directives)
            directives, at = {}, end
        elif found := _DIRECTIVE.match(lines[at]):
            if call := _CALL.match(found["text"]):
                yield _call(call, at + 1)
            else:
                directives |= [_directive(found["text"], where)]
        elif lines[at].strip() and directives:
            raise DocumentError(f"{where}: a block should follow the directive {directives}")
        at += 1
    if directives:
        raise DocumentError(f"{path.name}: no block follows the directive {directives}")


def _end_of_block(lines: list[str], start: int, opening: re.Match[str], where: str) -> int:
    for at in range(start + 1, len(lines)):
        if lines[at].strip() == opening["ticks"]:
            return at
    raise DocumentError(f"{where}: the block has no end")


def _directive(text: str, where: str) -> tuple[str, str]:
    name, _, value = text.partition(" ")
    if name not in _ON_BLOCKS:
        raise DocumentError(f"{where}: what is {text!r}? tests/docs/blocks.py lists the directives")
    if name in ("raises", "file", "skip-run:") and not value.strip():
        raise DocumentError(f"{where}: {name} needs a word more")
    return name.rstrip(":"), value.strip()


def _call(found: re.Match[str], line: int) -> Call:
    text, status = found["text"], found["status"]
    return Call(
        method=found["method"].upper(),
        target=found["target"],
        body=found["body"],
        app=found["app"] or "app",
        text=None if text is None else text.replace("\\n", "\n"),
        status=None if status is None else int(status),
        line=line,
    )
