"""The servers and the reader that the other tests stand on."""

from __future__ import annotations

import os

import pytest

from tests.support.dechunk import Dechunker, Sized
from tests.support.http import request
from tests.support.process import cpu_seconds, descendants, rss, tree_rss
from tests.support.servers import ASGI_SERVERS, SERVERS, serve

CHUNKED = b"3\r\nabc\r\n5;x=y\r\n\r\nde\n\r\n0\r\nerror: none\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_chunks_wherever_they_are_cut(size: int) -> None:
    reader, body = Dechunker(), b""
    for at in range(0, len(CHUNKED), size):
        assert not reader.done
        body += reader.feed(CHUNKED[at : at + size])
    assert (body, reader.done, reader.trailers) == (b"abc\r\nde\n", True, [b"error: none"])


def test_a_body_shorter_than_its_length_is_not_done() -> None:
    reader = Sized(4)
    assert (reader.feed(b"abc"), reader.done) == (b"abc", False)
    assert (reader.feed(b"def"), reader.done) == (b"d", True)


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_starts_serves_and_stops(name: str) -> None:
    app = "plain:app" if name in ASGI_SERVERS else "plain:wsgi"
    with serve(name, app) as server:
        with request(server.port, "GET", "/") as response:
            arrived = list(response.events())
        stopped = server.stop()
    assert server.pid not in descendants(os.getpid())
    assert response.status == 200
    assert [event.data for _, event in arrived] == ["0", "1", "2"]
    assert response.ended == "complete"
    assert response.comments == ["note"] * 3
    assert arrived[2].at > arrived[0].at
    assert not stopped.killed, server.output()


@pytest.mark.parametrize("name", ["uvicorn", "granian", "gunicorn-uvicorn"])
def test_two_workers_are_measured_and_stopped_together(name: str) -> None:
    with serve(name, "plain:app", workers=2) as server:
        with request(server.port, "GET", "/") as response:
            response.read()
        assert len(descendants(server.pid)) >= 2
        assert tree_rss(server.pid) > rss(server.pid) > 1_000_000
        assert cpu_seconds(server.pid) > 0
    assert server.stopped is not None
    assert not server.stopped.killed


def test_a_body_that_was_cut_shows() -> None:
    with serve("uvicorn", "plain:app") as server, request(server.port, "GET", "/cut") as response:
        assert len(response.read()) > 0
        assert response.ended == "cut"
        assert response.all("Set-Cookie") == ["a=1", "b=2"]


def test_an_app_that_cannot_be_found_is_an_error_with_the_servers_words() -> None:
    with pytest.raises(RuntimeError, match="ended with code") as caught:
        serve("uvicorn", "no_such_module:app")
    assert "no_such_module" in "".join(caught.value.__notes__)
