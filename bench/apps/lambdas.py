"""Handlers side by side: awslambdaric alone, Mangum, penstock, and a bare socket loop."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

# Each handler loads only what it needs: the start is measured too.
WHICH = os.environ.get("BENCH_LAMBDA", "")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The least ASGI app, with a lifespan."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"ok":true}'})


def alone(event: Any, context: Any) -> Any:
    """What awslambdaric costs by itself."""
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "{}"}


def bare(event: Any, context: Any) -> Any:
    """The least that can stream: a socket and a loop. The runtime's own answer comes too late."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(
            f"POST /2018-06-01/runtime/invocation/{context.aws_request_id}/response HTTP/1.1\r\n"
            f"Host: {host}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n".encode()
        )
        piece = b"x" * event["piece"]
        for _ in range(event["bytes"] // len(piece)):
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        connection.recv(4096)
    sys.stdout.flush()
    os._exit(0)  # it cannot be told that this invocation is answered


if WHICH == "mangum":
    from mangum import Mangum

    mangum = Mangum(app, lifespan="auto")
elif WHICH == "penstock":
    from penstock.aws import asgi_handler

    penstock = asgi_handler(app)
elif WHICH == "buffered":
    from penstock.aws import asgi_handler

    buffered = asgi_handler(app, invoke_mode="buffered")  # as Mangum's replies are
elif WHICH == "flood":
    from penstock.aws import stream_handler

    @stream_handler(format="text")
    async def flood(event: Any, context: Any) -> Any:
        """As many bytes as the event says, in pieces of its size."""
        piece = b"x" * event["piece"]
        for _ in range(event["bytes"] // len(piece)):
            yield piece
