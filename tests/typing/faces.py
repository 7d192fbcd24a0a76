"""What type checkers make of the frameworks' faces; see ``public_api.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

from fastapi import FastAPI
from starlette.responses import Response

from penstock.django import StreamResponse as DjangoResponse
from penstock.flask import StreamResponse as FlaskResponse
from penstock.litestar import StreamResponse as LitestarResponse
from penstock.quart import StreamResponse as QuartResponse
from penstock.starlette import StreamResponse

app = FastAPI()


async def rows() -> AsyncIterator[dict[str, int]]:
    yield {"n": 1}


@app.post("/chat")
async def chat() -> StreamResponse:
    return StreamResponse(lambda: rows(), format="ndjson", keep_alive=None)


response: Response = StreamResponse(rows(), status_code=201, headers={"x-a": "1"})
StreamResponse(rows, formt="ndjson")  # type: ignore[call-arg]  # no such option
StreamResponse(3)  # type: ignore[arg-type]  # no source

assert_type(DjangoResponse(rows), DjangoResponse)
assert_type(FlaskResponse(rows, format="sse", retry=3000), FlaskResponse)
assert_type(LitestarResponse(rows), LitestarResponse)
assert_type(QuartResponse(rows, timeout=60), QuartResponse)
DjangoResponse(rows, retry="3")  # type: ignore[arg-type]  # milliseconds, an int
FlaskResponse(rows, formt="ndjson")  # type: ignore[call-arg]  # no such option
LitestarResponse(3)  # type: ignore[arg-type]  # no source
QuartResponse(3)  # type: ignore[arg-type]  # no source
