"""The zip that Lambda runs: your code, penstock, and wheels for the platform it runs on.

Lives here: what goes in, and that the same input gives the same bytes. Stays out: the command
line, and deploying.

Source: Lambda, "Working with .zip file archives for Python Lambda functions".
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from penstock.errors import ConfigurationError, InvalidOption

__all__ = ("ARCHITECTURES", "PYTHONS", "Architecture", "Bundle", "bundle")

Architecture: TypeAlias = Literal["arm64", "x86_64"]

# The managed runtimes, and the glibc of the Linux under each: Amazon Linux 2, then 2023.
PYTHONS = {"3.11": (2, 26), "3.12": (2, 34), "3.13": (2, 34), "3.14": (2, 34)}
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}

# Wheels name the oldest glibc that they run on.
_MANYLINUX = ((2, 17), (2, 24), (2, 26), (2, 27), (2, 28), (2, 31), (2, 34))

# Bytes, unpacked; past it Lambda refuses the function.
_MAX_UNPACKED = 250 * 1024 * 1024

# Rooms that a function never enters.
_NOT_SHIPPED = ("aws/emulator/", "cdk/", "cli/", "testing/", "bundling.py")

# Rooms that it enters by their names only: without one in all that is shipped, they stay behind.
_BY_NAME = {
    "llm/": rb"penstock\s*\.\s*llm|from\s+penstock\s+import[^)\n]*\bllm\b",
    "client/": rb"penstock\s*\.\s*client|from\s+penstock\s+import[^)\n]*\bclient\b",
    "logs/redis.py": rb"RedisLog",
    "logs/_redis": rb"RedisLog",
    "logs/sqlite.py": rb"SqliteLog",
    "logs/_sqlite": rb"SqliteLog",
}

# Made on the way, or of this machine; and pip's notes, which say when and from where.
_LEFT_OUT = frozenset(
    ("__pycache__", "bin", "cdk.out", "node_modules", "venv")
    + ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
)

# The zip format's first day: a file's own date would change the bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A zip that was made.

    Attributes:
        path: Where it is.
        size: Its bytes.
        unpacked: Bytes of all that is in it.
        files: How many files are in it.
    """

    path: Path
    size: int
    unpacked: int
    files: int


def bundle(
    entry: str | Path,
    out: str | Path,
    *,
    requirements: str | Path | None = None,
    python_version: str = "3.13",
    architecture: Architecture = "arm64",
) -> Bundle:
    """Write a zip of the folder ``entry``, penstock, and what ``requirements`` names.

    The same input gives the same bytes: no dates, no order of the file system, no caches.

    Args:
        entry: Folder with your modules. Names that begin with a dot, caches and virtual
            environments are left out.
        out: The zip to write.
        requirements: A pip requirements file; by default ``requirements.txt`` in ``entry``, if
            there is one. Its packages must have wheels for Lambda's Linux.
        python_version: Of the managed runtime.
        architecture: "arm64" or "x86_64".

    Raises:
        InvalidOption: No such folder, runtime or architecture.
        ConfigurationError: pip found no wheels, or the function would be too large for Lambda.
    """
    entry, out = Path(entry), Path(out)
    _check(entry, python_version, architecture)
    wanted = Path(requirements) if requirements is not None else entry / "requirements.txt"
    if requirements is not None and not wanted.is_file():
        raise InvalidOption("requirements", str(requirements), "a file")
    with TemporaryDirectory(prefix="penstock-wheels-") as wheels:
        if wanted.is_file():
            _install(wanted, Path(wheels), python_version, architecture)
        # In this order: your own files win over packages, and penstock is always this one.
        files = _files(Path(wheels)) | _files(entry, skip=out)
        unpacked = sum(path.stat().st_size for path in files.values())
        if unpacked > _MAX_UNPACKED:
            raise ConfigurationError(_too_large(files, unpacked))
        contents = {name: _Content.of(path) for name, path in files.items()}
    contents |= _own_contents(_unnamed(contents))
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(out, contents)
    unpacked = sum(len(content.data) for content in contents.values())
    return Bundle(out, out.stat().st_size, unpacked, len(contents))


@dataclass(frozen=True, slots=True)
class _Content:
    data: bytes
    is_executable: bool = False

    @classmethod
    def of(cls, path: Path) -> _Content:
        return cls(path.read_bytes(), bool(path.stat().st_mode & 0o100))


def _check(entry: Path, python_version: str, architecture: str) -> None:
    if not entry.is_dir():
        raise InvalidOption("entry", str(entry), "the folder of your code")
    if python_version not in PYTHONS:
        raise InvalidOption("python_version", python_version, f"one of {', '.join(PYTHONS)}")
    if architecture not in ARCHITECTURES:
        raise InvalidOption("architecture", architecture, '"arm64" or "x86_64"')


def _install(
    requirements: Path, target: Path, python_version: str, architecture: Architecture
) -> None:
    """Have pip unpack wheels for Lambda's platform, whatever this one is."""
    machine = ARCHITECTURES[architecture]
    newest = PYTHONS[python_version]
    platforms = [f"manylinux_{a}_{b}_{machine}" for a, b in _MANYLINUX if (a, b) <= newest]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python_version}"]
    command += [f"--platform={name}" for name in (*platforms, f"manylinux2014_{machine}")]
    command += ["--no-compile", f"--target={target}", f"--requirement={requirements}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        said = "\n".join([line for line in lines if line.startswith("ERROR")] or lines[-6:])
        raise ConfigurationError(
            f"pip could not get {requirements} for Python {python_version} on Linux "
            f"{architecture}: every package needs a wheel for it\n{said}"
        )


def _unnamed(contents: Mapping[str, _Content]) -> tuple[str, ...]:
    """Return the rooms of ours that no module of the bundle names."""
    modules = [content.data for name, content in contents.items() if name.endswith(".py")]
    return tuple(
        room
        for room, name in _BY_NAME.items()
        if not any(re.search(name, each) for each in modules)
    )


def _own_contents(unnamed: tuple[str, ...]) -> dict[str, _Content]:
    """Return penstock's files, as far as the function runs them."""
    return {
        f"penstock/{name}": _Content(
            _lean(path.read_text()).encode() if path.suffix == ".py" else path.read_bytes()
        )
        for name, path in _files(Path(__file__).parent).items()
        if not name.startswith((*_NOT_SHIPPED, *unnamed))
    }


def _lean(source: str) -> str:
    """Return a module without its docstrings and comments, every statement on its old line.

    They are a third of what would be stored, and read at every cold start: Lambda cannot keep
    bytecode. Tracebacks still point to the lines of the source.
    """
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            _blank_docstring(node, lines)
    return "\n".join(lines)


def _blank_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]
) -> None:
    if ast.get_docstring(node, clean=False) is None:
        return
    first = node.body[0]
    start, end = first.lineno - 1, first.end_lineno or first.lineno
    # Not nothing: it may be all that the body has.
    lines[start] = lines[start][: first.col_offset] + '""'
    lines[start + 1 : end] = [""] * (end - start - 1)


def _files(root: Path, skip: Path | None = None) -> dict[str, Path]:
    skipped = skip.resolve() if skip is not None else None
    return {
        path.relative_to(root).as_posix(): path
        for path in _walk(root)
        if path.suffix != ".pyc" and path.resolve() != skipped
    }


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT or path.name.startswith(".") or _is_venv(path):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def _is_venv(path: Path) -> bool:
    return (path / "pyvenv.cfg").is_file()


def _write(out: Path, contents: dict[str, _Content]) -> None:
    with ZipFile(out, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(contents):
            content = contents[name]
            info = ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, so that the mode below counts
            mode = 0o755 if content.is_executable else 0o644
            info.external_attr = (0o100000 | mode) << 16
            info.compress_type = ZIP_DEFLATED
            archive.writestr(info, content.data, compresslevel=9)


def _too_large(files: dict[str, Path], unpacked: int) -> str:
    sizes: dict[str, int] = {}
    for name, path in files.items():
        top = name.partition("/")[0]
        sizes[top] = sizes.get(top, 0) + path.stat().st_size
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    shown = ", ".join(f"{name} {sizes[name] / 2**20:.0f} MiB" for name in largest)
    return (
        f"{unpacked / 2**20:.0f} MiB unpacked, and Lambda takes {_MAX_UNPACKED // 2**20}: leave "
        f"something out, or deploy an image. Largest: {shown}"
    )
