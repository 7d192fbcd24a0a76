"""Reading a stream over real connections, with both faces: requests, answers, ends, errors."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest

from penstock import InvalidOption, LineTooLong, PeerError, StreamClosed, UsageError
from penstock.client import ConnectionLost, ResponseError, StreamCut, aconnect, connect
from tests.client.faces import FACES, Read
from tests.support.scripted import Peer, scripted
from tests.support.servers import free_port

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"
END = b"event: done\ndata:\nid: ~end\n\n"


@pytest.fixture(params=list(FACES.values()), ids=list(FACES))
def read(request: pytest.FixtureRequest) -> Callable[..., Read]:
    return request.param


def test_the_request_is_an_eventsources(read) -> None:
    # P1
    with scripted(lambda peer: peer.answer(200, END)) as server:
        assert read(server.url).error is None
    [asked] = server.requests
    assert asked.method == "GET"
    assert asked.headers["accept"] == SSE
    assert asked.headers["cache-control"] == "no-cache"
    assert "last-event-id" not in asked.headers
    assert asked.body == b""


REQUESTS = {
    "json": ({"json": {"a": [1]}}, "POST", "application/json", b'{"a":[1]}'),
    "null is json": ({"json": None}, "POST", "application/json", b"null"),
    "text": ({"content": "hé"}, "POST", None, "hé".encode()),
    "bytes": ({"content": b"\0", "method": "PUT"}, "PUT", None, b"\0"),
    "report": ({"method": "report", "content": "q"}, "REPORT", None, b"q"),
    "own type": ({"json": 1, "headers": {"Content-Type": "x/y"}}, "POST", "x/y", b"1"),
}


@pytest.mark.parametrize(("options", "method", "kind", "body"), REQUESTS.values(), ids=REQUESTS)
def test_any_method_and_body(read, options, method, kind, body) -> None:
    with scripted(lambda peer: peer.answer(200, END)) as server:
        assert read(server.url, **options).error is None
    [asked] = server.requests
    assert (asked.method, asked.body) == (method, body)
    assert asked.headers.get("content-type") == kind


def test_headers_auth_and_parameters(read) -> None:
    with scripted(lambda peer: peer.answer(200, END)) as server:
        read(
            f"{server.url}x",
            headers=[("X-Trace", "7"), ("Accept", "text/event-stream;q=1")],
            auth=("ada", "pw"),
            params={"n": 3},
        )
    [asked] = server.requests
    assert asked.target == "/x?n=3"
    assert asked.headers["x-trace"] == "7"
    assert asked.headers["accept"] == "text/event-stream;q=1"
    assert asked.headers["authorization"] == "Basic YWRhOnB3"


@pytest.mark.parametrize(
    ("given", "sent"), [("41", "41"), (41, "41"), ("", None), ("é\u2028", "é\u2028")]
)
def test_an_initial_last_event_id(read, given, sent) -> None:
    with scripted(lambda peer: peer.answer(200, b"data: x\n\n" + END)) as server:
        found = read(server.url, last_event_id=given)
    assert server.requests[0].headers.get("last-event-id") == sent
    assert found.items[0].id == str(given)  # persists, as after a reconnect


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_client_of_either_library(library) -> None:
    # P1: it is used, with what it has, and left open.
    with scripted(lambda peer: peer.answer(200, b"data: 1\n\n" + END)) as server:
        with library.Client(headers={"X-From": "client"}, timeout=0.01) as client:
            client.timeout = library.Timeout(5.0, read=0.01)
            for _ in range(2):
                with connect(server.url, client=client) as events:
                    assert [event.data for event in events] == ["1"]
            assert not client.is_closed
    assert [asked.headers["x-from"] for asked in server.requests] == ["client"] * 2


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_an_async_client_of_either_library(library) -> None:
    with scripted(lambda peer: peer.answer(200, b"data: 1\n\n" + END)) as server:
        async with library.AsyncClient() as client:
            async with aconnect(server.url, client=client) as events:
                assert [event.data async for event in events] == ["1"]
            assert not client.is_closed


def test_ndjson_by_its_content_type(read) -> None:
    def script(peer: Peer) -> None:
        peer.head(content_type=f"{NDJSON}; charset=utf-8")
        peer.send(b'{"a":1}\n[2')
        peer.send(b']\n\n"x"')

    with scripted(script) as server:
        assert read(server.url).items == [{"a": 1}, [2], "x"]
        assert read(server.url, format="jsonl").items == [{"a": 1}, [2], "x"]
    assert server.requests[0].headers["accept"] == SSE
    assert server.requests[1].headers["accept"] == NDJSON


def test_a_compressed_stream(read) -> None:
    body = gzip.compress(b"data: 1\n\n" + END)
    with scripted(lambda peer: peer.answer(200, body, Content_Encoding="gzip")) as server:
        assert read(server.url).data == ["1"]


# -- the end


ENDS = {
    "a bare mark is nobody's event": (b"data: 1\n\n" + END + b"data: 2\n\n", ["1"]),
    "an end with data is": (b'event: done\nid: ~end\ndata: {"usage":3}\n\n', ['{"usage":3}']),
    "an error at the end": (b"data: 1\n\nevent: error\nid: ~end\ndata: {}\n\n", ["1", "{}"]),
    "a mark without an event": (b"data: 1\n\nid: ~end\n\n", ["1"]),
}


@pytest.mark.parametrize(("body", "data"), ENDS.values(), ids=ENDS)
def test_the_end_mark_ends_it(read, body, data) -> None:
    # F12, P1: and it is not asked for again.
    with scripted(lambda peer: peer.answer(200, body)) as server:
        found = read(server.url)
    assert (found.data, found.error, found.last_event_id) == (data, None, "~end")
    assert len(server.requests) == 1


def test_204_ends_it(read) -> None:
    # P1
    def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.answer(200, b"id: 7\ndata: 1\n\n")
        else:
            peer.answer(204, content_type=None)

    with scripted(script) as server:
        found = read(server.url)
        assert (found.data, found.error) == (["1"], None)
        assert server.requests[1].headers["last-event-id"] == "7"
        empty = read(server.url)
    assert (empty.items, empty.error, len(server.requests)) == ([], None, 3)


UNTIL = {
    "name": ("end", b"data: 1\n\nevent: end\ndata: 2\n\ndata: 3\n\n", ["1", "2"]),
    "data": ("[DONE]", b"data: 1\n\ndata: [DONE]\n\n", ["1", "[DONE]"]),
    "member": ({"type": "z"}, b'data: x\n\ndata: {"type":"z"}\n\n', ["x", '{"type":"z"}']),
    "function": (lambda event: event.data == "2", b"data: 2\n\ndata: 3\n\n", ["2"]),
}


@pytest.mark.parametrize(("until", "body", "data"), UNTIL.values(), ids=UNTIL)
def test_until_ends_an_sse_stream(read, until, body, data) -> None:
    with scripted(lambda peer: peer.answer(200, body)) as server:
        found = read(server.url, until=until)
    assert (found.data, found.error, len(server.requests)) == (data, None, 1)


def test_until_is_not_the_end_of_a_connection(read) -> None:
    def script(peer: Peer) -> None:
        peer.answer(200, b"event: end\ndata: 2\n\n" if peer.number == 2 else b"id: 1\ndata: 1\n\n")

    with scripted(script) as server:
        assert read(server.url, until="end").data == ["1", "2"]
    with scripted(lambda peer: peer.answer(200, b"data: 1\n\n")) as server:
        found = read(server.url, until="end", reconnect=False)
    assert isinstance(found.error, StreamCut)
    assert found.data == ["1"]


NDJSON_UNTIL = {
    "name": ("done", b'{"type":"a"}\n{"type":"done"}\n', 2, None),
    "member": ({"done": True}, b'{"done":false}\n{"done":true}\n{}\n', 2, None),
    "record": ("[DONE]", b'1\n"[DONE]"\n', 2, None),
    "missing": ("done", b'{"type":"a"}\n', 1, StreamCut),
    "empty": ("done", b"", 0, StreamCut),
    "cut within the last": ("done", b'{"type":"a"}\n{"type":"do', 1, PeerError),
}


@pytest.mark.parametrize(
    ("until", "body", "count", "error"), NDJSON_UNTIL.values(), ids=NDJSON_UNTIL
)
def test_ndjson_without_its_last_record_is_an_error(read, until, body, count, error) -> None:
    # P1: never a silent end; and NDJSON has no cursor, so it is not asked for again.
    with scripted(lambda peer: peer.answer(200, body, content_type=NDJSON)) as server:
        found = read(server.url, until=until)
    assert len(found.items) == count
    assert isinstance(found.error, error) if error else found.error is None
    assert len(server.requests) == 1


def test_a_cut_ndjson_body_is_an_error(read) -> None:
    # P1
    def script(peer: Peer) -> None:
        peer.head(content_type=NDJSON)
        peer.send(b"1\n2\n")
        peer.cut()

    with scripted(script) as server:
        found = read(server.url)
    assert isinstance(found.error, ConnectionLost)
    assert len(server.requests) == 1


# -- what is no stream

REFUSALS = {
    "ours": (
        403,
        b'{"errors":[{"status":403,"title":"Forbidden","detail":"not you"}]}',
        "Forbidden: not you",
    ),
    "openai's": (401, b'{"error":{"message":"bad key","type":"x"}}', "bad key"),
    "a word": (404, b'{"error":"nothing here"}', "nothing here"),
    "fastapi's": (404, b'{"detail":"no such run"}', "no such run"),
    "fastapi's list": (422, b'{"detail":[{"loc":["q"],"msg":"too long"}]}', "too long"),
    "text": (500, b"  it\nbroke ", "it broke"),
    "nothing": (503, b"", "answered 503"),
    "not text": (502, b"\xff\xfe", "answered 502"),
    "205 is no end": (205, b"", "answered 205"),
    "201 answers no GET": (201, b"", "answered 201"),
}


@pytest.mark.parametrize(("status", "body", "said"), REFUSALS.values(), ids=REFUSALS)
def test_an_error_says_what_the_server_said(read, status, body, said) -> None:
    # P1
    with scripted(lambda peer: peer.answer(status, body, X_Trace="7")) as server:
        found = read(server.url)
    assert isinstance(found.error, ResponseError)
    assert said in str(found.error)
    assert "\n" not in str(found.error)
    assert found.error.status == status
    assert found.error.headers["x-trace"] == "7"
    assert found.error.body == body.decode(errors="replace")
    assert found.error.url == server.url
    assert len(server.requests) == 1


def test_a_long_error_body_is_bounded(read) -> None:
    with scripted(lambda peer: peer.answer(500, b"x" * 1_000_000)) as server:
        found = read(server.url)
    assert isinstance(found.error, ResponseError)
    assert len(found.error.body) == 64 * 1024
    assert len(str(found.error)) < 700


@pytest.mark.parametrize("kind", ["text/html", "application/json", None])
def test_another_content_type_is_an_error(read, kind) -> None:
    # P1: told at once, though the body goes on.
    def script(peer: Peer) -> None:
        peer.head(content_type=kind)
        peer.send(b"<html>")
        peer.hold()

    with scripted(script) as server:
        for options in ({}, {"format": "sse"}):
            found = read(server.url, **options)
            assert isinstance(found.error, ResponseError)
            assert "text/event-stream" in str(found.error)


def test_a_format_that_was_not_asked_for(read) -> None:
    with scripted(lambda peer: peer.answer(200, END)) as server:
        assert isinstance(read(server.url, format="ndjson").error, ResponseError)
    with scripted(lambda peer: peer.answer(200, b"1\n", content_type=NDJSON)) as server:
        assert isinstance(read(server.url, format="sse").error, ResponseError)
    with scripted(lambda peer: peer.answer(200, b"1\n", content_type="text/plain")) as server:
        assert read(server.url, format="ndjson").items == [1]


def test_a_post_may_be_answered_201(read) -> None:
    with scripted(lambda peer: peer.answer(201, b"data: 1\n\n" + END)) as server:
        assert read(server.url, json={}).data == ["1"]


def test_no_server(read) -> None:
    found = read(f"http://127.0.0.1:{free_port()}/")
    assert isinstance(found.error, ConnectionLost)
    assert isinstance(found.error.__cause__, httpx2.ConnectError)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", "http://[::1/"])
def test_a_bad_address_is_not_tried_again(read, url) -> None:
    found = read(url, max_retries=5)
    assert isinstance(found.error, ConnectionLost)
    assert found.reconnects == []


def test_what_is_too_long_is_an_error(read) -> None:
    # W15
    with scripted(lambda peer: peer.answer(200, b"data: 1\n\ndata: " + b"x" * 100)) as server:
        found = read(server.url, max_size=50)
    assert isinstance(found.error, LineTooLong)
    assert found.data == ["1"]


# -- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(read, status) -> None:
    # P1
    def script(peer: Peer) -> None:
        if peer.asked.target == "/":
            peer.answer(status, Location="/there", content_type=None)
        else:
            peer.answer(200, b"data: 1\n\n" + END)

    with scripted(script) as server:
        assert read(server.url, headers={"X-A": "1"}).data == ["1"]
        assert read(server.url, json=[1]).data == ["1"]
    got, posted = server.requests[1], server.requests[3]
    assert (got.method, got.target, got.headers["x-a"]) == ("GET", "/there", "1")
    expected = ("POST", b"[1]") if status in (307, 308) else ("GET", b"")
    assert (posted.method, posted.body) == expected


@pytest.mark.parametrize(
    ("status", "location", "count"),
    [(301, None, 1), (307, "", 1), (302, "http://[", 1), (302, "/", 21)],
    ids=["missing", "empty", "broken", "circle"],
)
def test_a_redirect_that_leads_nowhere_is_an_error(read, status, location, count) -> None:
    headers = {} if location is None else {"Location": location}
    with scripted(lambda peer: peer.answer(status, content_type=None, **headers)) as server:
        found = read(server.url)
    assert isinstance(found.error, (ResponseError, ConnectionLost))
    assert len(server.requests) == count


def test_a_permanent_redirect_is_remembered(read) -> None:
    def script(peer: Peer) -> None:
        if peer.asked.target == "/":
            peer.answer(301 if peer.number == 1 else 302, Location="/there", content_type=None)
        else:
            peer.answer(200, (b"data: 1\n\n" if peer.number == 2 else END))

    with scripted(script) as server:
        assert read(server.url).data == ["1"]
    assert [asked.target for asked in server.requests] == ["/", "/there", "/there"]


def test_credentials_stay_with_their_origin(read) -> None:
    with scripted(lambda peer: peer.answer(200, END)) as other:

        def script(peer: Peer) -> None:
            peer.answer(302, Location=other.url, content_type=None)

        with scripted(script) as server:
            read(server.url, auth=("a", "b"), headers={"Authorization": "Bearer t"})
            read(server.url, headers={"Authorization": "Bearer t"})
    assert [("authorization" in asked.headers) for asked in server.requests] == [True, True]
    assert [("authorization" in asked.headers) for asked in other.requests] == [False, False]


# -- how it is used


def test_it_is_opened_once_and_by_with() -> None:
    with pytest.raises(UsageError, match="with connect"):
        iter(connect("http://127.0.0.1/"))
    with scripted(lambda peer: peer.answer(200, END)) as server:
        events = connect(server.url)
        with events:
            assert list(events) == []
            assert events.is_closed
            assert events.end is not None
            assert (events.status, events.headers["content-type"]) == (200, SSE)
        with pytest.raises(StreamClosed), events:
            pass


def test_reading_can_be_broken_off_and_taken_up() -> None:
    with scripted(
        lambda peer: peer.answer(200, b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n" + END)
    ) as server:
        with connect(server.url) as events:
            for event in events:
                assert (event.data, events.last_event_id) == ("1", "1")
                break
            assert next(events).data == "2"
            assert list(events) == []


MISTAKES = {
    "no such option": {"retries": 3},
    "milliseconds": {"read_timeout": 15_000},
    "both bodies": {"json": 1, "content": "x"},
    "a body that runs out": {"content": iter([b"x"])},
    "format": {"format": "xml"},
    "a header in an id": {"last_event_id": "a\nb"},
    "a bool": {"max_retries": True},
    "not a client": {"client": object()},
    "until": {"until": 3},
    "callback": {"on_comment": "print"},
    "method": {"method": ""},
    "two words for a method": {"method": "GE T"},
    "reconnect": {"reconnect": 3},
}


@pytest.mark.parametrize("options", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_where_they_are_made(options) -> None:
    for make in (connect, aconnect):
        with pytest.raises(UsageError):
            stream = make("http://127.0.0.1/", **options)
            stream._begin()


@pytest.mark.parametrize("url", ["", " ", None])
def test_no_address(url: Any) -> None:
    for make in (connect, aconnect):
        with pytest.raises(InvalidOption, match="url="):
            make(url)


async def test_a_client_of_the_other_kind_is_refused() -> None:
    with httpx2.Client() as client, pytest.raises(InvalidOption, match="AsyncClient"):
        async with aconnect("http://127.0.0.1/", client=client):
            pass
