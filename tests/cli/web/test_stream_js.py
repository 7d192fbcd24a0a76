"""The pages' readers: the same cases as our own decoder, in a browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import web
from tests.cli.browser import open_browser

STREAM_JS = (Path(web.__file__).parent / "stream.js").read_text()

# Feeds each wire in pieces of one size; returns what was dispatched.
READ = """([reader, wires, size]) => wires.map((wire) => {
  const bytes = Uint8Array.from(atob(wire), (character) => character.charCodeAt(0));
  const made = readers[reader]();
  const items = [];
  for (let at = 0; at < bytes.length; at += size) {
    items.push(...made.feed(bytes.slice(at, at + size)));
  }
  return [...items, ...made.end()];
})"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with open_browser() as browser:
        opened = browser.new_page()
        opened.add_script_tag(content=STREAM_JS)
        opened.add_script_tag(
            content="readers = {sse: () => new SseReader(), ndjson: () => new NdjsonReader(),"
            " text: () => new TextReader()}"
        )
        yield opened


def read(page: Any, reader: str, wire: str, size: int) -> list[dict[str, Any]]:
    encoded = base64.b64encode(wire.encode()).decode()
    (items,) = page.evaluate(READ, [reader, [encoded], size])
    return list(items)


@pytest.mark.parametrize("size", [1, 2, 1 << 30], ids=["byte by byte", "by twos", "whole"])
def test_sse_cases(page: Any, shared_data: Path, size: int) -> None:
    # W15
    cases = json.loads((shared_data / "sse_decode_cases.json").read_text())
    # Byte by byte, megabytes take a browser long; ids from before the start are EventSource's.
    cases = [
        case
        for case in cases
        if len(case["input_b64"]) < 100_000 and not case.get("initial_last_event_id")
    ]
    assert len(cases) > 150
    read_all = page.evaluate(READ, ["sse", [case["input_b64"] for case in cases], size])
    for case, items in zip(cases, read_all, strict=True):
        events = [(i["event"], i["data"], i["id"]) for i in items if i["kind"] == "event"]
        expected = [(e["event"], e["data"], e["id"]) for e in case["expected"]]
        assert events == expected, case["name"]


OTHERS = {
    "lines": ("ndjson", '{"a":1}\n{"b":"é"}\n', [("line", '{"a":1}'), ("line", '{"b":"é"}')]),
    "the last line without its end": ("ndjson", "1\n2", [("line", "1"), ("line", "2")]),
    "a blank line keeps alive": (
        "ndjson",
        "1\n\n2\n",
        [("line", "1"), ("comment", None), ("line", "2")],
    ),
}


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(("reader", "wire", "expected"), OTHERS.values(), ids=OTHERS)
def test_ndjson(
    page: Any, reader: str, wire: str, expected: list[tuple[str, str | None]], size: int
) -> None:
    items = read(page, reader, wire, size)
    assert [(item["kind"], item.get("data")) for item in items] == expected


@pytest.mark.parametrize("size", [1, 3, 100])
def test_text_is_never_cut_inside_a_character(page: Any, size: int) -> None:
    items = read(page, "text", "é€😀 end", size)
    assert "".join(item["data"] for item in items) == "é€😀 end"
    assert all("\ufffd" not in item["data"] for item in items)


def test_comments_are_reported(page: Any) -> None:
    items = read(page, "sse", ": keep-alive\ndata: 1\n\n", 1)
    assert [(i["kind"], i.get("text") or i.get("data")) for i in items] == [
        ("comment", "keep-alive"),
        ("event", "1"),
    ]
