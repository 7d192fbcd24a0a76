"""The cases of LaunchDarkly's sse-contract-tests, stated anew, against the service that it drives.

Here is a small harness of our own: it asks the service for a stream, plays the server of that
stream, and takes the messages that the service posts back. The service runs in a process of its
own, once for each face of the client.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.process import wait_until
from tests.support.scripted import Asked, Peer, Scripted, scripted
from tests.support.servers import Server, free_port

SERVICE = Path(__file__).resolve().parents[1] / "contract_service.py"
DEADLINE = 20.0
HTTP = httpx2.Client(verify=False, trust_env=False)  # one for all: making one is slow


@pytest.fixture(scope="module", params=["async", "sync"])
def service(request: pytest.FixtureRequest) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, str(SERVICE), f"--port={port}"]
    server = Server(
        "contract-service", command + ["--sync"] * (request.param == "sync"), port, os.environ
    )
    with server:
        wait_until(server.accepts, DEADLINE, server.output)
        yield server.url
        HTTP.delete(server.url)
        wait_until(lambda: server.process.poll() is not None, DEADLINE, "it did not quit")
        assert server.output() == ""


class Harness:
    """One stream, from both ends."""

    def __init__(self, server: Scripted, callbacks: Scripted, service: str) -> None:
        self.server, self._service = server, service
        self.peers: queue.Queue[Peer] = queue.Queue()
        self.messages: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self.callback_url, self._seen = callbacks.url, 0
        self.location = ""

    def open(self, **params: Any) -> None:
        wanted = {"streamUrl": self.server.url, "callbackUrl": self.callback_url, **params}
        answer = HTTP.post(self._service, json={"initialDelayMs": 0, **wanted})
        assert answer.status_code == 201
        self.location = str(httpx2.URL(self._service).join(answer.headers["location"]))

    def connection(self) -> Peer:
        return self.peers.get(timeout=DEADLINE)

    def message(self) -> dict[str, Any]:
        number, message = self.messages.get(timeout=DEADLINE)
        self._seen += 1
        assert number == self._seen, "messages come in order"
        return message

    def event(self) -> tuple[str, str, str]:
        message = self.message()
        while message["kind"] == "error":
            message = self.message()
        assert message["kind"] == "event", message
        return message["event"]["type"], message["event"]["data"], message["event"]["id"]

    def error(self) -> str:
        message = self.message()
        assert message["kind"] == "error", message
        return message["comment"]

    def restart(self) -> None:
        assert HTTP.post(self.location, json={"command": "restart"}).status_code == 202


@pytest.fixture
def harness(service: str) -> Iterator[Harness]:
    with _harness(service) as made:
        yield made


@contextmanager
def _harness(service: str) -> Iterator[Harness]:
    made: Harness

    def stream(peer: Peer) -> None:
        peer.head()
        made.peers.put(peer)
        wait_until(lambda: peer.is_over or made.location == "closed", 50.0)

    def callback(peer: Peer) -> None:
        made.messages.put((int(peer.asked.target[1:]), json.loads(peer.asked.body)))
        peer.answer(202, content_type=None)

    with scripted(stream) as server, scripted(callback) as callbacks:
        made = Harness(server, callbacks, service)
        try:
            yield made
        finally:
            if made.location:
                assert HTTP.delete(made.location, timeout=DEADLINE).status_code == 204
            made.location = "closed"


BASIC = {
    "one chunk": (["data: Hello\n\n"], [("message", "Hello", "")]),
    "two chunks": (["data: Hel", "lo\n\n"], [("message", "Hello", "")]),
    "two in one chunk": (["data: a\n\ndata: b\n\n"], [("message", "a", ""), ("message", "b", "")]),
    "two lines": (["data: a\ndata:b\n\n"], [("message", "a\nb", "")]),
    "empty data": (["data:\n\n"], [("message", "", "")]),
    "a type": (["event: greeting\ndata: a\n\n"], [("greeting", "a", "")]),
    "an id": (["id: abc\ndata: a\n\n"], [("message", "a", "abc")]),
    "type and id": (["event: g\nid: abc\ndata: a\n\n"], [("g", "a", "abc")]),
    "NUL in an id": (["id: a\0bc\ndata: a\n\n"], [("message", "a", "")]),
    "an id stays": (
        ["id: x\ndata: a\n\n", "data: b\n\n"],
        [("message", "a", "x"), ("message", "b", "x")],
    ),
    "an id is taken back": (
        ["id: x\ndata: a\n\n", "id: \ndata: b\n\n"],
        [("message", "a", "x"), ("message", "b", "")],
    ),
    "reverse order": (["data: a\nid: x\nevent: g\n\n"], [("g", "a", "x")]),
    "unknown field": (["event: g\ncolor: blue\ndata: a\n\n"], [("g", "a", "")]),
    "no space": (["event:g\ndata:a\n\n"], [("g", "a", "")]),
    "one space more": (["event:  g\ndata:  a\n\n"], [(" g", " a", "")]),
    "no colon": (["data\n\ndata\ndata\n\n"], [("message", "", ""), ("message", "\n", "")]),
    "multi-byte": (["data: €豆腐\n\n"], [("message", "€豆腐", "")]),
    "multi-byte, by the byte": ([*"data: €豆腐\n\n".encode()], [("message", "€豆腐", "")]),
    "100 in a row": (
        ["".join(f"data: {i}\n\n" for i in range(100))],
        [("message", str(i), "") for i in range(100)],
    ),
    "BOM": (["\ufeffdata: a\n\n"], [("message", "a", "")]),
    "BOM of its own": ([b"\xef", b"\xbb", b"\xbf", "data: a\n\n"], [("message", "a", "")]),
    "BOM later is a name": (
        ["data: a\n\n\ufeffdata: b\n\ndata: c\n\n"],
        [("message", "a", ""), ("message", "c", "")],
    ),
    "two BOMs": (["\ufeff\ufeffdata: a\n\ndata: b\n\n"], [("message", "b", "")]),
    "5 MiB in one line": (
        ["data: " + "x" * (5 << 20) + "\n\n"],
        [("message", "x" * (5 << 20), "")],
    ),
    "5 MiB in chunks": (
        ["data: ", *["x" * 65536] * 80, "\n\n"],
        [("message", "x" * (5 << 20), "")],
    ),
    "5 MiB in lines": (
        [("data: " + "y" * 1023 + "\n") * 5120, "\n"],
        [("message", "\n".join(["y" * 1023] * 5120), "")],
    ),
}  # fmt: skip

_SHAPES = {
    "one line": (["data: Hello", ""], [("message", "Hello", "")]),
    "two lines": (["data: Hello", "data: World", ""], [("message", "Hello\nWorld", "")]),
    "two events": (["data: a", "", "data: b", ""], [("message", "a", ""), ("message", "b", "")]),
    "an empty line of data": (["data: a", "data:", "data: b", ""], [("message", "a\n\nb", "")]),
    "two types": (
        ["data: a", "", "event: g", "data: b", ""],
        [("message", "a", ""), ("g", "b", "")],
    ),
    "all fields": (["event: g", "id: x", "data: a", ""], [("g", "a", "x")]),
}  # fmt: skip


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


LINE_ENDS: dict[str, tuple[list[Any], list[tuple[str, str, str]]]] = {}
for _name, _end in {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}.items():
    for _shape, (_lines, _events) in _SHAPES.items():
        _wire = "".join(line + _end for line in _lines)
        for _size in (len(_wire), 1, 2):
            LINE_ENDS[f"{_name}, {_shape}, by {_size}"] = (_cut(_wire, _size), _events)
LINE_ENDS["CR ends a chunk"] = (
    ["data: a\r", "\ndata: b\r", "\n\r", "\n"],
    [("message", "a\nb", "")],
)


@pytest.mark.parametrize(("chunks", "events"), (BASIC | LINE_ENDS).values(), ids=BASIC | LINE_ENDS)
def test_parsing(harness: Harness, chunks: list[Any], events: list[tuple[str, str, str]]) -> None:
    # P1, W15
    harness.open()
    peer = harness.connection()
    for chunk in chunks:
        if isinstance(chunk, int):
            chunk = bytes([chunk])
        peer.send(chunk if isinstance(chunk, bytes) else chunk.encode())
        if len(chunks) < 20:
            time.sleep(0.001)  # so that most of them come by themselves
    # The peer says nothing more: all must be there without it.
    assert [harness.event() for _ in events] == events


def test_comments(harness: Harness) -> None:
    harness.open()
    peer = harness.connection()
    peer.send(b":Hello\n")
    assert harness.message() == {"kind": "comment", "comment": "Hello"}
    peer.send(b": World\ndata: a\n\n:after\n")
    assert harness.message()["comment"] == " World"
    assert harness.event() == ("message", "a", "")
    assert harness.message()["comment"] == "after"


_EVENT_STREAM = {"accept": "text/event-stream", "cache-control": "no-cache"}
_JSON = {"content-type": "application/json; charset=utf-8"}
_TWO = {"x-1": "a", "x-2": "b"}

REQUESTS: dict[str, tuple[dict[str, Any], Asked]] = {
    "default": ({}, Asked("GET", "/", _EVENT_STREAM, b"")),
    "headers": ({"headers": _TWO}, Asked("GET", "/", _TWO, b"")),
    "last-event-id": ({"lastEventId": "abc"}, Asked("GET", "/", {"last-event-id": "abc"}, b"")),
    **{
        method: (
            {"method": method, "body": '{"a": 1}', "headers": _JSON},
            Asked(method, "/", _JSON, b'{"a": 1}'),
        )
        for method in ("POST", "REPORT")
    },
}


@pytest.mark.parametrize(("params", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_requests(harness: Harness, params: dict[str, Any], expected: Asked) -> None:
    harness.open(**params)
    asked = harness.connection().asked
    assert (asked.method, asked.body) == (expected.method, expected.body)
    assert expected.headers.items() <= asked.headers.items()
    assert ("last-event-id" in asked.headers) == ("lastEventId" in params)


def test_204_stops(harness: Harness) -> None:
    with scripted(lambda peer: peer.answer(204, content_type=None)) as other:
        harness.open(streamUrl=other.url)
        other.wait_for(1)
        time.sleep(0.3)  # with no delay set, it would have come back by now
        assert len(other.requests) == 1
    assert harness.messages.empty()


@pytest.mark.parametrize("status", [301, 307])
def test_redirects(harness: Harness, status: int) -> None:
    headers: dict[str, Any] = {"Location": harness.server.url}
    with scripted(lambda peer: peer.answer(status, content_type=None, **headers)) as other:
        harness.open(streamUrl=other.url)
        harness.connection().send(b"data: hello\n\n")
        assert harness.event() == ("message", "hello", "")


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("headers", [{}, {"Location": ""}], ids=["missing", "empty"])
def test_redirects_to_nowhere(harness: Harness, status: int, headers: dict[str, Any]) -> None:
    with scripted(lambda peer: peer.answer(status, content_type=None, **headers)) as other:
        harness.open(streamUrl=other.url)
        assert "redirect" in harness.error()
        assert len(other.requests) == 1


def test_restart(harness: Harness) -> None:
    harness.open()
    harness.connection().send(b"data: Hello\n\n")
    assert harness.event() == ("message", "Hello", "")
    harness.restart()
    harness.connection().send(b"data: Thanks\n\n")
    # No error in between: the harness takes the next message for the event.
    assert harness.message()["event"]["data"] == "Thanks"


RESUMES = {
    "an id": (b"id: abc\ndata: a\n\n", "abc"),
    "of an earlier event": (b"id: abc\ndata: a\n\ndata: b\n\n", "abc"),
    "taken back": (b"id: abc\ndata: a\n\nid: \ndata: b\n\n", None),
    "not of a part": (b"id: abc\ndata: a\n\nid: def\ndata: b", "abc"),
}


@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut"])
@pytest.mark.parametrize(("sent", "id"), RESUMES.values(), ids=RESUMES)
def test_resuming(harness: Harness, sent: bytes, id: str | None, cut: bool) -> None:
    harness.open()
    peer = harness.connection()
    peer.send(sent)
    for _ in range(sent.count(b"\n\n")):
        harness.event()
    (peer.cut if cut else peer.end)()
    second = harness.connection()
    assert second.asked.headers.get("last-event-id") == id
    second.send(b"id: x\ndata: again\n\n")
    assert harness.event() == ("message", "again", "x")


def test_the_body_is_sent_again(harness: Harness) -> None:
    harness.open(method="POST", body="q")
    harness.connection().end()
    assert harness.connection().asked.body == b"q"


def test_read_timeout(harness: Harness) -> None:
    harness.open(readTimeoutMs=500)
    harness.connection().send(b"data: Hello\n\n")
    assert harness.event() == ("message", "Hello", "")
    assert "read_timeout" in harness.error()
    harness.connection()


def test_the_service_itself(service: str) -> None:
    told = HTTP.get(service).json()
    assert {"bom", "comments", "headers", "last-event-id", "post", "read-timeout"} <= set(
        told["capabilities"]
    )
    urls = {"streamUrl": service, "callbackUrl": service}
    wrongs: list[Any] = [{}, [], {**urls, "readTimeoutMs": -1}, {**urls, "lastEventId": "a\nb"}]
    for wrong in wrongs:
        assert HTTP.post(service, json=wrong).status_code == 400, wrong
    assert HTTP.post(service, content=b"{").status_code == 400
    assert HTTP.delete(f"{service}/streams/none").status_code == 404
    assert HTTP.post(f"{service}/streams/none", json={"command": "restart"}).status_code == 404


def test_commands(harness: Harness) -> None:
    harness.open(tag="a test's name")
    peer = harness.connection()
    for command, status in (
        ({"command": "listen", "listen": {"type": "greeting"}}, 202),
        ({"command": "dance"}, 400),
        ({}, 400),
    ):
        assert HTTP.post(harness.location, json=command).status_code == status
    # The harness puts the Location behind the address that it was given, a slash at its end or not.
    told = harness.location.replace("/streams", "//streams")
    assert HTTP.post(told, json={"command": "listen", "listen": {"type": "x"}}).status_code == 202
    peer.send(b"event: greeting\ndata: Hello\n\n")
    assert harness.event() == ("greeting", "Hello", "")
