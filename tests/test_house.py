"""The rules of the house that no linter knows (the direction of imports: see pyproject)."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import penstock

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "penstock"
MODULES = sorted(SRC.rglob("*.py"))

# What `import penstock` may load of ours: it is paid in every cold start.
OURS_AT_IMPORT = {"penstock", "penstock._version"}
# Used when it is there; every other package waits until its own face is imported.
ALLOWED_PACKAGES = {"orjson"}
# The lazy names, and what is given a module's name to run: the command line, a Lambda runtime.
MAY_IMPORT_BY_NAME = {
    "__init__.py",
    "aws/__init__.py",
    "aws/runtime.py",
    "formats/__init__.py",
    "logs/__init__.py",
    "cli/",
}

LONGEST_FILE = 400
# A host of a package registry, or a path of somebody's machine, in a file that everybody gets.
NOT_OURS = re.compile(
    r"registry\.npmjs|npmjs\.org/|pypi\.org/|pythonhosted|/work/(?:main|shared)|/root/|/home/\w+/|/tmp/\w"
)


def fresh(code: str, **environment: str) -> str:
    """Run ``code`` in a new interpreter and return what it printed."""
    env = {**os.environ, **environment}
    command = [sys.executable, "-I", "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def loaded_by(code: str) -> set[str]:
    """Return the modules that ``code`` loads, beside what the interpreter starts with."""
    show = "import json, sys; before = set(sys.modules)"
    return set(
        json.loads(fresh(f"{show}\n{code}\nprint(json.dumps([*set(sys.modules) - before]))"))
    )


def foreign(modules: set[str]) -> set[str]:
    """Return the packages of ``modules`` that are neither Python's nor ours."""
    packages = {name.partition(".")[0] for name in modules}
    return packages - sys.stdlib_module_names - {"penstock"}


def test_importing_penstock_loads_nothing_else() -> None:
    modules = loaded_by("import penstock")
    assert foreign(modules) == set()
    assert {name for name in modules if name.startswith("penstock")} == OURS_AT_IMPORT
    assert "asyncio" not in modules


def test_using_every_name_loads_no_framework_client_or_sdk() -> None:
    modules = loaded_by("import penstock\nfor name in penstock.__all__: getattr(penstock, name)")
    assert foreign(modules) <= ALLOWED_PACKAGES


def test_importing_a_module_starts_nothing() -> None:
    # A Lambda snapshot is taken after the imports: no thread, no loop, no signal handler before it.
    code = """
import signal, threading
before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
import penstock
for name in penstock.__all__: getattr(penstock, name)
assert threading.active_count() == 1, threading.enumerate()
assert before == [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
print("quiet")
"""
    assert fresh(code).strip() == "quiet"


@pytest.mark.parametrize("statement", ["import penstock", "from penstock import Context, endpoint"])
def test_importing_is_quick(statement: str, tmp_path: Path) -> None:
    # Generous: `make bench` has the figure. With bytecode of its own: a checkout may have none.
    # Processor time, in turns, the least of each: whatever else this machine does.
    timed = "import time; began = time.process_time(); {}; print(time.process_time() - began)"
    command = [sys.executable, "-c"]
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)

    def seconds(what: str) -> float:
        ran = subprocess.run(
            [*command, timed.format(what)], env=env, capture_output=True, text=True, check=True
        )
        return float(ran.stdout)

    pairs = [(seconds(statement), seconds("import asyncio")) for _ in range(6)]
    ours, asyncio = (min(each) for each in zip(*pairs, strict=True))
    assert ours < 3 * asyncio


def test_the_lazy_names_are_the_typed_names() -> None:
    tree = ast.parse((SRC / "__init__.py").read_text())
    typed = {
        name.asname or name.name: statement.module
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for name in statement.names
    }
    assert typed == penstock._EXPORTS
    assert set(penstock.__all__) == {*typed, "__version__"}
    assert dir(penstock) == sorted(penstock.__all__)


def test_every_name_is_public_where_it_comes_from() -> None:
    for name, module in penstock._EXPORTS.items():
        assert name in import_module(module).__all__, f"{module}.__all__ lacks {name}"
        assert getattr(penstock, name).__doc__, f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        penstock.no_such_name  # noqa: B018  # getting it is the test


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_module_keeps_the_house_rules(path: Path) -> None:
    name, text = path.relative_to(SRC).as_posix(), path.read_text()
    assert text.count("\n") <= LONGEST_FILE, "one concept a file"
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what lives there"
    if len(tree.body) > 1 and path.name not in ("__main__.py", "_version.py"):
        assert "from __future__ import annotations" in text
        assert re.search(r"^__all__ = \(|^__all__: .*= \(", text, re.MULTILINE), (
            "__all__ is a tuple"
        )
    if not name.startswith(tuple(MAY_IMPORT_BY_NAME)):
        assert "import_module" not in text, "an arrow that import-linter cannot see"
    assert not re.search(r"#\s*type:\s*ignore(?!\[[\w, -]+\]  # \w)", text), "say which and why"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)


def test_no_registry_and_no_machine_in_what_everybody_gets() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path == Path(__file__).resolve() or not path.is_file():
            continue  # this file holds the pattern; a file may be deleted and not yet committed
        text = path.read_text(errors="ignore")
        found += [f"{name}: {match[0]}" for match in NOT_OURS.finditer(text)]
    assert not found
