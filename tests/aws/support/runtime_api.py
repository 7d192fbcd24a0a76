"""A Lambda Runtime API on loopback that keeps every byte it is sent.

As strict as the service is said to be (LAMBDA.md, 1.3): ``/next`` before the response is over, a
second response, a wrong id, or a bad mode are refused; a response is accepted when it is whole.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from base64 import b64decode
from dataclasses import dataclass, field
from itertools import count
from typing import Any

__all__ = ("Call", "RuntimeApi")

_NUMBERS = count(1)


@dataclass(eq=False)
class Call:
    """One invocation, and what the function answered."""

    event: Any
    id: str
    deadline: float = 30.0  # seconds from when it is handed out
    headers: dict[str, str] = field(default_factory=dict)
    early: tuple[int, bytes] | None = None  # answer a response so, after so few bytes of it
    late: tuple[int, bytes] | None = None  # answer so what was read whole, and wait for its end
    read_rate: float | None = None  # bytes a second that are read of the response
    keep: bool = True  # the body; else its size alone

    path: str = ""
    request_head: str = ""
    raw: bytes = b""  # the body as it came, chunks and all
    chunks: list[bytes] = field(default_factory=list)
    chunk_times: list[float] = field(default_factory=list)
    size: int = 0
    trailers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    answered: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    refusals: list[str] = field(default_factory=list)

    def wait(self, timeout: float = 30.0) -> Call:
        if not self.answered.wait(timeout):
            raise TimeoutError(f"no answer to {self.event!r}; so far {self.raw!r}")
        return self

    def wait_for_chunks(self, number: int, timeout: float = 20.0) -> None:
        deadline = time.monotonic() + timeout
        while len(self.chunks) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {len(self.chunks)} chunks: {self.raw!r}")
            time.sleep(0.005)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def is_error(self) -> bool:
        return self.path.endswith("/error")

    @property
    def is_streamed(self) -> bool:
        return "transfer-encoding: chunked" in self.request_head.lower()

    @property
    def header(self) -> dict[str, str]:
        pairs = (line.partition(":") for line in self.request_head.split("\r\n")[1:] if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    @property
    def prelude(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body.partition(b"\0" * 8)[0])
        return found

    @property
    def http_body(self) -> bytes:
        _, nuls, body = self.body.partition(b"\0" * 8)
        assert nuls, f"no prelude in {self.body!r}"
        return body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_body(self) -> dict[str, Any]:
        """What the trailers, or /error, tell."""
        if self.is_error:
            return dict(self.json)
        return dict(json.loads(b64decode(self.trailers["lambda-runtime-function-error-body"])))


class RuntimeApi:
    """The server. ``invoke`` hands out events one by one, as a function is called."""

    def __init__(self) -> None:
        self._events: queue.Queue[Call | None] = queue.Queue()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._running: dict[str, Call] = {}
        self._lock = threading.Lock()
        self.is_concurrent = False  # several invocations at a time: managed instances
        self.init_error: bytes | None = None
        self.connections = 0
        self.refused: list[str] = []
        self.asked = threading.Semaphore(0)  # released at each /next
        self._closed = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def invoke(self, event: Any, **options: Any) -> Call:
        call = Call(event, options.pop("id", None) or f"id-{next(_NUMBERS)}", **options)
        self._events.put(call)
        return call

    def take(self, call: Call) -> None:
        """Have ``call`` running, as if it had been handed out."""
        self._running[call.id] = call

    def drop(self, call: Call) -> None:
        """``call`` was not answered here."""
        self._running.pop(call.id, None)

    def close(self) -> None:
        self._closed = True
        self._events.put(None)
        # shutdown() first: close() alone leaves a thread in accept() or recv()
        for each in [self._socket, *self._open]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def __enter__(self) -> RuntimeApi:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while head := _read_head(stream):
                    if not self._answer(connection, stream, head):
                        break
        except OSError:
            pass
        finally:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket, stream: Any, head: str) -> bool:
        method, path, _ = head.split("\r\n", 1)[0].split(" ")
        if method == "GET" and path.endswith("/invocation/next"):
            return self._next(connection)
        if path.endswith("/init/error"):
            self.init_error = _read_plain(stream, head)
            return _send(connection, 202, b'{"status":"OK"}\n')
        call = self._running.get(path.split("/")[-2])
        if call is None:
            self.refused.append(path)
            return _send(connection, 400, b'{"errorType":"InvalidRequestID"}')
        if call.path:
            call.refusals.append(path)
            return _send(connection, 403, b'{"errorType":"InvalidStateTransition"}')
        call.path, call.request_head = path, head
        call.started.set()
        return self._read_response(connection, stream, call)

    def _next(self, connection: socket.socket) -> bool:
        if self._running and not self.is_concurrent:
            self.refused.append("next")
            return _send(connection, 403, b'{"errorType":"InvalidStateTransition"}')
        self.asked.release()
        call = self._events.get()
        if call is None or self._closed:
            self._events.put(None)
            return False
        self._running[call.id] = call
        deadline = int((time.time() + call.deadline) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": call.id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:1:function:f",
            "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
            "Content-Type": "application/json",
            **call.headers,
        }
        return _send(connection, 200, json.dumps(call.event).encode(), headers)

    def _read_response(self, connection: socket.socket, stream: Any, call: Call) -> bool:
        if not call.is_streamed:
            call.raw = _read_plain(stream, call.request_head)
            call.chunks = [call.raw]
            self._done(call)
            return _send(connection, 202, b'{"status":"OK"}\n')
        try:
            mode = call.header.get("lambda-runtime-function-response-mode")
            if mode != "streaming":
                return _send(connection, 400, b'{"errorType":"InvalidFunctionResponseMode"}')
            whole = self._read_chunks(connection, stream, call)
            if whole and call.late is not None:
                self.drop(call)
                _send(connection, *call.late)
                return bool(stream.read())  # nothing: who was refused closes the connection
        finally:
            self._done(call)
        return whole and _send(connection, 202, b'{"status":"OK"}\n')

    def _read_chunks(self, connection: socket.socket, stream: Any, call: Call) -> bool:
        began = time.monotonic()
        while True:
            line = stream.readline()
            if not line:
                call.cut = True
                return False
            size = int(line, 16)
            data = stream.read(size)
            if size:
                end = stream.readline()
                assert end == b"\r\n", end
                call.size += size
                call.chunk_times.append(time.monotonic())
                if call.keep:
                    call.raw += line + data + end
                    call.chunks.append(data)
            else:
                call.raw += line
                break
            if call.early is not None:
                self.drop(call)  # before it is told: it may ask for the next at once
                _send(connection, *call.early)
                connection.shutdown(socket.SHUT_WR)
                while stream.read(65536):  # closing on unread bytes would take the answer back
                    pass
                return False
            if call.read_rate is not None:
                ahead = call.size / call.read_rate - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)
        section = b""
        while line := stream.readline():
            section += line
            if line == b"\r\n":
                break
            name, _, value = line.decode().partition(":")
            call.trailers[name.lower()] = value.strip()
        call.raw += section
        if len(section) > 4096:
            raise OSError("trailers of more than 4 KiB: the service drops the connection")
        return True

    def _done(self, call: Call) -> None:
        self._running.pop(call.id, None)
        call.answered.set()


def _read_head(stream: Any) -> str:
    head = b""
    while line := stream.readline():
        if line == b"\r\n":
            return head.decode("latin-1")
        head += line
    return ""


def _read_plain(stream: Any, head: str) -> bytes:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return bytes(stream.read(int(value)))
    return b""


def _send(
    connection: socket.socket, status: int, body: bytes, headers: dict[str, str] | None = None
) -> bool:
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return True
