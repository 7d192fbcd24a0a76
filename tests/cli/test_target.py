"""``module:app``: found, or one line that says why not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import Endpoint
from penstock.cli.console import Mistake
from penstock.cli.target import load_target

FILES = {
    "good": "from penstock import endpoint\n@endpoint\ndef app(ctx):\n    yield 'hi'\n",
    "nested": "class Holder:\n    @staticmethod\n    async def app(scope, receive, send): ...\n",
    "needs": "import nothing_such\n",
    "broken": "x = = 3\n",
    "raises": "def f():\n    return y\nf()\n",
    "exits": "import sys\nsys.exit('no key set')\n",
    "odd": (
        "number = 3\nclass App: ...\ndef wsgi(environ, start_response): ...\n"
        "async def source(ctx): yield 1\nasync def two(a, b): ...\napplication = None\n"
    ),
}

MISTAKES = {
    "no colon": ("good", "expected module:app"),
    "no module": (":app", "expected module:app"),
    "a file": ("good.py:app", "penstock serve good:app"),
    "a path": ("./sub/good.py", "penstock serve sub.good:app"),
    "not there": ("nothing_here:app", "no module named 'nothing_here' in "),
    "its parent is not there": ("nothing_here.sub:app", "no module named 'nothing_here'"),
    "a child is not there": ("good.sub:app", "no module named 'good.sub'"),
    "it needs another": ("needs:app", "No module named 'nothing_such' (needs.py, line 1)"),
    "syntax": ("broken:app", "invalid syntax (broken.py, line 1)"),
    "raises": ("raises:app", "NameError: name 'y' is not defined (raises.py, line 2)"),
    "exits": ("exits:app", "SystemExit: no key set (exits.py, line 2)"),
    "misspelt": ("odd:aplication", "did you mean 'application'?"),
    "not callable": ("odd:number", "odd:number is int, not an ASGI app"),
    "a class": ("odd:App", "serve an instance"),
    "a WSGI app": ("odd:wsgi", "gunicorn odd:wsgi"),
    "a bare generator": ("odd:source", "put @endpoint above it"),
    "two arguments": ("odd:two", "it takes 2 arguments, not 3"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name, None)


def test_an_app_in_the_working_directory(folder: Path) -> None:
    assert isinstance(load_target("good:app"), Endpoint)
    assert callable(load_target("nested:Holder.app"))


@pytest.mark.parametrize(("target", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(target: str, message: str, folder: Path) -> None:
    # P3
    with pytest.raises(Mistake) as caught:
        load_target(target)
    assert message in str(caught.value)
    assert caught.value.code == 2
