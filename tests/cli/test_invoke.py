"""``penstock invoke``: boto3 against a Lambda of ours, which frames its stream as AWS does."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

from penstock.cli import commands
from penstock.cli.invoke import shown, without_head
from tests.cli.terminal import Terminal
from tests.support.scripted import Peer, scripted
from tests.support.servers import free_port

EVENT_STREAM = "application/vnd.amazon.eventstream"


def frame(kind: str, payload: bytes, content_type: str = "application/octet-stream") -> bytes:
    """Return one message of AWS's event stream encoding."""
    told = {":event-type": kind, ":content-type": content_type, ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)])
        + name.encode()
        + b"\x07"
        + struct.pack("!H", len(value))
        + value.encode()
        for name, value in told.items()
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def complete(**told: str) -> bytes:
    return frame("InvokeComplete", json.dumps(told).encode(), "application/json")


def streams(*chunks: bytes, last: bytes | None = None) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.head(content_type=EVENT_STREAM)
        for chunk in chunks:
            peer.send(frame("PayloadChunk", chunk))
        peer.send(complete() if last is None else last)

    return script


@pytest.fixture
def invoke(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(script: Callable[[Peer], object], *args: str) -> subprocess.CompletedProcess[str]:
        with scripted(script) as server:
            found = called("worker", "--endpoint-url", server.url, *args)
        found.requests = server.requests  # type: ignore[attr-defined]  # beside what it printed
        return found

    def called(*args: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["penstock", "invoke", *args])
        try:
            code = commands.run()
        except SystemExit as exc:  # typer's way of saying that all is well
            code = int(exc.code or 0)
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(sys.argv, code, out, err)

    run.called = called  # type: ignore[attr-defined]  # without a server
    return run


def test_it_prints_what_the_function_streams(invoke) -> None:
    # P2, P3
    ran = invoke(streams(b"Hello, ", "wörld".encode()[:2], "wörld".encode()[2:]), "-p", '{"a": 1}')
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "Hello, wörld", "")
    [asked] = ran.requests
    assert asked.target == "/2021-11-15/functions/worker/response-streaming-invocations"
    assert asked.body == b'{"a": 1}'


def test_payloads(invoke, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text('["file"]')
    ran = invoke(streams(b"x"), "--payload", f"@{tmp_path}/event.json", "--qualifier", "live")
    assert ran.requests[0].body == b'["file"]'
    assert ran.requests[0].target.endswith("?Qualifier=live")
    assert invoke(streams(b"x")).requests[0].body == b"{}"


TEXT = {
    "sse": [b'event: text\ndata: {"type":"text","content":"Hel', b'lo"}\n\ndata: you\n\n'],
    "ndjson": [b'{"type":"text","content":"Hello"}\n', b'{"delta":"you"}\n'],
    "plain": [b"Hello", b"you"],
    "in small pieces": [bytes([each]) for each in b"data: Hello\n\ndata: you\n\n"],
    "behind an HTTP head": [b'{"statusCode": 200}\0\0\0', b"\0\0\0\0\0data: Helloyou\n\n"],
}


@pytest.mark.parametrize("chunks", TEXT.values(), ids=TEXT)
def test_text_is_a_models_answer(invoke, chunks: list[bytes]) -> None:
    ran = invoke(streams(*chunks), "--text")
    assert (ran.returncode, ran.stdout) == (0, "Helloyou")


HEADS = {
    "one": ([b'{"statusCode":404}' + b"\0" * 8 + b"no"], b"no"),
    "cut anywhere": ([bytes([each]) for each in b'{"a":1}' + b"\0" * 8 + b"body"], b"body"),
    "none": ([b"plain", b" text"], b"plain text"),
    "NDJSON is none": ([b'{"a":1}\n{"b":', b"2}\n"], b'{"a":1}\n{"b":2}\n'),
    "JSON is none": ([b'{"a":', b"1}"], b'{"a":1}'),
    "nothing": ([], b""),
}


@pytest.mark.parametrize(("chunks", "body"), HEADS.values(), ids=HEADS)
def test_the_head_of_an_http_answer_is_not_printed(chunks: list[bytes], body: bytes) -> None:
    assert b"".join(without_head(chunks)) == body


def test_it_prints_as_it_comes() -> None:
    taken: list[int] = []

    def chunks():
        for number in range(3):
            taken.append(number)
            yield b"piece %d " % number

    printed = shown(without_head(chunks()), text=False)
    assert next(printed) == ("piece 0 ", None)
    assert taken == [0]


FAILURES = {
    "the function's own": (
        streams(b"some", last=complete(ErrorCode="Unhandled", ErrorDetails='{"errorMessage":"x"}')),
        (),
        "Unhandled",
    ),
    "cut": (lambda peer: (peer.head(content_type=EVENT_STREAM), peer.cut()), (), "ended before"),
    "an error in the stream": (
        streams(b'event: error\ndata: {"detail":"no"}\n\n'),
        ("--text",),
        "no",
    ),
    "refused": (
        lambda peer: peer.answer(404, b'{"Message":"No such function"}', X_Amzn_ErrorType="Gone"),
        (),
        "No such function",
    ),
}


@pytest.mark.parametrize(("script", "args", "said"), FAILURES.values(), ids=FAILURES)
def test_errors_are_errors(invoke, script, args, said: str) -> None:
    # P2
    ran = invoke(script, *args)
    assert ran.returncode == 1
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert "Traceback" not in ran.stderr


MISTAKES = {
    "no JSON": (("worker", "-p", "{"), 2, "not JSON"),
    "no file": (("worker", "-p", "@none.json"), 2, "cannot read none.json"),
    "no server": (("worker", "--endpoint-url", f"http://127.0.0.1:{free_port()}"), 1, "connect"),
    "no address": (("worker", "--endpoint-url", "nonsense"), 1, "nonsense"),
    "no profile": (("worker", "--profile", "nobody"), 1, "nobody"),
}


@pytest.mark.parametrize(("args", "code", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_a_line_and_a_code(invoke, args, code: int, said: str) -> None:
    ran = invoke.called(*args)
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_in_a_terminal() -> None:
    keys = {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    with scripted(streams(b"Hello \x1b[2J", b"you")) as server:
        terminal = Terminal("invoke", "worker", "--endpoint-url", server.url, **keys)
        assert terminal.end() == 0
    # What a function sends must not move the cursor; and the prompt comes on a line of its own.
    assert terminal.seen == "Hello \\x1b[2Jyou\r\n"
