"""How a stream looks on a screen and in a pipe.

Lives here: an event's line, the status line under it. Stays out: reading the stream.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO

from penstock.cli.model_text import error_of, text_of
from penstock.event import ServerSentEvent
from penstock.formats._json import dumps

__all__ = ("Screen", "as_json", "as_line", "as_text", "harmless")

_DIM, _RED, _CYAN, _GREEN, _BOLD = "2", "31", "36", "32", "1"

# What a server sends must not move the cursor or name the window: C0 and C1 but for tab and LF.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Paint = Callable[[str, str], str]


def harmless(text: str) -> str:
    """Return ``text`` with its control characters spelled out."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def as_line(item: Any, at: float, paint: Paint) -> str:
    """Return an event as a line for people: when, type, id, data."""
    if not isinstance(item, ServerSentEvent):
        return f"{paint(f'{at:8.3f}', _DIM)}  {harmless(dumps(item).decode())}\n"
    name = paint(harmless(item.event), _RED if item.event == "error" else _CYAN)
    id = f"  {paint('#' + harmless(item.id), _DIM)}" if item.id else ""
    head = f"{paint(f'{at:8.3f}', _DIM)}  {name}{id}"
    # More lines of the same data stand under the first.
    first, *more = harmless(item.data).split("\n")
    return "\n".join([f"{head}  {first}", *(f"{'':10}{line}" for line in more)]) + "\n"


def as_json(item: Any, at: float, paint: Paint) -> str:
    """Return an event as one line of JSON for jq; an NDJSON value as it is."""
    if not isinstance(item, ServerSentEvent):
        return dumps(item).decode() + "\n"
    try:
        data = json.loads(item.data)
    except ValueError:
        data = item.data
    shown = {"event": item.event, "id": item.id, "data": data, "at": round(at, 3)}
    return dumps(shown).decode() + "\n"


def as_text(item: Any, at: float, paint: Paint) -> str:
    """Return only the text that an event adds to a model's answer."""
    return text_of(item) if error_of(item) is None else ""


class Screen:
    """Where events are shown: a terminal, with a status line, or a pipe, without.

    Args:
        render: Makes an item's text.
        out: Where to.
        has_status: Whether a status line may stand under the last line: with partial lines it may
            not.
    """

    def __init__(
        self, render: Callable[[Any, float, Paint], str], out: TextIO, *, has_status: bool = True
    ) -> None:
        self.is_terminal = out.isatty() and sys.stderr.isatty()
        self._render, self._out = render, out
        self._has_status = has_status and self.is_terminal
        is_coloured = self.is_terminal and not os.environ.get("NO_COLOR")
        self._paint: Paint = _sgr if is_coloured else (lambda text, code: text)
        self._began = self._last = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque([(self._began, 0)], maxlen=11)
        self._drawn_at = 0.0
        self._is_drawn = False
        self._ends_line = True
        self.shown = self.passed = self.size = 0

    def show(self, item: Any) -> None:
        """Show an item."""
        self._last = time.monotonic()
        self.shown += 1
        self.size += len(item.data) if isinstance(item, ServerSentEvent) else len(dumps(item))
        text = self._render(item, self._last - self._began, self._paint)
        if not text:
            return
        if self.is_terminal and self._render is as_text:
            text = harmless(text)
        self.clear()
        self._out.write(text)
        self._ends_line = text.endswith("\n")
        if self._last - self._drawn_at > 0.1:
            self.draw()
        self._out.flush()

    def tick(self) -> None:
        """Look at the clock: the rate changes while nothing comes, too."""
        self._samples.append((time.monotonic(), self.shown))
        self.draw()
        self._out.flush()

    def draw(self) -> None:
        """Draw the status line anew."""
        if not self._has_status:
            return
        self._drawn_at = time.monotonic()
        width = shutil.get_terminal_size().columns - 1
        self.clear()
        self._out.write(self._paint(self.status()[:width], _DIM))
        self._is_drawn = True

    def clear(self) -> None:
        """Take the status line away."""
        if self._is_drawn:
            self._out.write("\r\x1b[2K")
            self._is_drawn = False

    def end_line(self) -> None:
        """See to it that what comes next stands on a line of its own."""
        self.clear()
        if not self._ends_line and self.is_terminal:
            self._out.write("\n")
            self._ends_line = True
        self._out.flush()

    def status(self) -> str:
        """Return counts and rate in a few words."""
        now = time.monotonic()
        since, count = self._samples[0]
        rate = (self.shown - count) / max(now - since, 0.001)
        passed = f" of {self.shown + self.passed:,}" if self.passed else ""
        return (
            f"{self.shown:,}{passed} events  {_size(self.size)}  {rate:,.1f}/s  "
            f"{now - self._began:.0f} s  last {now - self._last:.0f} s ago"
        )

    def summary(self) -> str:
        """Return what it came to."""
        return (
            f"{self.shown:,} events, {_size(self.size)} in {time.monotonic() - self._began:.1f} s"
        )


def _sgr(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:,.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):,.1f} MiB"
