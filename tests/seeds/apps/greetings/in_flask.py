"""Flask."""

from __future__ import annotations

from flask import Flask, request

from penstock.flask import StreamResponse
from tests.seeds.apps.greetings import answer, greet

__all__ = ("app",)

app = Flask(__name__)


@app.get("/sse")
def sse() -> StreamResponse:
    return StreamResponse(greet)


@app.post("/chat")
def chat() -> StreamResponse:
    return StreamResponse(answer(request.get_json()["prompt"]))
