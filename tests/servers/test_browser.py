"""A browser's own readers: EventSource and fetch, against a server of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.browser import open_browser
from tests.servers.reading import debug, start, wait_for
from tests.support.process import in_some_try
from tests.support.servers import Server

LISTEN = """
(url) => {
    const seen = window.seen = [];
    const note = (kind) => (event) => seen.push({
        kind, data: event.data ?? null, id: event.lastEventId ?? null, at: performance.now(),
    });
    const source = window.source = new EventSource(url);
    for (const kind of ["open", "tick", "done", "error", "message", "problem"])
        source.addEventListener(kind, note(kind));
}
"""
FETCH = """
async (url) => {
    const reader = (await fetch(url)).body.pipeThrough(new TextDecoderStream()).getReader();
    const seen = [];
    for (;;) {
        const { done, value } = await reader.read();
        if (done) return seen;
        seen.push({ value, at: performance.now() });
    }
}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with start("uvicorn") as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(server: Server, browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{server.url}/debug")
    yield page
    page.close()


def test_named_events_come_and_the_end_is_the_end(server: Server, page: Any) -> None:
    # F12, W1: the browser asks again after the end, is told 204, and asks no more
    before = debug(server)["asked"].get("/ticks", 0)
    page.evaluate(LISTEN, "/ticks?n=4&gap=0.01")
    page.wait_for_function("source.readyState === EventSource.CLOSED")
    seen = page.evaluate("seen")
    kinds = [event["kind"] for event in seen]
    assert kinds == ["open", "tick", "tick", "tick", "tick", "done", "error", "error"]
    ticks = [event for event in seen if event["kind"] == "tick"]
    assert [event["data"] for event in ticks] == [f'{{"i":{i}}}' for i in range(4)]
    assert seen[5]["id"] == "~end"
    assert debug(server)["asked"]["/ticks"] - before == 2


def test_events_come_one_by_one(page: Any) -> None:
    # F2
    def apart() -> None:
        page.evaluate(LISTEN, "/ticks?n=4&gap=0.15")
        page.wait_for_function("source.readyState === EventSource.CLOSED")
        at = [event["at"] for event in page.evaluate("seen") if event["kind"] == "tick"]
        gaps = [later - earlier for earlier, later in zip(at[:-1], at[1:], strict=True)]
        assert all(gap > 50 for gap in gaps), gaps

    in_some_try(apart)


def test_a_cut_stream_is_asked_for_again_after_the_servers_retry(server: Server, page: Any) -> None:
    # W7, F12: no end mark was seen, so the browser comes back, with the last id it saw
    def resume() -> None:
        page.evaluate(LISTEN, "/resume")
        page.wait_for_function("seen.filter((event) => event.kind === 'done').length === 1")
        seen = page.evaluate("seen")
        page.evaluate("source.close()")
        messages = [(event["data"], event["id"]) for event in seen if event["kind"] == "message"]
        assert messages == [("first", "1"), ("after 1", "2")]
        dropped = next(event["at"] for event in seen if event["kind"] == "error")
        again = [event["at"] for event in seen if event["kind"] == "open"][1]
        assert 200 < again - dropped < 2900  # the server said 300; Chromium's own is 3000

    in_some_try(resume)


def test_an_error_event_under_another_name_is_told_from_the_browsers_own(
    server: Server, page: Any
) -> None:
    # E2, F12
    page.evaluate(LISTEN, "/break/named")
    page.wait_for_function("source.readyState === EventSource.CLOSED")
    seen = page.evaluate("seen")
    assert [event["kind"] for event in seen[:3]] == ["open", "message", "problem"]
    assert '"status":500' in seen[2]["data"]


def test_a_closed_page_stops_the_producer(server: Server, page: Any) -> None:
    # F4
    before = debug(server)["cleaned"].get("idle", 0)
    page.evaluate(LISTEN, "/idle")
    page.wait_for_function("seen.length === 2")
    page.goto("about:blank")
    wait_for(server, lambda seen: seen["cleaned"].get("idle", 0) == before + 1)


def test_fetch_reads_ndjson_line_by_line(page: Any) -> None:
    # F2, W2
    def line_by_line() -> None:
        seen = page.evaluate(FETCH, "/lines")
        assert [piece["value"] for piece in seen] == [f'{{"i":{i}}}\n' for i in range(3)]
        assert seen[2]["at"] - seen[0]["at"] > 100

    in_some_try(line_by_line)
