"""An error in the middle of a stream: said where the format can say it, else a body cut short."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from penstock.formats import NdjsonDecoder
from tests.servers.reading import start
from tests.support.http import request
from tests.support.servers import SERVERS, Server

NAMES = [name for name in SERVERS if name != "hypercorn-supervised"]


@pytest.fixture(scope="module", params=NAMES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with start(request.param) as server:
        yield server


def test_text_is_cut(server: Server) -> None:
    # E2, and the host table: granian's WSGI ends the body as if it were whole.
    with request(server.port, target="/break/text") as response:
        body = response.read()
    assert body == b"first"
    assert response.ended == ("complete" if server.name == "granian-wsgi" else "cut")
    server.wait_for("ZeroDivisionError")  # E3: logged, not shown


def test_sse_ends_with_an_error_event(server: Server) -> None:
    # E2, E3, F12
    with request(server.port, target="/break/sse") as response:
        first, last = [event for _, event in response.events()]
    assert response.ended == "complete"
    assert first.data == "first"
    assert (last.event, last.id) == ("error", "~end")
    assert json.loads(last.data)["errors"][0]["status"] == 500
    assert "middle" not in last.data


def test_ndjson_ends_with_an_error_line(server: Server) -> None:
    # E2, E3
    with request(server.port, target="/break/ndjson") as response:
        first, last = NdjsonDecoder().feed(response.read())
    assert response.ended == "complete"
    assert first == "first"
    assert last["error"]["errors"][0]["status"] == 500
