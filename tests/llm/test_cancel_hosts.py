"""C5 on hosts that do not tell of a reader that left: WSGI at its next write, Lambda at its end.

As ``test_cancel.py``, which measures what the SDKs do, with ``PENSTOCK_TABLE=1 pytest -s``.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults

import pytest

from penstock import Context, Stream, endpoint
from penstock.llm import chunks
from penstock.testing import FakeClock, open_lambda
from tests.llm import test_cancel as events
from tests.llm.support.provider import Provider

STATES = ["silent", "middle"]
# With a keep-alive this long, the host learns of a reader that left while the model thinks.
KEEP_ALIVE = 0.05


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def wsgi_server(app: Any) -> Iterator[int]:
    """Serve ``app`` in a thread, on a socket; a reader that left is what its write finds."""
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        server.set_app(app)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(20)


def scripted(provider: Provider, way: str, state: str) -> Any:
    silent = {"hold": True} if state == "silent" else {"talks": True}
    return events.scripted(provider, way, **silent)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("way", events.SILENT)
async def test_a_wsgi_server(provider: Provider, way: str, state: str) -> None:  # C5, H2
    script, stream = scripted(provider, way, state)

    @endpoint(format="ui-message-stream", keep_alive=KEEP_ALIVE)
    def answer(ctx: Context) -> Any:
        return chunks(stream)

    def leave() -> float:
        with wsgi_server(answer.wsgi) as port:
            with socket.create_connection(("127.0.0.1", port), 20) as reader:
                reader.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert script.began.wait(20), "it was never asked"
                assert reader.recv(1000).startswith(b"HTTP/1.0 200")
            left = monotonic()
            assert script.left.wait(events.GENEROUS), f"{way}, {state}: still connected"
            return left

    left = await asyncio.to_thread(leave)
    await events.see_it_leave(script, left, way, f"WSGI, {state}")


@pytest.mark.parametrize("way", events.WAYS)
async def test_a_wsgi_body_that_is_closed(provider: Provider, way: str) -> None:  # C5
    """As a server closes it whose reader was stalled: nothing was asked for meanwhile."""
    script, stream = events.scripted(provider, way, talks=True, pause=0.005)
    script.then = (script.then or b"") * 200

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)

    def leave() -> float:
        body: Any = Stream(chunks(stream), format="sse").to_wsgi(
            environ, lambda *head: lambda data: None
        )
        next(iter(body))
        assert script.began.wait(20), "it was never asked"
        left = monotonic()
        body.close()
        return left

    left = await asyncio.to_thread(leave)
    await events.see_it_leave(script, left, way, "WSGI, stalled reader")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("way", events.SILENT)
async def test_a_lambdas_deadline(provider: Provider, way: str, state: str) -> None:  # C5, L9
    script, stream = scripted(provider, way, state)

    @endpoint(format="ui-message-stream")
    def answer(ctx: Context) -> Any:
        return chunks(stream)

    clock = FakeClock()
    event = {
        "version": "2.0",
        "rawPath": "/",
        "requestContext": {
            "domainName": "abc.lambda-url.eu-west-1.on.aws",
            "http": {"method": "GET", "path": "/", "sourceIp": "127.0.0.1"},
        },
    }
    lent = open_lambda(answer.aws_lambda, event, clock=clock, timeout=20, wait=False)
    async with lent as opened:
        await events.wait_until(script.began, "it was never asked")
        if state == "middle":
            await opened.head()
        left = monotonic()
        await clock.advance(60)
        await events.see_it_leave(script, left, way, f"Lambda's deadline, {state}")
        body = await opened.read()
        assert b'"type":"error"' in body or opened.status == 504
