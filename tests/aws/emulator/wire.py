"""A runtime by hand: bytes to the Runtime API and back, nothing in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from penstock.aws.emulator.invocation import Invocation
from penstock.aws.emulator.runtime_api import RuntimeApi

__all__ = ("ARN", "Answer", "Wire", "invocation", "opened", "streaming_head")

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
STREAMING = "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection to the Runtime API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, address: str) -> Wire:
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def send(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode()
        status_line, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(status_line.split()[1]), headers, body)

    async def next(self) -> Answer:
        await self.send("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
        return await self.answer()

    async def post(self, path: str, body: bytes = b"{}", headers: str = "") -> Answer:
        head = f"POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\n{headers}"
        await self.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return await self.answer()

    async def chunk(self, data: bytes) -> None:
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def close(self) -> None:
        self.writer.close()


def streaming_head(request_id: str, *extra: str) -> str:
    """The head of a streamed answer, with more header lines."""
    lines = "".join(f"{line}\r\n" for line in extra)
    path = f"/2018-06-01/runtime/invocation/{request_id}/response"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{STREAMING}{lines}\r\n"


@asynccontextmanager
async def opened(*, concurrent: bool = False) -> AsyncIterator[tuple[RuntimeApi, Wire]]:
    api = RuntimeApi(ARN, concurrent=concurrent)
    await api.start()
    wire = await Wire.connect(api.address)
    try:
        yield api, wire
    finally:
        wire.close()
        await api.aclose()


def invocation(streamed: bool = True, payload: bytes = b'{"a":1}', **options: Any) -> Invocation:
    made = Invocation(payload, streamed=streamed, **options)
    made.deadline = 1_800_000_000.5
    return made
