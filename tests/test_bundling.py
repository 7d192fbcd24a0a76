"""The zip: what is in it, that it is always the same, and that it runs by itself."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from penstock.bundling import bundle
from penstock.errors import ConfigurationError, InvalidOption
from tests.cli.running import run_penstock

SRC = Path(__file__).resolve().parents[1] / "src" / "penstock"

MAIN = """
from penstock import Context, endpoint

@endpoint(format="sse")
async def app(ctx: Context):
    yield {"hello": ctx.query.get("name", "world")}
"""


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "pages").mkdir(parents=True)
    (folder / "main.py").write_text(MAIN)
    (folder / "pages" / "index.html").write_text("<h1>hello")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    for litter in (".env", ".git/HEAD", "__pycache__/main.cpython-311.pyc", "old.pyc", "venv/x.py"):
        path = folder / litter
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("litter")
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").write_text("home = somewhere")
    return folder


def test_your_code_and_what_a_function_needs_of_penstock(entry: Path, tmp_path: Path) -> None:
    made = bundle(entry, tmp_path / "out" / "function.zip")
    with ZipFile(made.path) as archive:
        names = archive.namelist()
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in archive.infolist()}
    own = {name for name in names if not name.startswith("penstock/")}
    assert own == {"main.py", "pages/index.html", "run.sh"}
    assert "penstock/core/pump.py" in names
    assert "penstock/py.typed" in names
    rooms = {name.split("/")[1] for name in names if name.startswith("penstock/")}
    assert not rooms & {"cli", "cdk", "testing", "bundling.py", "llm", "client"}
    assert (modes["run.sh"], modes["main.py"]) == (0o755, 0o644)
    assert made.files == len(names)
    assert made.size == made.path.stat().st_size < 200_000
    assert made.unpacked == sum(info.file_size for info in ZipFile(made.path).infolist())


NAMED = {
    "from penstock.llm import Llm": "llm/__init__.py",
    "from penstock import llm": "llm/__init__.py",
    "import penstock.client as reading": "client/__init__.py",
    "from penstock.logs import RedisLog": "logs/redis.py",
    "import penstock.logs\nlog = penstock.logs.SqliteLog('x')": "logs/_sqlite_rows.py",
}


@pytest.mark.parametrize("line", NAMED)
def test_what_is_named_is_there(entry: Path, tmp_path: Path, line: str) -> None:
    without = ZipFile(bundle(entry, tmp_path / "without.zip").path).namelist()
    (entry / "other.py").write_text(line)
    names = ZipFile(bundle(entry, tmp_path / "with.zip").path).namelist()
    assert f"penstock/{NAMED[line]}" in names
    assert f"penstock/{NAMED[line]}" not in without


def test_every_statement_keeps_its_line(entry: Path, tmp_path: Path) -> None:
    # What tracebacks show is what the source says.
    with ZipFile(bundle(entry, tmp_path / "function.zip").path) as archive:
        for name in ("penstock/core/pump.py", "penstock/errors.py", "penstock/formats/sse.py"):
            lean = archive.read(name).decode()
            source = (SRC.parent / name).read_text()
            assert statements(lean) == statements(source)
            assert '"""' not in lean
            assert len(lean) < 0.8 * len(source)


def statements(source: str) -> list[tuple[int, str]]:
    """Return the line and the meaning of every statement that is no docstring."""
    return [
        (node.lineno, ast.unparse(node))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt)
        and not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not hasattr(node, "body")
    ]


def test_the_same_bytes_whenever_it_is_made(entry: Path, tmp_path: Path) -> None:
    first = bundle(entry, entry / "function.zip").path.read_bytes()
    with ZipFile(entry / "function.zip") as archive:  # no day of this machine's
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    os.utime(entry / "main.py", (1, 1))
    (entry / "main.py").rename(entry / "moved")  # another order in the folder
    (entry / "moved").rename(entry / "main.py")
    # It lies in the folder itself, and is not taken for a part of it.
    assert bundle(entry, entry / "function.zip").path.read_bytes() == first


def test_it_runs_with_nothing_else_installed(entry: Path, tmp_path: Path) -> None:
    made = bundle(entry, tmp_path / "function.zip")
    target = tmp_path / "task"
    with ZipFile(made.path) as archive:
        archive.extractall(target)
    code = f"""
import asyncio, sys
sys.path.insert(0, {str(target)!r})
from main import app
import penstock
assert penstock.__file__.startswith({str(target)!r})
sent = []
async def receive():
    await asyncio.Event().wait()
async def send(message):
    sent.append(message.get("body", b""))
scope = {{"type": "http", "method": "GET", "path": "/", "query_string": b"name=zip", "headers": []}}
asyncio.run(app(scope, receive, send))
print(b"".join(sent).decode())
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert 'data: {"hello":"zip"}' in done.stdout


WHEEL = {
    "arm64": "markupsafe/_speedups.cpython-313-aarch64-linux-gnu.so",
    "x86_64": "markupsafe/_speedups.cpython-313-x86_64-linux-gnu.so",
}


@pytest.mark.parametrize("architecture", WHEEL)
def test_wheels_are_lambdas_not_this_machines(
    entry: Path, tmp_path: Path, architecture: str
) -> None:
    (entry / "requirements.txt").write_text("markupsafe\n")
    made = bundle(entry, tmp_path / "f.zip", architecture=architecture)  # type: ignore[arg-type]  # of a table
    names = ZipFile(made.path).namelist()
    assert WHEEL[architecture] in names
    assert not [name for name in names if name.endswith(("RECORD", "INSTALLER", "direct_url.json"))]
    assert bundle(entry, tmp_path / "g.zip", architecture=architecture).path.read_bytes() == (  # type: ignore[arg-type]  # likewise
        made.path.read_bytes()
    )


def test_what_lambda_would_refuse_is_refused_here(
    entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.bundling._MAX_UNPACKED", 1_000_000)
    (entry / "weights.bin").write_bytes(bytes(3_000_000))
    with pytest.raises(ConfigurationError, match=r"Largest: weights.bin 3 MiB"):
        bundle(entry, tmp_path / "f.zip")
    assert not (tmp_path / "f.zip").exists()


def test_what_has_no_wheel_is_told(entry: Path, tmp_path: Path) -> None:
    (entry / "requirements.txt").write_text("./nothing-here\n")
    with pytest.raises(ConfigurationError, match=r"for Python 3.13 on Linux arm64"):
        bundle(entry, tmp_path / "f.zip")


MISTAKES = {
    "entry": (["nowhere"], "ENTRY must be the folder of your code, got 'nowhere'"),
    "python": (["--python", "2.7"], "--python must be one of 3.11, 3.12, 3.13, 3.14, got '2.7'"),
    "arch": (["--arch", "arm"], '--arch must be "arm64" or "x86_64", got \'arm\''),
    "requirements": (["-r", "no.txt"], "--requirements must be a file, got 'no.txt'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name: str, tmp_path: Path) -> None:
    # P3
    arguments, said = MISTAKES[name]
    ran = run_penstock("bundle", *arguments, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (2, f"penstock: {said}\n")


def test_the_command_says_what_it_made(entry: Path, tmp_path: Path) -> None:
    # P3
    ran = run_penstock("bundle", "app", "--out", "f.zip", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("f.zip\n  zip  ")
    assert (tmp_path / "f.zip").is_file()


def test_unknown_options_are_the_callers(entry: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="python_version= must be one of"):
        bundle(entry, tmp_path / "f.zip", python_version="3.8")
