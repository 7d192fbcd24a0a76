"""System 5: the same program in every framework; a model's answer pushed event by event."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest

from penstock.testing import FakeClock, open_stream
from tests.seeds.apps.stream_llm import (
    complete_code,
    configured,
    joke,
    numbers,
    process,
    story,
    words,
)
from tests.seeds.hosts import Answer, on_asgi, on_wsgi
from tests.support.http import request
from tests.support.servers import serve

GREETED = [
    ("message", "Hello, world!"),
    ("update", '{"text":"Hello!","timestamp":1767225600000}'),
    ("done", ""),
]
ANSWERED = [("llm-chunk", "Once "), ("llm-chunk", "upon "), ("llm-done", '{"done":true}')]
ASKED = {"prompt": "Once upon"}
JSON = [("content-type", "application/json")]

# --- the first program, in each framework, in process and on a server

IN_PROCESS = ["bare", "in_fastapi", "in_starlette", "in_litestar", "in_quart"]
ON_SERVERS = {
    "no framework": ("uvicorn", "bare:app"),
    "no framework, WSGI": ("gunicorn-sync", "bare:wsgi"),
    "FastAPI": ("uvicorn", "in_fastapi:app"),
    "Starlette": ("uvicorn", "in_starlette:app"),
    "Litestar": ("uvicorn", "in_litestar:app"),
    "Quart": ("uvicorn", "in_quart:app"),
    "Flask": ("gunicorn-sync", "in_flask:app"),
    "Django": ("uvicorn", "in_django:app"),
    "Django, WSGI": ("gunicorn-sync", "in_django:wsgi"),
}


def check_stream(answer: Answer, said: list[tuple[str, str]]) -> None:
    # H1, W3, F12
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.said == said


def app_of(name: str) -> Any:
    return import_module(f"tests.seeds.apps.greetings.{name}").app


@pytest.mark.parametrize("name", IN_PROCESS)
async def test_the_first_program_in_process(name: str) -> None:
    check_stream(await on_asgi(app_of(name), "/sse"), GREETED)
    answer = await on_asgi(app_of(name), "/chat", method="POST", json=ASKED)
    check_stream(answer, [*ANSWERED, ("done", "")])


def test_the_first_program_in_process_on_flask() -> None:
    check_stream(on_wsgi(app_of("in_flask"), "/sse"), GREETED)


@pytest.mark.parametrize(("server", "app"), ON_SERVERS.values(), ids=ON_SERVERS)
def test_the_first_program_on_a_server(server: str, app: str) -> None:
    with serve(server, f"tests.seeds.apps.greetings.{app}") as running:
        with request(running.port, "GET", "/sse") as response:
            greeted = Answer(response.status, dict(response.headers), response.read())
        body = json.dumps(ASKED).encode()
        with request(running.port, "POST", "/chat", headers=JSON, body=body) as response:
            answered = Answer(response.status, dict(response.headers), response.read())
        silent = json.dumps({"prompt": "Once ..."}).encode()
        with request(running.port, "POST", "/chat", headers=JSON, body=silent) as response:
            first = next(response.events()).event  # F2: while the model is silent
            response.leave()
    check_stream(greeted, GREETED)
    check_stream(answered, [*ANSWERED, ("done", "")])
    assert (first.event, first.data) == ANSWERED[0]


# --- a model's answer

MODELS = {"openai": story, "anthropic": joke}


@pytest.mark.parametrize("name", MODELS)
async def test_a_models_answer_is_pushed_chunk_by_chunk(name: str) -> None:
    # F13: one of them awaits its pushes and one does not
    answer = await on_asgi(MODELS[name], method="POST", json=ASKED)
    check_stream(answer, ANSWERED)


@pytest.mark.parametrize("name", MODELS)
async def test_a_chunk_is_there_before_the_next(name: str) -> None:
    # F2, F4
    silent = {"prompt": "Once ..."}
    async with open_stream(MODELS[name], method="POST", json=silent) as stream:
        assert (await stream.next_event()).data == "Once "
        await stream.disconnect()
        assert not stream.is_running


async def test_code_completion_carries_all_the_text_so_far() -> None:
    answer = await on_asgi(complete_code, method="POST", json=ASKED)
    assert [(event.event, event.json()) for event in answer.events[:3]] == [
        ("completion", {"chunk": "Once ", "fullText": "Once "}),
        ("completion", {"chunk": "upon ", "fullText": "Once upon "}),
        ("done", {"done": True, "fullText": "Once upon "}),
    ]


# --- iterables, progress


async def test_pieces_are_transformed_on_their_way() -> None:
    # F10: a plain generator
    answer = await on_asgi(words)
    pieces = [event.json()["text"] for event in answer.events if event.event == "data"]
    assert "".join(pieces) == "Hello World!"


async def test_iterables_one_after_the_other() -> None:
    answer = await on_asgi(numbers)
    assert answer.said == [
        *[("number", str(number)) for number in (1, 2, 3)],
        *[("tick", f'{{"count":{count}}}') for count in range(3)],
    ]


async def test_progress() -> None:
    answer = await on_asgi(process, method="POST")
    assert [event.json().get("progress") for event in answer.events] == [33, 67, 100, None]
    assert answer.said[-1] == ("complete", '{"done":true}')


# --- options


async def test_every_option_of_a_session() -> None:
    # W7, W3, H2, F12
    answer = await on_asgi(configured)
    assert answer.status == 201
    assert answer.headers["x-custom-header"] == "value"
    assert answer.body == b"retry: 3000\nid: 7\ndata: <a b>\n\n"


async def test_keep_alive_while_the_model_is_silent() -> None:
    # F3, T2
    clock = FakeClock()
    silent = {"prompt": "Once ..."}
    async with open_stream(story, method="POST", json=silent, clock=clock) as stream:
        await stream.next_event()
        await clock.advance(15)
        await stream.wait_for(lambda: stream.comments == ["keep-alive"])


async def test_a_stream_is_tested_by_its_head_alone() -> None:
    # T1
    async with open_stream(words, headers={"accept": "text/event-stream"}) as stream:
        assert (stream.status, stream.content_type) == (200, "text/event-stream")
