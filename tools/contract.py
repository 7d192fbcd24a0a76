"""Which rows of the contract the tests name: ``make contract``.

Rows are the table rows of the shared CONTRACT.md (``| W1 | ...``). A test names the rows it covers
in a comment above or in it, which begins with them:

    # W3, E2
    # F1-F5, T2 (the sync half)

A report, not a gate: it always ends with 0.
"""

from __future__ import annotations

import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

__all__ = ("named_rows", "rows_of", "naming_tests")

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = ROOT.parent / "shared" / "CONTRACT.md"

_TABLE_ROW = re.compile(r"^\| ([A-Z]\d+) \| (.*) \|$", re.MULTILINE)
_ROW = r"[A-Z]\d+(?:\s*(?:-|\N{EN DASH}|\.\.)\s*[A-Z]?\d+)?"
_NAMES = re.compile(
    rf"^#+\s*(?:rows?:?\s+)?({_ROW}(?:(?:\s*,\s*|\s+and\s+|\s+){_ROW})*)(?=$|[\s.:;,(])"
)
_PART = re.compile(r"([A-Z])(\d+)(?:\s*(?:-|\N{EN DASH}|\.\.)\s*[A-Z]?(\d+))?")
_TEST = re.compile(r"\s*(?:async )?def (test_\w+)|\s*class (Test\w+)")


def rows_of(contract: str) -> dict[str, str]:
    """Return the contract's rows: name to statement, in the file's order."""
    return dict(_TABLE_ROW.findall(contract))


def named_rows(comment: str) -> list[str]:
    """Return the rows that a comment begins with: ``# W1-W3, E2`` gives W1, W2, W3, E2."""
    found = _NAMES.match(comment.strip())
    names = []
    for letter, first, last in _PART.findall(found[1] if found else ""):
        names += [f"{letter}{number}" for number in range(int(first), int(last or first) + 1)]
    return names


def naming_tests(folder: Path) -> dict[str, list[str]]:
    """Return, for each row that is named below ``folder``, the tests that name it."""
    tests: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        for row, test in _named_in(path):
            name = f"{path.relative_to(folder)}::{test}" if test else str(path.relative_to(folder))
            if name not in tests[row]:
                tests[row].append(name)
    return tests


def _named_in(path: Path) -> Iterator[tuple[str, str]]:
    lines = path.read_text().splitlines()
    with path.open("rb") as file:
        comments = [
            token for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT
        ]
    for token in comments:
        for row in named_rows(token.string):
            yield row, _test_at(lines, token.start[0] - 1, inside=token.start[1] > 0)


def _test_at(lines: list[str], at: int, *, inside: bool) -> str:
    """Return the test that the comment in line ``at`` stands in, or else the next one."""
    if inside:
        for line in reversed(lines[:at]):
            if found := _TEST.match(line):
                return found[1] or found[2]
            if line and not line[0].isspace() and line[0] not in ")]}":
                break  # the module's own code: a table's comment belongs to the test below
    for line in lines[at:]:
        if found := _TEST.match(line):
            return found[1] or found[2]
    return ""


def main() -> None:
    """Print the report."""
    if not CONTRACT.is_file():
        print("no shared folder beside this repository: its CONTRACT.md holds the rows")
        return
    rows, tests = rows_of(CONTRACT.read_text()), naming_tests(ROOT / "tests")
    for row in rows:
        for test in tests.get(row, ()):
            print(f"{row:4} {test}")
    for row in sorted(set(tests) - set(rows)):
        print(f"{row:4} is no row of the contract, but named by {', '.join(tests[row])}")
    missing = [row for row in rows if row not in tests]
    print(f"\n{len(rows) - len(missing)} of {len(rows)} rows are named by a test; not yet:")
    for row in missing:
        statement = rows[row]
        print(f"{row:4} {statement[:90]}{'...' if len(statement) > 90 else ''}")


if __name__ == "__main__":
    main()
