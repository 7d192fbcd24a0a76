"""The command line through real processes: output, exit codes, streams."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import __version__
from tests.cli.running import penstock, run_penstock
from tests.support.http import request
from tests.support.process import in_some_try, wait_until

TICKS = """
import asyncio
from penstock import Context, Event, endpoint

@endpoint(format="sse")
async def app(ctx: Context):
    for i in range(int(ctx.query.get("n", "3"))):
        yield Event({"i": i}, event="tick")
        await asyncio.sleep(0.05)
"""

FOREIGN = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
"""

FAILS_TO_START = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""


def test_version() -> None:
    ran = run_penstock("--version")
    assert (ran.returncode, ran.stdout) == (0, f"penstock {__version__}\n")


@pytest.mark.parametrize("command", [(), ("demo",), ("serve",)], ids=["penstock", "demo", "serve"])
def test_help_has_examples_and_is_plain_in_a_pipe(command: tuple[str, ...]) -> None:
    # P3
    ran = run_penstock(*command, "--help")
    assert ran.returncode == 0
    assert f"\n    penstock {command[0] if command else 'demo'}" in ran.stdout
    assert not set("│╭\x1b") & set(ran.stdout)


MISTAKES = {
    "no such command": (("sprinkle",), 2, "No such command 'sprinkle'"),
    "no app named": (("serve",), 2, "Missing argument 'MODULE:APP'"),
    "no such module": (("serve", "nothing_here:app"), 2, "no module named 'nothing_here'"),
    "watch path": (("serve", "x:app", "--watch-path", "watch"), 2, "must begin with /"),
    "port": (("demo", "--port", "70000"), 2, "Invalid value for '--port'"),
    "host": (("demo", "--host", "no.such.host.invalid"), 1, "no such host"),
}


@pytest.mark.parametrize(("args", "code", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_a_line_and_a_code(
    args: tuple[str, ...], code: int, message: str, tmp_path: Path
) -> None:
    # P3
    ran = run_penstock(*args, cwd=tmp_path)
    assert ran.returncode == code
    assert message in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_port_in_use() -> None:
    # P3
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run_penstock("demo", "--port", str(port))
    assert ran.returncode == 1
    line = f"penstock: cannot use port {port} on 127.0.0.1: address already in use; try --port 0\n"
    assert ran.stderr == line


@pytest.mark.parametrize("missing", ["typer", "rich", "uvicorn"])
def test_without_the_extra_there_is_one_line(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from penstock.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr == (
        'penstock: the command line is not installed: run  pip install "penstock[cli]"\n'
    )


def test_the_demo_streams_in_each_format_and_stops_when_left() -> None:
    # W2, W14, E2, F4, P3
    with penstock("demo") as server:
        output = server.output()
        assert "\x1b" not in output
        assert f"curl -N 'http://127.0.0.1:{server.port}/chat?prompt=hello&format=sse'" in output
        with request(server.port, "GET", "/") as page:
            assert (page.status, b"<title>penstock" in page.read()) == (200, True)

        with request(server.port, "GET", "/chat?prompt=fail&format=sse") as stream:
            events = list(stream.events())
        assert stream.ended == "complete"
        assert [events[0].event.event, events[-1].event.event] == ["text", "error"]
        # One by one, at the pace of the model.
        assert len({round(arrived.at, 2) for arrived in events}) > 5

        with request(server.port, "GET", "/chat?prompt=fail&format=ndjson") as stream:
            lines = stream.read().splitlines()
        assert lines[-1].startswith(b'{"error":{"errors":[')

        with request(server.port, "GET", "/chat?prompt=fail&format=text") as stream:
            assert stream.read().startswith(b"All right.")
        assert stream.ended == "cut"

        with request(server.port, "GET", "/chat?prompt=story") as stream:
            for _ in zip(range(5), stream.events(), strict=False):
                pass
            stream.leave()
        assert "producer told to stop after" in server.wait_for("reader left, producer stopped")

        stopped = server.stop(with_signal=signal.SIGINT)
    assert (stopped.code, stopped.killed) == (130, False)
    assert "Traceback" not in server.output()


def test_ctrl_c_ends_open_streams_with_last_words() -> None:
    # F8, P3
    with penstock("demo") as server, request(server.port, "GET", "/log") as log:
        stopped = server.stop(with_signal=signal.SIGINT)
        assert b"retry:" in log.read()
    assert stopped.code == 130
    assert not stopped.killed
    assert "Traceback" not in server.output()


def test_serve_runs_an_endpoint_with_a_page_and_a_log(tmp_path: Path) -> None:
    # M8
    (tmp_path / "ticks.py").write_text(TICKS)
    with penstock("serve", "ticks:app", cwd=tmp_path) as server:
        with request(server.port, "GET", "/?n=2") as stream:
            events = [arrived.event.event for arrived in stream.events()]
        with request(server.port, "GET", "/_penstock") as page:
            assert b"penstock: watch" in page.read()
        with request(server.port, "GET", "/?n=1000") as stream:
            next(iter(stream.events()))
            stream.leave()
        output = server.wait_for("ending=disconnected")
    assert events == ["tick", "tick", "done"]
    assert re.search(r"GET / 200 ending=completed .* events=2 ", output)
    assert f"watch  {server.url}/_penstock" in output
    assert f"curl   curl -N {server.url}/" in output


WATCHED = {
    "at its default": ((), "/_penstock"),
    "elsewhere": (("--watch-path", "/_watch"), "/_watch"),
    "nowhere": (("--no-watch",), None),
}


@pytest.mark.parametrize(("options", "watch"), WATCHED.values(), ids=WATCHED)
def test_serve_leaves_every_other_path_to_the_app(
    options: tuple[str, ...], watch: str | None, tmp_path: Path
) -> None:
    (tmp_path / "foreign.py").write_text(FOREIGN)
    with penstock("serve", "foreign:app", *options, cwd=tmp_path) as server:
        for path in ("/", "/_penstock", "/_penstock/more", "/_watch"):
            with request(server.port, "GET", path) as response:
                body = response.read()
            assert (b"penstock: watch" in body) == (path == watch)
            assert body == path.encode() or path == watch
        # An app that is not ours has uvicorn's own log.
        assert '"GET /_penstock/more HTTP/1.1" 200' in server.output()


def test_an_app_that_does_not_start_is_said(tmp_path: Path) -> None:
    (tmp_path / "sour.py").write_text(FAILS_TO_START)
    ran = run_penstock("serve", "sour:app", "--port", "0", cwd=tmp_path)
    assert ran.returncode == 1
    assert "no database" in ran.stderr
    assert ran.stderr.endswith("penstock: the app's start-up failed; it is logged above\n")
    assert "is up" not in ran.stdout


def save(path: Path, text: str, followed: Callable[[], bool]) -> None:
    """Save until it is followed: a save before the first look at the file is no change to it."""

    def attempt() -> None:
        path.write_text(text)
        assert wait_until(followed, 10, fail=False), "not followed"

    in_some_try(attempt)


def test_reload_follows_the_file_also_through_a_mistake(tmp_path: Path) -> None:
    app = tmp_path / "ticks.py"
    app.write_text(TICKS)
    with penstock("serve", "ticks:app", "--reload", cwd=tmp_path) as server:
        mistake = "ticks cannot be imported: invalid syntax (ticks.py, line 1)"
        save(app, "x = = 3\n", lambda: mistake in server.output())
        changed = TICKS.replace('event="tick"', 'event="tock"')
        save(app, changed, lambda: server.output().count("is up.") >= 2)
        with request(server.port, "GET", "/?n=1") as stream:
            assert next(iter(stream.events())).event.event == "tock"
    assert "Traceback" not in server.output()
