"""The shared decode cases, at every feeding.

They were gathered from the standard's own tests and those of six decoders, and stay beside the
project; elsewhere the project's own table stands (``test_sse_decoder``).
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from penstock.formats import SseDecoder

PLACE = Path(__file__).parents[2].parent / "shared" / "data" / "sse_decode_cases.json"


def load() -> list[dict[str, Any]]:
    if PLACE.exists():
        cases: list[dict[str, Any]] = json.loads(PLACE.read_text())
        return cases
    return []


CASES = load()


def test_the_cases_are_here() -> None:
    if not CASES and not os.environ.get("CI"):
        pytest.skip("the shared decode cases are not beside this checkout")
    assert len(CASES) == 169


def feedings(case: dict[str, Any]) -> dict[str, list[bytes]]:
    wire = base64.b64decode(case["input_b64"])
    bounds = [0, *case.get("splits", []), len(wire)]
    return {
        "whole": [wire],
        "byte by byte": [wire[i : i + 1] for i in range(len(wire))],
        "by twos": [wire[i : i + 2] for i in range(0, len(wire), 2)],
        "at its splits": [wire[a:b] for a, b in zip(bounds, bounds[1:], strict=False)],
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    # W15
    for feeding, pieces in feedings(case).items():
        comments: list[str] = []
        decoder = SseDecoder(
            last_event_id=case.get("initial_last_event_id", ""), on_comment=comments.append
        )
        # All events are out before close(): the cases marked "prompt" ask for it of theirs.
        events = [event for piece in pieces for event in decoder.feed(piece)]
        decoder.close()
        told = [(event.event, event.data, event.id, event.retry) for event in events]
        assert told == [
            (event["event"], event["data"], event["id"], event.get("retry"))
            for event in case["expected"]
        ], feeding
        assert decoder.last_event_id == case["final_last_event_id"], feeding
        assert decoder.retry == case["final_retry"], feeding
        if "comments" in case:
            assert comments == case["comments"], feeding
