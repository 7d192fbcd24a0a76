"""The report of contract rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.contract import named_rows, naming_tests, rows_of

COMMENTS = {
    "# W3": ["W3"],
    "# W3, E2": ["W3", "E2"],
    "# W1-W3 and E2": ["W1", "W2", "W3", "E2"],
    "# F10-12": ["F10", "F11", "F12"],
    "# H7 (the sync half), E1": ["H7"],
    "# W3: raw text": ["W3"],
    "# W3C says so": [],
    "# as E2 has it": [],
}


@pytest.mark.parametrize(("comment", "rows"), COMMENTS.items(), ids=COMMENTS)
def test_rows_in_a_comment(comment: str, rows: list[str]) -> None:
    assert named_rows(comment) == rows


def test_rows_of_the_contract() -> None:
    text = "| # | statement |\n|---|---|\n| W1 | a `b | c` d |\n| F2 | e |\n| host | x |\n"
    assert rows_of(text) == {"W1": "a `b | c` d", "F2": "e"}


def test_a_row_is_named_above_or_in_the_test(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "X = {\n    # W1\n    1: 2,\n}\n\n"
        "# W2\ndef test_one():\n    # W3\n    assert '# W4'\n\n\n"
        "async def test_two():\n    # W3\n    pass\n"
    )
    assert naming_tests(tmp_path) == {
        "W1": ["test_a.py::test_one"],
        "W2": ["test_a.py::test_one"],
        "W3": ["test_a.py::test_one", "test_a.py::test_two"],
    }
