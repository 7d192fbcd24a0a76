"""What the reader is told of an error, also when telling fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.core.ending import Ending
from penstock.core.problem import problem_of
from penstock.errors import HttpError

from .sinks import ListSink, make_pump, run_pump, write


def raising(error: Any, problem: Any) -> Any:
    raise ZeroDivisionError


def nothing(error: Any, problem: Any) -> Any:
    return None


@pytest.mark.parametrize("scrub", [raising, nothing])
def test_a_scrub_that_fails_shows_nothing(scrub: Any, caplog: pytest.LogCaptureFixture) -> None:
    # E3, E4: shown as an unknown error; its own failure is for the log
    problem = problem_of(HttpError(404, detail="secret"), scrub)
    assert (problem.status, problem.title) == (500, "Internal Server Error")
    assert "secret" not in str(problem.detail)
    assert "scrub=" in caplog.text


async def fails_late(emit: Any) -> None:
    await emit("a")
    raise ValueError("secret")


@pytest.mark.parametrize("scrub", [raising, nothing])
def test_a_stream_ends_although_scrub_fails(scrub: Any) -> None:
    # E2: one error event, then a clean end
    sink = ListSink()
    pump = make_pump(sink, "ndjson", scrub=scrub)
    assert asyncio.run(run_pump(pump, write(fails_late))) is Ending.ERROR
    assert sink.body.startswith(b'"a"\n{"error":{"errors":[{"status":500,')
    assert sink.body.count(b"\n") == 2
    assert sink.is_complete


def test_a_format_that_cannot_write_an_error_breaks_off(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # E2: a format of the user's own may raise anywhere
    sink = ListSink()
    pump = make_pump(sink, "ndjson")
    monkeypatch.setattr(type(pump.encoder), "error", raising)
    assert asyncio.run(run_pump(pump, write(fails_late))) is Ending.ERROR
    assert sink.body == b'"a"\n'
    assert not sink.is_complete
    assert "an error could not be written" in caplog.text
