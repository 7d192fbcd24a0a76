"""Chromium against our servers: EventSource in all it does, and fetch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.cli.browser import open_browser, open_page
from tests.interop.app import EVENTS
from tests.support.process import wait_until
from tests.support.servers import Server, serve

TICKS = [["tick", str(i), f'{{"i":{i}}}'] for i in range(9)]

# Reads until "done" or until it is closed for good; returns the events and the state at the end.
LISTEN = """([url, options]) => new Promise((resolve) => {
    const found = []
    const source = new EventSource(url, options)
    window.sources = [...(window.sources ?? []), source]
    const keep = (event) => found.push([event.type, event.lastEventId, event.data])
    source.onmessage = keep
    for (const name of ['tick', 'a.b:c-d']) source.addEventListener(name, keep)
    source.addEventListener('done', () => resolve([found, source.readyState]))
    source.onerror = () => {
        if (source.readyState === EventSource.CLOSED) resolve([found, source.readyState])
    }
})"""

FETCH = """async (url) => {
    const reader = (await fetch(url)).body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (;;) {
        const { done, value } = await reader.read()
        if (done) return text
        text += value
    }
}"""

# What comes first, once it holds an event.
FIRST = """async (url) => {
    const over = new AbortController()
    const { body } = await fetch(url, { signal: over.signal })
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes('data:')) text += (await reader.read()).value
    over.abort()
    return text
}"""


def _serve() -> Server:
    return serve("uvicorn", "tests.interop.app:app", args=["--log-level=warning"])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with _serve() as running:
        yield running


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Any]:
    with open_browser() as browser, open_page(browser, f"{server.url}/page") as opened:
        yield opened


def _asked(server: Server, path: str) -> int:
    return httpx2.get(f"{server.url}/counts").json().get(path, 0)


def test_named_events_ids_and_data(page: Any) -> None:
    found, _ = page.evaluate(LISTEN, ["/kinds", {}])
    assert found == [list(each) for each in EVENTS]


def test_it_reconnects_resumes_and_is_told_204(page: Any, server: Server) -> None:
    # S1, F12: the browser is left to itself: no close() in the page.
    before = _asked(server, "/log")
    found, _ = page.evaluate(LISTEN, ["/log", {}])
    assert found == TICKS
    wait_until(
        lambda: page.evaluate("window.sources.at(-1).readyState") == 2, 20.0, "it asks for ever"
    )
    assert _asked(server, "/log") - before == 5  # three for nine events, "done", and 204


@pytest.mark.parametrize("name", ["lastEventId", "evs_last_event_id"])
def test_a_polyfills_cursor(page: Any, name: str) -> None:
    # S1
    found, _ = page.evaluate(LISTEN, [f"/log?{name}=5", {}])
    assert found == TICKS[6:]


@pytest.mark.parametrize("name", ["lastEventId", "evs_last_event_id"])
@pytest.mark.parametrize("padding", ["padding=true", "evs_preamble=1"])
def test_a_polyfills_session(page: Any, server: Server, name: str, padding: str) -> None:
    # S1: the cursor and the padding are in the address, since a polyfill can send no header.
    ids = httpx2.post(f"{server.url}/speak").json()["ids"]
    url = f"/session?{name}={ids[2]}&{padding}"
    found, _ = page.evaluate(LISTEN, [url, {}])
    assert found == [["tick", ids[3], '{"i":3}'], ["tick", ids[4], '{"i":4}']]
    # The padding stands before the first event: 2 KiB, for readers that hold back the first ones.
    before = page.evaluate(FIRST, url).partition("data:")[0].split("\n")
    assert max(len(line) for line in before if line.startswith(":")) >= 2048
    page.evaluate("window.sources.forEach((source) => source.close())")


def test_credentials_across_origins(page: Any) -> None:
    with _serve() as other:
        url = f"{other.url}/private"
        found, state = page.evaluate(LISTEN, [url, {"withCredentials": True}])
        assert found == [["tick", "0", "hello ada"]]
        found, state = page.evaluate(LISTEN, [url, {}])
        assert (found, state) == ([], 2)  # 401 is final
        page.evaluate("window.sources.forEach((source) => source.close())")


def test_fetch_reads_streams(page: Any) -> None:
    assert page.evaluate(FETCH, "/lines") == '{"i":0}\n{"i":1}\n{"i":2}\n'
    assert page.evaluate(FETCH, "/kinds").endswith("event: done\nid: ~end\ndata: \n\n")
