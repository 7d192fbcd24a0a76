"""``invoke_stream``: real boto3 against golden frames on loopback."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from penstock import TransportError
from penstock.aws import InvocationFailed, invoke_stream


def frame(kind: str, payload: bytes, content_type: str) -> bytes:
    headers = b""
    for name, value in (
        (":event-type", kind),
        (":content-type", content_type),
        (":message-type", "event"),
    ):
        headers += bytes([len(name)]) + name.encode() + b"\x07"
        headers += struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def chunk(data: bytes) -> bytes:
    return frame("PayloadChunk", data, "application/octet-stream")


def complete(**told: str) -> bytes:
    return frame("InvokeComplete", json.dumps(told).encode(), "application/json")


class Service:
    frames: list[bytes]
    seen: list[tuple[str, bytes]]
    url: str


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    made.frames, made.seen = [], []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.seen.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.amazon.eventstream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for each in made.frames:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(each), each))
            if made.frames[-1] != b"cut":
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(service: Service) -> Iterator[Any]:
    import boto3
    from botocore.config import Config

    made = boto3.client(
        "lambda",
        endpoint_url=service.url,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )
    yield made
    made.close()


def test_chunks_as_they_are(service: Service, client: Any) -> None:
    # P2
    service.frames = [chunk(b"hello "), chunk(b"wor"), chunk(b"ld"), complete()]
    pieces = list(invoke_stream("worker", {"prompt": "hi"}, client=client, Qualifier="live"))
    assert pieces == [b"hello ", b"wor", b"ld"]
    path, body = service.seen[0]
    assert path == "/2021-11-15/functions/worker/response-streaming-invocations?Qualifier=live"
    assert json.loads(body) == {"prompt": "hi"}


def test_the_golden_frame_is_ours() -> None:
    assert chunk(b"hello ").hex().startswith("000000700000005a174e874c0b3a6576656e742d74797065")
    assert chunk(b"hello ").hex().endswith("68656c6c6f206d711b04")
    assert frame("InvokeComplete", b"{}", "application/json").hex().endswith("7b7d7006d467")


def test_the_functions_error(service: Service, client: Any) -> None:
    # P2
    service.frames = [chunk(b"partial"), complete(ErrorCode="RangeError", ErrorDetails="midway")]
    stream = invoke_stream("worker", client=client)
    assert next(stream) == b"partial"
    with pytest.raises(InvocationFailed, match="RangeError midway") as raised:
        next(stream)
    assert (raised.value.code, raised.value.details) == ("RangeError", "midway")


@pytest.mark.parametrize("last", [[], [b"cut"]], ids=["no end", "cut"])
def test_a_stream_that_is_cut(service: Service, client: Any, last: list[bytes]) -> None:
    # P2
    service.frames = [chunk(b"partial"), *last]
    stream = invoke_stream("worker", b"{}", client=client)
    assert next(stream) == b"partial"
    with pytest.raises(TransportError, match="before the function had"):
        next(stream)
