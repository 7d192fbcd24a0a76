"""The emulator's server: what its end leaves behind."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from penstock.aws.emulator.http import Exchange, HttpServer, bind


async def answer(exchange: Exchange) -> None:
    await exchange.finish()


@pytest.mark.parametrize("turns", range(6))
def test_a_connection_that_comes_at_its_end_is_closed_too(
    turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> bytes:
        server = HttpServer(answer, bind())
        await server.start()
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port))) as peer:
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.aclose()
            peer.settimeout(20)
            try:
                return peer.recv(1)
            except ConnectionResetError:
                return b""

    assert asyncio.run(main()) == b""
    gc.collect()  # a socket that was forgotten is said, and fails the test
    assert not caplog.records
