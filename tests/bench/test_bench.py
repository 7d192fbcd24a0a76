"""The benchmark runs, and its table has every line; the figures are not a test's business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.decoders import DECODERS, Decoded
from bench.load import LOADS, Figures
from bench.memory import IMPORTS
from bench.reading import READERS
from bench.report import OURS, RAW, Goal, Results, as_json, as_text
from bench.servers import CONTENDERS
from bench.wires import WIRES

ROOT = Path(__file__).resolve().parents[2]


def _bench(*arguments: str) -> str:
    command = [sys.executable, "-m", "bench", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.timeout(300)  # it measures: a third of a minute on a machine of its own
def test_a_smoke_run_prints_every_line() -> None:
    lines = _bench("--quick").splitlines()
    for load in LOADS:
        for contender in CONTENDERS:
            if not load.peers and contender.name not in (RAW, OURS):
                continue
            wanted = [load.name, *contender.label.split()]
            assert any(line.split()[: len(wanted)] == wanted for line in lines), wanted
    others = (*DECODERS, *READERS, *WIRES, *IMPORTS)
    for start in (*(contender.label for contender in CONTENDERS), *others):
        assert any(line.startswith(start) for line in lines), start
    assert any(line.startswith("goal") for line in lines)


@pytest.mark.timeout(300)
def test_what_is_asked_for_is_all_that_runs() -> None:
    found = json.loads(_bench("burst", "--servers", "raw,penstock", "--quick", "--json"))
    assert list(found["figures"]) == ["burst"]
    assert list(found["figures"]["burst"]) == ["raw", "penstock"]
    assert found["cpu_ratios"]["burst"]["raw"] == 1.0
    assert not found["memory"]
    assert not found["decoders"]


@pytest.mark.parametrize("arguments", [("nonsense",), ("--servers", "raw,nonsense")])
def test_unknown_names_are_refused(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "bench", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "'nonsense'; known: " in ran.stderr


def _figures(*cpu: float) -> list[Figures]:
    return [Figures(seconds, 1000.0, 0.001) for seconds in cpu]


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    results = Results(
        figures={"burst": {"raw": _figures(10, 20, 40), "penstock": _figures(1, 8, 8)}}
    )
    # The medians' ratio would be 8 / 20.
    assert results.cpu_ratio("burst", "penstock") == 0.2
    assert results.cpu_ratio("paced", "penstock") is None


GOALS = {
    "at most, met": (Goal("", 1.0, 1.0), True),
    "at most, not met": (Goal("", 1.0, 1.1), False),
    "at least, met": (Goal("", 2.0, 2.0, at_least=True), True),
    "at least, not met": (Goal("", 2.0, 1.9, at_least=True), False),
    "not measured": (Goal("", 1.0, None), None),
}


@pytest.mark.parametrize(("goal", "is_met"), GOALS.values(), ids=GOALS)
def test_goals(goal: Goal, is_met: bool | None) -> None:
    assert goal.is_met is is_met


def test_what_is_not_installed_is_a_line() -> None:
    results = Results(
        figures={"burst": {"raw": _figures(1)}},
        absent={"litestar": "litestar: pip install it"},
        decoders={"penstock": Decoded(1.0, 1.0, 4.0), "openai's": "not installed (openai)"},
        wires={"penstock": 7e-6, "pydantic-ai": "not installed (pydantic_ai)"},
    )
    text = as_text(results)
    assert "Litestar" in text
    assert "not installed (litestar: pip install it)" in text
    assert "not installed (openai)" in text
    assert "not installed (pydantic_ai)" in text
    assert results.wire_ratio() is None
    assert as_json(results)["goals"]
