"""A runtime on nothing but a socket: it answers by a script that the event (or the path) names.

The bytes are those of Node's client, where it has them; nothing of ours is imported.
"""

import base64
import json
import os
import socket
import sys
import time

HOST, _, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
PREFIX = "/2018-06-01/runtime"
VND = "application/vnd.awslambda.http-integration-response"
NULS = b"\0" * 8


class Connection:
    def __init__(self):
        self.socket = socket.create_connection((HOST, int(PORT)))
        self.file = self.socket.makefile("rb")

    def ask(self, text, body=b""):
        self.socket.sendall(text.encode() + body)
        return self.read()

    def read(self):
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self.file.read(int(headers["content-length"]))


class Stream:
    """A streamed answer."""

    def __init__(self, connection, request_id, content_type="application/octet-stream"):
        self.connection = connection
        self.write(
            f"POST {PREFIX}/invocation/{request_id}/response HTTP/1.1\r\nHost: x\r\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Body\r\n"
            f"Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

    def write(self, data):
        self.connection.socket.sendall(data)

    def chunk(self, data):
        self.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self, error=None):
        trailers = b""
        if error is not None:
            body = base64.b64encode(json.dumps(error).encode()).decode()
            trailers = (
                f"Lambda-Runtime-Function-Error-Type: {error['errorType']}\r\n"
                f"Lambda-Runtime-Function-Error-Body: {body}\r\n"
            ).encode()
        self.write(b"0\r\n" + trailers + b"\r\n")
        return self.connection.read()[0]


def http(connection, request_id, metadata):
    stream = Stream(connection, request_id, VND)
    stream.chunk(json.dumps(metadata).encode())
    stream.chunk(NULS)
    return stream


def plain(connection, request_id, event):
    stream = Stream(connection, request_id)
    stream.chunk(b"hello ")
    wait_for(event)
    stream.chunk(b"world")
    stream.end()


def page(connection, request_id, event):
    metadata = {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain", "X-A": "b", "Content-Length": "99"},
        "cookies": ["a=1; Path=/", "b=2"],
    }
    stream = http(connection, request_id, metadata)
    stream.chunk(b"one")
    wait_for(event)
    stream.chunk(b"two")
    stream.end()


def one_packet(connection, request_id, event):
    """Prelude, NULs and body as one chunk, cut in odd places."""
    stream = Stream(connection, request_id, VND)
    data = b'{"statusCode":203}' + NULS + b"body"
    for piece in (data[:5], data[5:20], data[20:24], data[24:]):
        stream.chunk(piece)
    stream.end()


def empty(connection, request_id, event):
    http(connection, request_id, {"statusCode": int(event.get("status", 200))}).end()


def lost_prelude(connection, request_id, event):
    Stream(connection, request_id, VND).end()


def multi_value(connection, request_id, event):
    http(connection, request_id, {"multiValueHeaders": {"a": ["b"]}}).end()


def midway(connection, request_id, event):
    stream = http(connection, request_id, {"statusCode": 200, "headers": {"X-A": "b"}})
    stream.chunk(b"partial")
    stream.end({"errorType": "RangeError", "errorMessage": "midway ☃"})


def at_once(connection, request_id, event):
    Stream(connection, request_id).end({"errorType": "TypeError", "errorMessage": "boom"})


def posted_error(connection, request_id, event):
    body = json.dumps({"errorType": "KeyError", "errorMessage": "before"}).encode()
    connection.ask(
        f"POST {PREFIX}/invocation/{request_id}/error HTTP/1.1\r\nHost: x\r\n"
        f"Lambda-Runtime-Function-Error-Type: KeyError\r\nContent-Length: {len(body)}\r\n\r\n",
        body,
    )


def die(connection, request_id, event):
    stream = http(connection, request_id, {"statusCode": 200})
    stream.chunk(b"partial")
    time.sleep(0.1)
    os._exit(7)


def hang(connection, request_id, event):
    stream = http(connection, request_id, {"statusCode": 200})
    stream.chunk(b"partial")
    time.sleep(60)


def large(connection, request_id, event):
    stream = Stream(connection, request_id)
    for _ in range(int(event.get("megabytes", 20))):
        stream.chunk(b"x" * 1024 * 1024)
    stream.end()


def reply(connection, request_id, event):
    """A buffered answer: what the event's ``result`` says, or the event."""
    body = json.dumps(event.get("result", event)).encode()
    connection.ask(
        f"POST {PREFIX}/invocation/{request_id}/response HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n",
        body,
    )


def proxied(connection, request_id, event):
    """What the request's body asks for."""
    reply(connection, request_id, json.loads(base64.b64decode(event["body"])))


def probes(connection, request_id, event):
    """Do what is not allowed, and print what the service said to it."""

    def probe(what, path, method="POST", headers=""):
        other = Connection()
        status = other.ask(
            f"{method} {PREFIX}/{path} HTTP/1.1\r\nHost: x\r\n{headers}"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n",
            b"{}",
        )[0]
        print(f"probe {what}: {status}", flush=True)

    own = f"invocation/{request_id}"
    probe("early next", "invocation/next", "GET")
    probe("wrong id", "invocation/00000000-0000-0000-0000-000000000000/response")
    probe("no such path", "invocation/nothing")
    stream = Stream(connection, request_id)
    stream.chunk(b"{}")
    time.sleep(0.1)
    probe("next while the response runs", "invocation/next", "GET")
    print(f"probe response: {stream.end()}", flush=True)
    probe("second response", f"{own}/response")
    probe("error after response", f"{own}/error")


def bad_mode(connection, request_id, event):
    other = Connection()
    status = other.ask(
        f"POST {PREFIX}/invocation/{request_id}/response HTTP/1.1\r\nHost: x\r\n"
        "Lambda-Runtime-Function-Response-Mode: other\r\nContent-Length: 2\r\n\r\n",
        b"{}",
    )[0]
    print(f"probe bad mode: {status}", flush=True)
    status = other.ask(f"GET {PREFIX}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")[0]
    print(f"probe next after it: {status}", flush=True)
    os._exit(1)


SCRIPTS = {
    each.__name__: each
    for each in (
        plain, page, one_packet, empty, lost_prelude, multi_value, midway, at_once, posted_error,
        die, hang, large, reply, proxied,
        probes, bad_mode,
    )
}  # fmt: skip


def wait_for(event):
    """Go on when the file that the test names is there: no clock decides."""
    until = event.get("until") or event.get("queryStringParameters", {}).get("until")
    deadline = time.monotonic() + 30
    while until and not os.path.exists(until) and time.monotonic() < deadline:
        time.sleep(0.01)


def main():
    connection = Connection()
    while True:
        status, headers, body = connection.ask(
            f"GET {PREFIX}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        if status != 200:
            sys.exit(f"/next was answered {status}")
        event = json.loads(body)
        name = event.get("script") or event.get("rawPath", "/").strip("/").partition("/")[0]
        print(f"running {name}", flush=True)
        event |= event.get("queryStringParameters", {})
        SCRIPTS[name](connection, headers["lambda-runtime-aws-request-id"], event)


main()
