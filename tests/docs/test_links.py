"""The links of the README and the docs lead somewhere: the file is there, and so is the heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_docs import DOCUMENTS, ROOT

_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?^\1[ ]*$", re.DOTALL | re.MULTILINE)
_ANCHOR = re.compile(r'<a id="([^"]+)">')
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(text: str) -> Iterator[str]:
    """Yield what a link may point at, headings as GitHub names them."""
    yield from _ANCHOR.findall(text)
    for heading in _HEADING.findall(text):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken(path: Path, text: str) -> list[str]:
    """Return the links of ``text``, as it would stand in ``path``, that lead nowhere."""
    found = []
    for name, anchor in _LINK.findall(_CODE.sub("", text)):
        target = path.parent / name if name else path
        if not target.exists():
            found.append(name)
        elif anchor:
            there = text if target == path else target.read_text()
            if anchor not in anchors(_CODE.sub("", there)):
                found.append(f"{name}#{anchor}")
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert broken(path, path.read_text()) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    linked = {(ROOT / name).resolve() for name, _ in _LINK.findall(readme)}
    assert set(DOCUMENTS) - linked == {ROOT / "README.md"}


TEXTS = {
    "a page": ("[a](there.md)", []),
    "no such page": ("[a](nowhere.md)", ["nowhere.md"]),
    "a heading": ("[a](there.md#the-two-words)", []),
    "no such heading": ("[a](there.md#another)", ["there.md#another"]),
    "a comment in code": ("[a](there.md#comment)", ["there.md#comment"]),
    "its own anchor": ('<a id="x"></a> [a](#x)', []),
    "another site": ("[a](https://example.com/nowhere.md)", []),
    "code": ("```\n[a](nowhere.md)\n```", []),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_what_is_broken(text: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("## The `two` words\n\n```sh\n# comment\n```\n")
    page = tmp_path / "page.md"
    page.write_text(text)
    assert broken(page, text) == expected
