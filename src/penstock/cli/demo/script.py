"""The scripted model: answers written in advance, spoken at the pace of a real one.

Lives here: what it says, what makes it say so, and the pauses. Stays out: HTTP, formats, logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from penstock.chunk import (
    Chunk,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
)
from penstock.errors import HttpError

__all__ = ("Answer", "Step", "answer_to", "steps")

# Seconds after a token, by what it ends with: a speaker breathes at the punctuation.
_BREATHS = ((("\n\n",), 0.34), ((".", "!", "?", ":"), 0.24), ((",", ";", "\n"), 0.12))
_TOKEN_PACE = (0.022, 0.046, 0.030, 0.058, 0.026, 0.038, 0.050)
_THINKING = 0.35

# A word with the space before it, cut in two when long, as a tokenizer would; line ends apart.
_TOKEN = re.compile(r"\n+| *[^\s]{1,7}| +")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says.

    Attributes:
        name: What the log calls it.
        parts: Text to speak, chunks to say as they are, reasoning in tokens, too; or seconds to
            be silent.
        pace: Factor on every pause of speech; 0 says all at once.
        refuses: Makes what is raised before the first token.
        breaks: Makes what is raised after the last one.
    """

    name: str
    parts: tuple[str | float | Chunk, ...] = ()
    pace: float = 1.0
    refuses: Callable[[], HttpError] | None = None
    breaks: Callable[[], HttpError] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One token, or another chunk, and the seconds to wait before it."""

    delay: float
    chunk: Chunk

    @property
    def text(self) -> str:
        """The token; "" of what is no text."""
        return self.chunk.content if isinstance(self.chunk, Text) else ""


HELLO = Answer(
    "hello",
    (
        "Hello! I am a scripted model: every word I say was written in advance, but it reaches "
        "you the way a real model's words do, one token at a time.\n\n"
        "Behind this page is one async generator. It yields a token, penstock writes it, and your "
        "browser has it a moment later. Press stop at any time and watch the server's log: the "
        "generator is told at once, and its cleanup runs.\n\n"
        "Try another format with the switch, and ask me again. The generator stays the same; "
        "only `format=` changes.",
    ),
)

CODE = Answer(
    "code",
    (
        "Gladly. This is a whole program:\n\n"
        "```python\n"
        "from penstock import Context, Event, endpoint\n\n\n"
        '@endpoint(format="sse")\n'
        "async def app(ctx: Context):\n"
        '    for i in range(int(ctx.query.get("n", "3"))):\n'
        '        yield Event({"i": i}, event="tick")\n'
        "```\n\n"
        "Save it as `main.py` and run it:\n\n"
        "```sh\n"
        "penstock serve main:app\n"
        "curl -N http://127.0.0.1:8000/\n"
        "```\n\n"
        'Write `format="ndjson"` instead and every event is a line of JSON. With `format="text"` '
        "you would yield plain strings.",
    ),
)

LONG = Answer(
    "long",
    (
        "Then let me tell you where the name comes from.\n\n"
        "High in the mountains, a lake waits behind a wall. Nothing about it looks powerful. The "
        "surface is flat, the birds are bored, and the only sound is a little water running over "
        "the spillway. But every drop up there is lifted already, and wants to come down.\n\n"
        "At the foot of the wall is a gate, and behind the gate begins the penstock: a long steel "
        "pipe that runs down the mountainside to the turbines in the valley. It has one task. "
        "What goes in at the top must come out at the bottom, at once, in order, and with nothing "
        "lost on the way.\n\n"
        "That sounds easy until you ask what happens when the valley stops drinking. Close the "
        "lower valve too fast, and a column of water as heavy as a train has nowhere to go. The "
        "engineers call it water hammer, and it has burst pipes as thick as your arm. So a good "
        "plant never just slams a valve. It slows the flow from the top, and gives the water that "
        "is already under way a place to rise and settle.\n\n"
        "Streams of tokens are kinder, but the shape of the problem is the same. The producer is "
        "up in the mountains: a model, a query, a job that takes a while. The reader is down in "
        "the valley, on a train, with one bar of signal. If the reader slows down, the producer "
        "has to slow down too, or the pipe in between fills until something bursts. If the reader "
        "leaves, somebody has to walk up and close the gate, or the lake drains into nothing, and "
        "you pay for every drop.\n\n"
        "And if the lake is quiet for a while? Then a trickle has to keep the pipe from looking "
        "abandoned, since there is always a proxy along the way that tears out whatever seems "
        "unused.\n\n"
        "That is all this library does. It opens the gate, it watches the pressure, it keeps a "
        "trickle going, and it closes the gate when nobody is drinking. The water is yours.\n\n"
        "I could go on, but you have been listening for a while now. If you want to see the gate "
        "close, ask me for this story again and press stop somewhere around the birds.",
    ),
    pace=0.8,
)

QUIET = Answer(
    "quiet",
    (
        "Let me think about that for a moment. I will say nothing for seven seconds; watch the "
        "keep-alive counter.\n\n",
        7.0,
        "There. While I was silent the server sent a tiny comment every two seconds, so that no "
        "proxy on the way could take the connection for dead. Your code had nothing to do with "
        "it.\n\nIn plain text there is nothing a reader would ignore, so there the pipe simply "
        "stays quiet.",
    ),
)

_TOOL = ToolCall("call-1", "measure", '{"what":"water level"}', {"what": "water level"})
TOOLS = Answer(
    "tools",
    (
        Reasoning(
            "They want to see what a model does beside talking. I could measure the lake, and say "
            "where I read about it."
        ),
        ToolCallStart(_TOOL.id, _TOOL.name),
        0.2,
        ToolCallDelta(_TOOL.id, '{"what":'),
        0.2,
        ToolCallDelta(_TOOL.id, '"water level"}'),
        _TOOL,
        0.8,
        ToolResult(_TOOL.id, _TOOL.name, {"meters": 41.7}),
        "The lake stands at 41.7 meters. ",
        Source("https://en.wikipedia.org/wiki/Penstock", title="Penstock, in Wikipedia"),
        "I thought about it first, called a tool, and read its result; each of these came through "
        "the pipe as a chunk of its own.\n\n"
        'With `format="ui-message-stream"` the same generator is what `useChat` reads.',
    ),
)

FLOOD = Answer(
    "flood",
    (
        "Opening the gate all the way:\n\n",
        " ".join(f"{number:,}" for number in range(1, 2001)),
        "\n\nThat was the whole numbers up to two thousand, with no pause in between. What is "
        "ready at the same moment leaves in one write; what you cannot take yet waits upstream.",
    ),
    pace=0.0,
)

REFUSAL = Answer(
    "refusal",
    refuses=partial(
        HttpError, 429, detail="You asked the model to refuse, so it did, before its first token."
    ),
)

BREAK = Answer(
    "break",
    (
        "All right. I will begin like any other answer, go on for a sentence or two, and then, "
        "when you least expect it, right in the middle of a",
    ),
    breaks=partial(
        HttpError,
        409,
        title="Lost the thread",
        detail="You asked for an error in mid-stream. Here it is.",
    ),
)

ECHO = Answer(
    "echo",
    (
        "You wrote: “{prompt}”\n\n"
        "I wish I had something wise to say about that, but I only know a few things by heart. "
        "Ask me for some *code*, a *long* story, to stay *quiet* for a while, to *flood* you, or "
        "to *fail*, before I begin or midway.",
    ),
)

# The first that matches answers. Errors first: "a long answer that fails" is about the failing.
_KEYWORDS = (
    (r"refus\w*|reject\w*|before (the|your) first|fail first|fail early", REFUSAL),
    (r"fail\w*|errors?|crash\w*|break\w*|midway|mid-?stream", BREAK),
    (r"tools?|reason\w*|sources?|weather|measure", TOOLS),
    (r"flood\w*|fast\w*|everything at once|quick\w*", FLOOD),
    (r"quiet\w*|silen\w*|pauses?|think\w*|wait\w*|keep-?alives?|slow\w*", QUIET),
    (r"code|program\w*|python|example|snippet", CODE),
    (r"long\w*|story|stories|tale|name|water|explain", LONG),
    (r"hello|hi|hey|what is this|who are you|help", HELLO),
)


def answer_to(prompt: str) -> Answer:
    """Return the answer that ``prompt``'s words ask for; an echo when none of them is known."""
    said = " ".join(prompt.lower().split())
    for words, answer in _KEYWORDS:
        if re.search(rf"\b(?:{words})\b", said):
            return answer
    quoted = said if len(said) <= 120 else said[:119] + "…"
    echo = str(ECHO.parts[0]).replace("{prompt}", quoted)
    return Answer(ECHO.name, (echo,))


def steps(answer: Answer) -> Iterator[Step]:
    """Yield ``answer``'s tokens with the pause before each; the pauses never vary."""
    delay = _THINKING
    count = 0
    for part in answer.parts:
        if isinstance(part, (float, int)):
            delay += part
            continue
        kind = Reasoning if isinstance(part, Reasoning) else Text
        text = part.content if isinstance(part, Reasoning) else part
        if isinstance(text, Chunk):
            yield Step(delay, text)
            delay = 0.0
            continue
        for token in _TOKEN.findall(text):
            yield Step(delay, kind(token))
            delay = _pause_after(token, count) * answer.pace
            count += 1


def _pause_after(token: str, count: int) -> float:
    pause = _TOKEN_PACE[count % len(_TOKEN_PACE)]
    for endings, breath in _BREATHS:
        if token.endswith(endings):
            return pause + breath
    return pause
