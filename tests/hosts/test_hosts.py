"""One table over every server and framework: events as they are made, readers that leave, errors.

The apps are ``with_*.py`` beside the test support; ``scenes.py`` there says what they stream.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.http import request
from tests.support.process import in_some_try, wait_until
from tests.support.servers import Server, serve


class Host(NamedTuple):
    """A server, an app under it, and where in it the scenes are."""

    server: str
    app: str
    prefix: str = ""

    @property
    def is_wsgi(self) -> bool:
        return self.app.endswith(":wsgi")


HOSTS = {
    "uvicorn": Host("uvicorn", "with_endpoint:app"),
    "granian": Host("granian", "with_endpoint:app"),
    "hypercorn": Host("hypercorn", "with_endpoint:app"),
    "gunicorn asgi": Host("gunicorn-asgi", "with_endpoint:app"),
    "gunicorn wsgi": Host("gunicorn-gthread", "with_endpoint:wsgi"),
    "granian wsgi": Host("granian-wsgi", "with_endpoint:wsgi"),
    "fastapi": Host("uvicorn", "with_fastapi:app"),
    "fastapi, middleware": Host("uvicorn", "with_fastapi:app", "/wrapped"),
    "litestar": Host("uvicorn", "with_litestar:app"),
    "quart": Host("uvicorn", "with_quart:app"),
    "quart on hypercorn": Host("hypercorn", "with_quart:app"),
    "django": Host("uvicorn", "with_django:app"),
    "django, sync view": Host("uvicorn", "with_django:app", "/sync"),
    "django wsgi": Host("gunicorn-gthread", "with_django:wsgi", "/sync"),
    "django wsgi, async view": Host("gunicorn-gthread", "with_django:wsgi"),
    "flask": Host("gunicorn-gthread", "with_flask:wsgi"),
}
FRAMEWORKS = [name for name, host in HOSTS.items() if "endpoint" not in host.app]
ASGI = [name for name, host in HOSTS.items() if not host.is_wsgi]

GENERIC = {"title": "Internal Server Error", "detail": "The server could not finish this request."}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    """Servers by "server app", started when first asked for."""
    started: dict[str, Server] = {}
    yield started
    for server in started.values():
        server.stop()
        server.kill()


class Scenes:
    """The scenes of one host, as a reader sees them."""

    def __init__(self, host: Host, server: Server) -> None:
        self.host, self.server, self.port = host, server, server.port
        self.seen = len(self._log())

    def get(self, path: str, method: str = "GET"):
        # A middleware that compresses must leave the stream alone.
        return request(
            self.port, method, self.host.prefix + path, headers=[("Accept-Encoding", "gzip")]
        )

    def log(self) -> list[str]:
        """What the producers wrote down since this test began."""
        return self._log()[self.seen :]

    def wait_for(self, word: str) -> None:
        wait_until(lambda: word in self.log(), 15.0, lambda: f"no {word!r} in {self.log()}")

    def _log(self) -> list[str]:
        with request(self.port, "GET", "/log") as response:
            log: list[str] = json.loads(response.read())
        return log


def scenes_of(name: str, servers: dict[str, Server]) -> Scenes:
    host = HOSTS[name]
    key = f"{host.server} {host.app}"
    if key not in servers:
        servers[key] = serve(host.server, host.app)
    return Scenes(host, servers[key])


@pytest.fixture(params=HOSTS)
def scenes(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Scenes:
    return scenes_of(request.param, servers)


@pytest.fixture(params=ASGI)
def asgi_scenes(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Scenes:
    return scenes_of(request.param, servers)


def test_events_arrive(scenes: Scenes) -> None:
    # H1, F12: as events, uncompressed, and the end is told
    with scenes.get("/ticks?n=4&gap=0.01") as response:
        assert response.header("content-type") == "text/event-stream"
        assert response.header("content-encoding") is None
        assert response.header("content-length") is None
        arrived = list(response.events())
    assert response.ended == "complete"
    *ticks, done = arrived
    assert [(tick.event.event, tick.event.data) for tick in ticks] == [
        ("tick", f'{{"i":{i}}}') for i in range(4)
    ]
    assert (done.event.event, done.event.id) == ("done", "~end")


def test_the_gaps_between_events_are_kept(scenes: Scenes) -> None:
    # F2
    def apart() -> None:
        with scenes.get("/ticks?n=4&gap=0.15") as response:
            at = [arrived.at for arrived in response.events()][:4]
        gaps = [later - earlier for earlier, later in zip(at, at[1:], strict=False)]
        assert all(gap > 0.05 for gap in gaps), gaps

    in_some_try(apart)


def test_an_error_before_the_first_item_keeps_its_status(scenes: Scenes) -> None:
    # E1: the host's own 403; in a framework it is rendered by the framework
    with scenes.get("/early-error") as response:
        body = response.read()
    assert response.status == 403
    assert response.header("content-type") != "text/event-stream"
    assert scenes.host.prefix or b"orbidden" in body or b"no entry" in body


def test_our_own_http_error_keeps_its_status_everywhere(scenes: Scenes) -> None:
    # E1: HttpError(409) with a header of its own
    with scenes.get("/early-http-error") as response:
        response.read()
    assert (response.status, response.header("retry-after")) == (409, "7")


def test_a_crash_before_the_first_item_is_500_and_tells_nothing(scenes: Scenes) -> None:
    # E1, E3
    with scenes.get("/early-crash") as response:
        body = response.read()
    assert response.status == 500
    assert b"secret" not in body


LATE = {
    "/late-error": {"status": 403, "title": "Forbidden", "detail": "no entry"},
    "/late-crash": {"status": 500, **GENERIC},
}


@pytest.mark.parametrize("path", LATE)
def test_an_error_after_the_first_item_is_one_event(scenes: Scenes, path: str) -> None:
    # E2, E3, E4: the framework's own exception carries its status and detail into the event
    with scenes.get(path) as response:
        assert response.status == 200
        first, error = (event for _, event in response.events())
    assert (first.event, first.data) == ("message", '{"i":0}')
    assert error.event == "error"
    assert json.loads(error.data) == {"errors": [LATE[path]]}
    assert response.ended == "complete"


# These end the body in good order whatever the app did: granian's WSGI, and Starlette's
# BaseHTTPMiddleware, which sends the last message itself.
HIDES_A_CUT = ("granian wsgi", "fastapi, middleware")
SHOWS_A_CUT = [name for name in HOSTS if name not in HIDES_A_CUT]


@pytest.mark.parametrize("name", SHOWS_A_CUT)
def test_a_format_without_an_error_event_is_cut(name: str, servers: dict[str, Server]) -> None:
    # E2: half a text must not look like a whole one
    with scenes_of(name, servers).get("/late-words?format=text") as response:
        body = response.read()
    assert (response.status, body, response.ended) == (200, b"half a ", "cut")


def test_a_reader_that_leaves_stops_the_producer(scenes: Scenes) -> None:
    # F4 and the host table: within one event where the host tells; WSGI: at the next write
    def leave() -> None:
        scenes.seen += len(scenes.log())
        response = scenes.get("/forever?gap=0.1")
        events = response.events()
        next(events)
        next(events)
        response.leave()
        scenes.wait_for("forever stopped")
        *made, last = scenes.log()
        assert last == "forever stopped"
        # A closed socket takes one more write before it says so, and the log is read in between.
        assert len(made) <= (6 if scenes.host.is_wsgi else 4), made

    in_some_try(leave)


def test_a_reader_that_breaks_off_stops_the_producer(scenes: Scenes) -> None:
    # F4: RST instead of FIN
    response = scenes.get("/forever?gap=0.1")
    next(response.events())
    response.reset()
    scenes.wait_for("forever stopped")


def test_a_silent_source_is_stopped_before_its_first_item(asgi_scenes: Scenes) -> None:
    # F4: nothing was sent yet, not even the head; also under middleware
    scenes = asgi_scenes
    with socket.create_connection(("127.0.0.1", scenes.port)) as sock:
        target = f"{scenes.host.prefix}/silent"
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        scenes.wait_for("silent begun")
    scenes.wait_for("silent stopped")
    tracebacks = scenes.server.output().count("Traceback")
    with scenes.get("/ticks?n=1&gap=0") as response:
        response.read()
    # The tests before this one crash on purpose; nothing of the leaving may be among them.
    printed = scenes.server.output()
    assert printed.count("Traceback") == tracebacks
    assert "No response returned" not in printed
    assert "CancelledError" not in printed


# What the kernel's buffers take on the way, some 4 MB, and a good margin; not what was read.
MOST_HELD = 16 * 1024 * 1024


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_stalled_reader_stops_the_producer(name: str, servers: dict[str, Server]) -> None:
    # F1: through the framework's own way of sending, too
    scenes = scenes_of(name, servers)
    counted, since = 0, time.monotonic()

    def stands_still() -> bool:
        nonlocal counted, since
        count = len(scenes.log())
        if count != counted:
            counted, since = count, time.monotonic()
        return counted > 0 and time.monotonic() - since > 0.5

    target = f"{scenes.host.prefix}/flood"
    with request(scenes.port, "GET", target, rcvbuf=4096) as response:
        wait_until(stands_still, 20.0, "the producer never stood still")
        assert counted * 16 * 16 * 1024 < MOST_HELD
        response.leave()
    scenes.wait_for("flood stopped")


HEAD_ROUTED = [n for n in HOSTS if HOSTS[n].app not in ("with_fastapi:app", "with_litestar:app")]


@pytest.mark.parametrize("name", HEAD_ROUTED)  # the others answer 405 until they are told to
def test_head_does_not_start_the_source(name: str, servers: dict[str, Server]) -> None:
    # H6
    scenes = scenes_of(name, servers)
    with scenes.get("/forever?gap=0.01", method="HEAD") as response:
        assert response.status == 200
        assert response.header("content-type") == "text/event-stream"
    with scenes.get("/ticks?n=1&gap=0") as response:
        response.read()
    assert scenes.log() == []


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_endpoint_is_mounted_unchanged(name: str, servers: dict[str, Server]) -> None:
    # done-when 2: the endpoint of the first page, as it is, inside a framework
    scenes = scenes_of(name, servers)
    with request(scenes.port, "GET", "/mounted/ticks?n=2") as response:
        assert [event.data for _, event in response.events()] == ['{"i":0}', '{"i":1}', ""]
