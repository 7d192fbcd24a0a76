"""What the scripted model says, and when."""

from __future__ import annotations

import pytest

from penstock.cli.demo.script import Answer, answer_to, steps
from penstock.errors import HttpError

ASKED = {
    "hello": "hello",
    "What is this?": "hello",
    "Show me some code": "code",
    "Tell me the long story of your name": "long",
    "Think quietly for a while first": "quiet",
    "Flood me with everything at once": "flood",
    "Fail midway, please": "break",
    "Refuse before your first token": "refusal",
    # the failure is what matters
    "a long story that fails": "break",
    "an error before the first token": "refusal",
    # only whole words count
    "the chill of this hide": "echo",
    "What about otters": "echo",
}


@pytest.mark.parametrize(("prompt", "name"), ASKED.items(), ids=ASKED)
def test_keywords(prompt: str, name: str) -> None:
    assert answer_to(prompt).name == name


def test_an_echo_quotes_the_prompt_but_not_all_of_it() -> None:
    spoken = "".join(step.text for step in steps(answer_to("otters\n  " + "x" * 500)))
    assert "“otters xxx" in spoken
    assert "x…”" in spoken
    assert "x" * 121 not in spoken


@pytest.mark.parametrize("prompt", ASKED)
def test_the_tokens_are_the_text(prompt: str) -> None:
    answer = answer_to(prompt)
    text = "".join(part for part in answer.parts if isinstance(part, str))
    tokens = list(steps(answer))
    assert "".join(step.text for step in tokens) == text
    assert all(step.delay >= 0 and step.text and len(step.text.strip()) <= 7 for step in tokens)


def test_it_breathes_at_punctuation_and_is_silent_when_told() -> None:
    answer = Answer("a test", ("One two. Three", 5.0, " four"))
    delays = {step.text: step.delay for step in steps(answer)}
    assert delays[" Three"] > delays[" two."] + 0.2
    assert delays[" four"] > 5


def test_a_pace_of_zero_waits_only_before_the_first_token() -> None:
    first, *rest = steps(answer_to("flood me"))
    assert first.delay > 0
    assert len(rest) > 2_000
    assert {step.delay for step in rest} == {0.0}


def test_failures_are_made_anew_each_time() -> None:
    # One instance raised again and again would gather the tracebacks of all its readers.
    for prompt in ("refuse", "fail"):
        answer = answer_to(prompt)
        make = answer.refuses or answer.breaks
        assert make is not None
        assert isinstance(make(), HttpError)
        assert make() is not make()
