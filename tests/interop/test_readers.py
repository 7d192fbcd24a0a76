"""Other people's readers against our servers, and ours against theirs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import httpx_sse
import openai
import pytest
import sseclient

from penstock.client import connect
from tests.conftest import require
from tests.interop.app import EVENTS
from tests.support.servers import ROOT, Server, serve

HERE = Path(__file__).resolve().parent
Found = list[tuple[str, str, str]]

NODE_READERS = [
    "eventsource", "undici EventSource", "eventsource-parser", "eventsource-parser stream",
    "undici fetch", "fetch-event-source",
]  # fmt: skip
RESUMING = ["eventsource", "undici EventSource", "fetch-event-source"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("uvicorn", "tests.interop.app:app", args=["--log-level=warning"]) as running:
        yield running


@pytest.fixture(scope="module")
def wsgi_server() -> Iterator[Server]:
    with serve("gunicorn-gthread", "tests.interop.app:wsgi") as running:
        yield running


def on_node(reader: str, url: str) -> Found:
    require(shutil.which("node"), "node")
    require((ROOT / "node_modules" / "undici").is_dir(), "npm install")
    command = ["node", "--no-warnings", str(HERE / "readers.mjs"), reader, url]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert ran.returncode == 0, ran.stderr
    # Not splitlines(): it cuts at U+2028, which is data.
    return [tuple(json.loads(line)) for line in ran.stdout.split("\n") if line]


def counts(server: Server) -> dict[str, int]:
    return httpx2.get(f"{server.url}/counts").json()


# -- Node


@pytest.mark.parametrize("reader", NODE_READERS)
def test_node_reads_every_kind_of_event(server: Server, reader: str) -> None:
    assert on_node(reader, f"{server.url}/kinds") == EVENTS


@pytest.mark.parametrize("reader", ["eventsource", "fetch-event-source"])
def test_node_reads_from_wsgi(wsgi_server: Server, reader: str) -> None:
    assert on_node(reader, f"{wsgi_server.url}/kinds") == EVENTS


@pytest.mark.parametrize("reader", RESUMING)
def test_node_resumes(server: Server, reader: str) -> None:
    # S1: each comes back with its last id until it is told that all is over.
    before = counts(server).get("/log", 0)
    found = on_node(reader, f"{server.url}/log")
    assert found == [("tick", str(i), f'{{"i":{i}}}') for i in range(9)]
    assert counts(server)["/log"] - before == 4


@pytest.mark.parametrize("reader", ["eventsource", "undici EventSource"])
@pytest.mark.parametrize(
    "query", ["lastEventId={}&padding=true", "evs_last_event_id={}&evs_preamble=1"]
)
def test_node_with_a_polyfills_parameters(server: Server, reader: str, query: str) -> None:
    # S1: 2 KiB of comment first, which is nobody's event.
    ids = httpx2.post(f"{server.url}/speak").json()["ids"]
    found = on_node(reader, f"{server.url}/session?{query.format(ids[1])}")
    assert found == [("tick", ids[i], f'{{"i":{i}}}') for i in (2, 3, 4)]


# -- Python


def _httpx_sse(url: str) -> Found:
    with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", url) as source:
        return [(event.event, event.id, event.data) for event in source.iter_sse()]


def _httpx2(url: str) -> Found:
    with httpx2.Client() as client, client.sse(url) as source:
        return [(event.event, event.id, event.data) for event in source]


def _sseclient(url: str) -> Found:
    with httpx.Client() as client, client.stream("GET", url) as response:
        # Its iterable must also be closable: a generator is.
        chunks = (chunk for chunk in response.iter_bytes())
        return [(e.event, e.id or "", e.data) for e in sseclient.SSEClient(chunks).events()]


def _ours(url: str) -> Found:
    with connect(url) as events:
        return [(event.event, event.id, event.data) for event in events]


PYTHON: dict[str, Callable[[str], Found]] = {
    "penstock": _ours,
    "httpx-sse": _httpx_sse,
    "httpx2 sse()": _httpx2,
    "sseclient-py": _sseclient,
}


@pytest.mark.parametrize("read", PYTHON.values(), ids=PYTHON)
@pytest.mark.parametrize("host", ["server", "wsgi_server"])
def test_python_reads_every_kind_of_event(
    read: Callable[[str], Found], host: str, request: pytest.FixtureRequest
) -> None:
    running: Server = request.getfixturevalue(host)
    found = [each for each in read(f"{running.url}/kinds") if each[0] != "done"]
    assert found == EVENTS


def test_ours_resumes(server: Server) -> None:
    with connect(f"{server.url}/log") as events:
        found = [event.json() for event in events]
    assert found == [*({"i": i} for i in range(9)), {}]


def test_the_openai_sdk(server: Server) -> None:
    with openai.OpenAI(base_url=f"{server.url}/openai", api_key="k", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == "Hello wörld"


def test_the_anthropic_sdk(server: Server) -> None:
    with anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0) as client:
        with client.messages.stream(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            assert "".join(stream.text_stream) == "Hello wörld"
            assert stream.get_final_message().stop_reason == "end_turn"


# -- ours, against another server


def test_ours_reads_better_sse() -> None:
    require(shutil.which("node"), "node")
    require((ROOT / "node_modules" / "better-sse").is_dir(), "npm install")
    process = subprocess.Popen(
        ["node", str(HERE / "better_sse.mjs")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/"
        comments: list[str] = []
        with connect(url, last_event_id="9", until="over", on_comment=comments.append) as events:
            found: list[Any] = [(event.event, event.json()) for event in events]
    finally:
        process.kill()
        process.communicate()
    assert found == [
        ("welcome", {"hello": "ada", "after": "9"}),
        ("message", "plain"),
        ("news", [1, "two\nlines"]),
        ("over", None),
    ]
    assert comments  # its keep-alives
