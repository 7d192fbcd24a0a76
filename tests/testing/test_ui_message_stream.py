"""The referee: what it lets pass, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.testing import check_ui_message_stream

START, STEP, STEP_END = {"type": "start"}, {"type": "start-step"}, {"type": "finish-step"}
FINISH = {"type": "finish"}
OPEN, PIECE = {"type": "text-start", "id": "1"}, {"type": "text-delta", "id": "1", "delta": "a"}
END = {"type": "text-end", "id": "1"}
BEGUN = {"type": "tool-input-start", "toolCallId": "c", "toolName": "t"}
CALL = {**BEGUN, "type": "tool-input-available", "input": None}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c", "output": None}
WHOLE: list[Any] = [START, STEP, OPEN, PIECE, END, BEGUN, CALL, OUTPUT, STEP_END, FINISH]


def body(chunks: list[Any], end: str = "data: [DONE]\n\n") -> bytes:
    events = [each if isinstance(each, str) else json.dumps(each) for each in chunks]
    return ("".join(f"data: {event}\n\n" for event in events) + end).encode()


def test_a_whole_stream() -> None:
    assert check_ui_message_stream(body(WHOLE)) == WHOLE
    assert check_ui_message_stream(b": open\n" + body([START, FINISH])) == [START, FINISH]
    error = {"type": "error", "errorText": "no"}
    assert check_ui_message_stream(body([START, STEP, error])) == [START, STEP, error]


REFUSED: dict[str, tuple[bytes, str]] = {
    "no [DONE]": (body(WHOLE, ""), "does not end with"),
    "after [DONE]": (body(WHOLE) + b"data: [DONE]\n\n", "nothing follows"),
    "half an event": (body(WHOLE) + b": x", "last event is not complete"),
    "a name": (body(WHOLE).replace(b"data", b"event: x\ndata", 1), "has no name"),
    "no finish": (body(WHOLE[:-1]), "ends with finish-step"),
    "nothing at all": (body([]), "ends with None"),
    "two ends": (body([*WHOLE, FINISH]), "nothing but"),
    "no start": (body(WHOLE[1:]), "one start comes first"),
    "two starts": (body([START, *WHOLE]), "one start comes first"),
    "not JSON": (body(["{"]), "not JSON"),
    "no object": (body(["7"]), "an object"),
    "no type": (body([{}]), "has a type"),
    "unknown type": (body([START, {"type": "texts"}]), "no such chunk"),
    "missing member": (body([START, {"type": "error"}]), "errorText is missing"),
    "unknown member": (body([{**START, "id": "1"}]), "id is no member"),
    "null": (body([{**START, "messageId": None}]), "messageId is null"),
    "number": (body([{**START, "messageId": 7}]), "messageId is 7"),
    "outside a step": (body([START, OPEN]), "no step is open"),
    "not opened": (body([START, STEP, PIECE]), "no text part '1' is open"),
    "another kind": (
        body([START, STEP, OPEN, {**END, "type": "reasoning-end"}]),
        "no reasoning part",
    ),
    "an id again": (body([START, STEP, OPEN, END, OPEN]), "was used before"),
    "left open": (body([START, STEP, OPEN, STEP_END]), "still open: 1"),
    "input left open": (body([START, STEP, BEGUN, STEP_END]), "inputs still open: c"),
    "step in a step": (body([START, STEP, STEP]), "has not ended"),
    "step left open": (body([START, STEP, FINISH]), "has not ended"),
    "end of no step": (body([START, STEP_END]), "no step is open"),
    "output without a call": (body([START, STEP, OUTPUT]), "is not known"),
    "call twice": (body([START, STEP, CALL, CALL]), "was complete before"),
    "begun twice": (body([START, STEP, CALL, BEGUN]), "was made before"),
    "piece of no call": (
        body([START, {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "{"}]),
        "is not open",
    ),
    "reason": (body([START, {**FINISH, "finishReason": "end_turn"}]), "no such finish reason"),
}


@pytest.mark.parametrize(("wire", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(wire: bytes, message: str) -> None:
    # C6
    with pytest.raises(AssertionError, match=message):
        check_ui_message_stream(wire)
