"""Decoders side by side: many small events, and one long line in small pieces."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ("DECODERS", "Decoded", "compare", "events_wire", "line_wire")

_PATIENCE = 2.0  # seconds of one decoder: some are quadratic, one round of those is enough
_HERE = Path(__file__).resolve().parent

Chunks = list[bytes]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one decoder took.

    Attributes:
        small: Seconds for the small events.
        quarter: Seconds for a quarter of the long line.
        line: Seconds for the long line.
    """

    small: float
    quarter: float
    line: float


def events_wire(n: int) -> bytes:
    """Return ``n`` events of about 53 bytes."""
    return b"".join(
        b'event: tick\nid: %06d\ndata: {"i":%d,"t":"a b"}\n\n' % (i, i + 100_000) for i in range(n)
    )


def line_wire(size: int) -> bytes:
    """Return one event whose data is a line of ``size`` bytes."""
    return b"data: " + b"x" * size + b"\n\n"


def _cut(wire: bytes, size: int) -> Chunks:
    return [wire[at : at + size] for at in range(0, len(wire), size)]


def _penstock() -> Callable[[Chunks], int]:
    from penstock import SseDecoder

    def decode(chunks: Chunks) -> int:
        decoder = SseDecoder()
        return sum(len(list(decoder.feed(chunk))) for chunk in chunks)

    return decode


def _httpx_sse() -> Callable[[Chunks], int]:
    import httpx
    import httpx_sse

    class Body(httpx.SyncByteStream):
        def __init__(self, chunks: Iterable[bytes]) -> None:
            self._chunks = chunks

        def __iter__(self) -> Iterator[bytes]:
            return iter(self._chunks)

    def decode(chunks: Chunks) -> int:
        headers = {"content-type": "text/event-stream"}
        source = httpx_sse.EventSource(httpx.Response(200, headers=headers, stream=Body(chunks)))
        return sum(1 for _ in source.iter_sse())

    return decode


def _sseclient() -> Callable[[Chunks], int]:
    import sseclient

    # Its iterable must also be closable: a generator is.
    return lambda chunks: sum(1 for _ in sseclient.SSEClient(c for c in chunks).events())


def _openai() -> Callable[[Chunks], int]:
    from openai._streaming import SSEDecoder

    return lambda chunks: sum(1 for _ in SSEDecoder().iter_bytes(iter(chunks)))


# Each imports its library when called: what is not installed is a line of the table, no failure.
_PYTHON: dict[str, Callable[[], Callable[[Chunks], int]]] = {
    "penstock": _penstock,
    "httpx-sse": _httpx_sse,
    "sseclient-py": _sseclient,
    "openai's": _openai,
}
_NODE = "eventsource-parser (Node)"
DECODERS = (*_PYTHON, _NODE)


def compare(n: int, line: int, rounds: int) -> dict[str, Decoded | str]:
    """Return what each decoder took, the median of ``rounds``, or why there is no figure.

    Args:
        n: Small events, fed in chunks of 4 KiB.
        line: Bytes of the long line, fed in pieces of 64 bytes.
        rounds: How often; they take turns.
    """
    feeds = [
        (events_wire(n), 4096, n),
        (line_wire(line // 4), 64, 1),
        (line_wire(line), 64, 1),
    ]
    found: dict[str, Decoded | str] = {}
    decoders: dict[str, Callable[[Chunks], int]] = {}
    for name, load in _PYTHON.items():
        try:
            decoders[name] = load()
        except ImportError as exc:
            found[name] = f"not installed ({exc.name})"
    taken = [_take_turns(decoders, _cut(wire, size), n, rounds) for wire, size, n in feeds]
    for name in decoders:
        found[name] = Decoded(*(each[name] for each in taken))
    found[_NODE] = _on_node(feeds, rounds)
    return {name: found[name] for name in DECODERS}


def _take_turns(
    decoders: dict[str, Callable[[Chunks], int]], chunks: Chunks, expected: int, rounds: int
) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(rounds):
        for name, decode in decoders.items():
            if sum(taken[name]) > _PATIENCE:
                continue
            began = time.perf_counter()
            events = decode(chunks)
            taken[name].append(time.perf_counter() - began)
            if events != expected:
                raise RuntimeError(f"{name} found {events} events, not {expected}")
    return {name: median(each) for name, each in taken.items()}


def _on_node(feeds: list[tuple[bytes, int, int]], rounds: int) -> Decoded | str:
    if shutil.which("node") is None or not (_HERE / "node_modules/eventsource-parser").is_dir():
        return "not installed (npm install in bench/)"
    taken = []
    for wire, size, expected in feeds:
        command = ["node", str(_HERE / "decode.mjs"), str(size), str(rounds)]
        ran = subprocess.run(command, input=wire, capture_output=True, check=True)
        events, milliseconds = json.loads(ran.stdout)
        if events != expected:
            raise RuntimeError(f"{_NODE} found {events} events, not {expected}")
        taken.append(milliseconds / 1000)
    return Decoded(*taken)
