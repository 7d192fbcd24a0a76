"""One response's connection to the Runtime API, against a socket that is told what to do."""

from __future__ import annotations

import asyncio
import socket

import pytest

from penstock.aws.runtime_client import ResponsePost, RuntimeApiError


def read_to_the_end(peer: socket.socket) -> None:
    while peer.recv(1 << 20):
        pass


async def test_a_connection_that_ended_while_it_was_written_to_is_closed_in_peace() -> None:
    # L12: refused, ended by the API, and what was on its way read, all before the caller hears of
    # it. asyncio's transport cannot be aborted then.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        post = await ResponsePost.open(f"127.0.0.1:{listening.getsockname()[1]}", "id", "text/x")
        peer, _ = listening.accept()
    with peer:
        writing = asyncio.create_task(post.write(b"x" * 32_000_000))  # more than any socket holds
        await asyncio.sleep(0)
        peer.sendall(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises(RuntimeApiError, match="before the response was over: 410"):
            await writing
        await asyncio.to_thread(read_to_the_end, peer)
    post.close()
    with pytest.raises(RuntimeApiError, match="410"):
        post.finish()
