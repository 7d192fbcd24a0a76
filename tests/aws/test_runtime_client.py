"""The connection to the Runtime API, at a reader that decides when it reads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from penstock.aws.runtime_client import ResponsePost, RuntimeApiError

# Below and above what is copied, and more than a socket takes at once.
SIZES = [1, 16 * 1024, 64 * 1024, 3_000_000, 5, 9_000_000, 70_000]
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"


class Peer:
    """The other end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def body(self) -> list[bytes]:
        """Read one response, chunk by chunk."""
        await self.reader.readuntil(b"\r\n\r\n")
        chunks = []
        while size := int(await self.reader.readline(), 16):
            chunks.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readline() == b"\r\n"
        return chunks


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[ResponsePost, Peer]]:
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peers.put(Peer(reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=1024)
    host, port = server.sockets[0].getsockname()
    post = await ResponsePost.open(f"{host}:{port}", "r1", "text/plain")
    peer = await peers.get()
    try:
        yield post, peer
    finally:
        post._drop()
        peer.writer.transport.abort()
        server.close()
        await asyncio.sleep(0)


async def test_pieces_of_any_size_arrive_as_they_are() -> None:
    async with connected() as (post, peer):
        sent = [bytes([65 + at]) * size for at, size in enumerate(SIZES)]
        reading = asyncio.ensure_future(peer.body())
        for data in sent:
            await post.write(data)
        post.finish(data=b"the last")
        assert await reading == [*sent, b"the last"]
        peer.writer.write(ACCEPTED)
        await post.accepted()


async def test_the_producer_waits_for_the_reader() -> None:
    # L13
    async with connected() as (post, peer):

        async def produce() -> None:
            while True:
                await post.write(b"x" * 65536)

        producing = asyncio.ensure_future(produce())
        while post._news is None:  # until no buffer in between takes more
            await asyncio.sleep(0)
        await peer.reader.readexactly(1)
        assert not producing.done()
        producing.cancel()


async def test_a_connection_that_is_gone_can_be_closed() -> None:
    # L12: refused while bytes waited, then read to the end, so that the transport closes itself
    async with connected() as (post, peer):
        writing = asyncio.ensure_future(post.write(b"x"))
        while post._news is None:
            await writing
            writing = asyncio.ensure_future(post.write(b"x" * 65536))
            await asyncio.sleep(0)
        peer.writer.write(REFUSED)
        peer.writer.write_eof()
        with pytest.raises(RuntimeApiError, match="410"):
            await writing
        while await peer.reader.read(1 << 20):
            pass
        while post._transport is not None:
            await asyncio.sleep(0)
        await post.close()  # asyncio's abort() would raise now


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
    await post.close()
    with pytest.raises(RuntimeApiError, match="410"):
        post.finish()
