"""``penstock bench``: the benchmark is started, and said to be missing where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli import bench
from penstock.cli.console import Mistake
from tests.cli.running import run_penstock


def test_the_arguments_are_the_benchmarks_own() -> None:
    # P3
    ran = run_penstock("bench", "burst", "--servers", "nobody")
    assert ran.returncode == 2
    assert "unknown server 'nobody'; known: raw," in ran.stderr


def test_an_installed_package_says_where_the_benchmark_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_ROOT", tmp_path)
    with pytest.raises(Mistake, match="clone the repository and run make bench"):
        bench._run([])
