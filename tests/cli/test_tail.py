"""``penstock tail`` in a pipe, in a terminal, and with every mistake."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import ServerSentEvent
from penstock.cli import commands
from penstock.cli.tail import make_filter
from tests.cli.running import run_penstock
from tests.cli.terminal import Terminal
from tests.support.scripted import Peer, scripted
from tests.support.servers import free_port

END = b"event: done\ndata:\nid: ~end\n\n"
BODY = (
    b'event: tick\nid: 1\ndata: {"i":1}\n\nevent: order.new\ndata: {"i":2}\n\n'
    b"data: two\ndata: lines \x1b[2J\n\n" + END
)
NDJSON = {"content_type": "application/x-ndjson"}


@pytest.fixture
def tail(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in this process: a process of its own for each would take most of the time."""

    def run(script: Callable[[Peer], object] | str, *args: str) -> subprocess.CompletedProcess[str]:
        if isinstance(script, str):
            return called(script, *args)
        with scripted(script) as server:
            return called(server.url, *args)

    def called(url: str, *args: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["penstock", "tail", url, *args])
        try:
            code = commands.run()
        except SystemExit as exc:  # typer's way of saying that all is well
            code = int(exc.code or 0)
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(sys.argv, code, out, err)

    return run


def answers(body: bytes, **head: str) -> Callable[[Peer], object]:
    return lambda peer: peer.answer(200, body, **head)


def test_plain_lines_in_a_pipe() -> None:
    # P3: no colours, no status line, and nothing that moves a cursor.
    with scripted(answers(BODY)) as server:
        ran = run_penstock("tail", server.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = [re.sub(r"^ +\d+\.\d{3}  ", "", line) for line in ran.stdout.splitlines()]
    assert lines == [
        'tick  #1  {"i":1}',
        'order.new  #1  {"i":2}',
        "message  #1  two",
        "          lines \\x1b[2J",
    ]


def test_json_is_a_line_for_each_event(tail) -> None:
    ran = tail(answers(BODY), "--json")
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(each["event"], each["id"], each["data"]) for each in events] == [
        ("tick", "1", {"i": 1}),
        ("order.new", "1", {"i": 2}),
        ("message", "1", "two\nlines \x1b[2J"),
    ]
    assert tail(answers(b'{"a":1}\n"x"\n', **NDJSON), "--json").stdout == '{"a":1}\n"x"\n'


def test_text_is_a_models_answer(tail) -> None:
    body = b'data: {"type":"text","content":"Hello, "}\n\ndata: {"type":"text","content":"you"}\n\n'
    ran = tail(answers(body + END), "--text")
    assert ran.stdout == "Hello, you"
    ran = tail(answers(b'{"response":"a"}\n{"response":"b"}\n', **NDJSON), "--text")
    assert ran.stdout == "ab"


FILTERS = {
    "a type": (["tick"], [True, False, False]),
    "a pattern": (["ord*"], [False, True, False]),
    "two": (["tick", "message"], [True, False, True]),
    "a member": (["i=2"], [False, True, False]),
    "a member within": (["a.b=x"], [False, False, True]),
    "none": ([], [True, True, True]),
}


@pytest.mark.parametrize(("patterns", "kept"), FILTERS.values(), ids=FILTERS)
def test_filters(patterns: list[str], kept: list[bool]) -> None:
    wanted = make_filter(patterns)
    items = [
        ServerSentEvent("tick", '{"i":1}'),
        ServerSentEvent("order.new", '{"i":2}'),
        ServerSentEvent("message", '{"a":{"b":"x"}}'),
    ]
    assert [wanted(item) for item in items] == kept
    assert make_filter(["tick"])({"type": "tick"})
    assert not make_filter(["i=1"])(ServerSentEvent(data="no json"))


def test_filter_and_count(tail) -> None:
    ran = tail(answers(BODY), "--filter", "order.*", "--filter", "message", "-n", "1", "--json")
    assert [json.loads(line)["event"] for line in ran.stdout.splitlines()] == ["order.new"]


def test_what_is_asked(tail, tmp_path: Path) -> None:
    (tmp_path / "prompt.json").write_text('{"q": 1}')
    with scripted(answers(END)) as server:
        tail(server.url, "--last-event-id", "41", "-H", "X-A: b:c")
        tail(server.url, "--post", str(tmp_path / "prompt.json"))
        tail(server.url, "-d", "hello", "-X", "put")
        tail(f":{server.port}/x")
        tail(f"localhost:{server.port}/y")
    one, two, three, four, five = server.requests
    assert (one.headers["last-event-id"], one.headers["x-a"]) == ("41", "b:c")
    assert (two.method, two.body) == ("POST", b'{"q": 1}')
    assert two.headers["content-type"] == "application/json"
    assert (three.method, three.body) == ("PUT", b"hello")
    assert three.headers["content-type"] == "text/plain; charset=utf-8"
    assert (four.target, five.target) == ("/x", "/y")


def test_it_reconnects_and_says_so_beside_the_pipe(tail) -> None:
    def script(peer: Peer) -> None:
        peer.answer(200, b"retry: 10\nid: 5\ndata: a\n\n" if peer.number == 1 else END)

    ran = tail(script)
    assert "a" in ran.stdout
    assert "asking again in 0.0 s, after id 5" in ran.stderr
    ran = tail(answers(b"data: a\n\n"), "--no-reconnect")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_reader_of_the_pipe_that_has_seen_enough() -> None:
    with scripted(answers(b"data: x\n\n" * 50_000 + END)) as server:
        command = f"{sys.executable} -m penstock.cli tail {server.url} --json | head -2"
        ran = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30)
    assert len(ran.stdout.splitlines()) == 2
    assert ran.stderr == ""


MISTAKES = {
    "not there": (lambda peer: peer.answer(404, b'{"detail":"no run"}'), (), 1, "404: no run"),
    "no stream": (answers(b"", content_type="text/html"), (), 1, "text/html"),
    "an error": (answers(b'event: error\nid: ~end\ndata: {"detail":"x y"}\n\n'), (), 1, "x y"),
    "a cut": (lambda peer: (peer.head(), peer.cut()), ("--no-reconnect",), 1, "penstock: GET"),
    "in vain": (lambda peer: peer.answer(500), ("--max-retries", "0"), 1, "500"),
    "two forms": (answers(END), ("--json", "--text"), 2, "choose one"),
    "two bodies": (answers(END), ("--post", "x", "-d", "y"), 2, "choose one"),
    "no file": (answers(END), ("--post", "none.json"), 2, "no such file"),
    "no header": (answers(END), ("-H", "x"), 2, "'NAME: VALUE'"),
    "milliseconds": (answers(END), ("--read-timeout", "15000"), 2, "seconds?"),
    "an id of two lines": (answers(END), ("--last-event-id", "a\nb"), 2, "one line"),
}


@pytest.mark.parametrize(("script", "args", "code", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_a_line_and_a_code(tail, script, args, code, said) -> None:
    # P3
    ran = tail(script, *args)
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_no_server_and_no_address(tail) -> None:
    for url in (f"http://127.0.0.1:{free_port()}/", "http://no.such.host.invalid/", "ftp://x/"):
        ran = tail(url)
        assert ran.returncode == 1
        assert len(ran.stderr.splitlines()) == 1, ran.stderr


def test_in_a_terminal() -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(BODY.removesuffix(END))
        peer.hold()

    with scripted(script) as server:
        terminal = Terminal("tail", server.url, NO_COLOR="")
        terminal.wait_for("\x1b[36mtick\x1b[0m")
        terminal.wait_for("3 events  ")  # the status line
        assert "lines \\x1b[2J" in terminal.seen
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
    # The status line is taken away; what stays is the events and one line that sums up.
    last = terminal.seen.rsplit("\x1b[2K", 1)[1]
    assert re.search(r"3 events, \d+ B in \d+\.\d s", last)
    assert "/s" not in last
    assert "Traceback" not in terminal.seen


def test_in_a_terminal_without_colours() -> None:
    with scripted(answers(BODY)) as server:
        terminal = Terminal("tail", server.url, NO_COLOR="1")
        assert terminal.end() == 0
    assert "\x1b[3" not in terminal.seen
    assert "tick  #1" in terminal.seen


def test_text_in_a_terminal() -> None:
    body = b'data: {"type":"text","content":"Hello\\u001b[2J"}\n\n' + END
    with scripted(answers(body)) as server:
        terminal = Terminal("tail", server.url, "--text")
        assert terminal.end() == 0
    assert "Hello\\x1b[2J\r\n" in terminal.seen


def test_shell_completion_is_offered() -> None:
    ran = run_penstock("--show-completion", "bash")
    assert "penstock" in ran.stdout + ran.stderr
