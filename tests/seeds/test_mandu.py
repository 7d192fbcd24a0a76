"""System 4: a chain that stays intact around ``ctx.sse`` and ``ctx.stream``."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import Context, Emit, HttpError, InvalidOption, Response, endpoint
from penstock.testing import open_stream
from tests.seeds.apps.mandu import ask, chat, chat_wsgi, export, export_wsgi
from tests.seeds.hosts import Answer, on_asgi, on_server, on_wsgi
from tests.seeds.sources import USERS, complete
from tests.support.http import request
from tests.support.servers import serve

ADA = {"cookie": "sid=s-ada"}
APP = "tests.seeds.apps.mandu"
SPOKEN = [("message", "hello "), ("message", "world "), ("done", "")]
CSV = "id,email,created_at\n" + "".join(f"{u.id},{u.email},{u.created_at}\n" for u in USERS)


def check_chat(answer: Answer) -> None:
    # H1, M1, W3, W6
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-user"] == "ada"
    assert answer.said == SPOKEN  # the app's own done, and no second one of ours: F12


async def test_chat_on_asgi() -> None:
    check_chat(await on_asgi(chat, "/?q=hello+world", headers=ADA))


def test_chat_on_wsgi() -> None:
    check_chat(on_wsgi(chat_wsgi, "/?q=hello+world", headers=ADA.items()))


@pytest.mark.parametrize(("server", "app"), [("uvicorn", "chat"), ("gunicorn-sync", "chat_wsgi")])
def test_chat_on_a_server(server: str, app: str) -> None:
    check_chat(on_server(server, f"{APP}:{app}", "/?q=hello+world", headers=ADA.items()))


async def test_without_a_prompt_only_done_is_said() -> None:
    answer = await on_asgi(chat, headers=ADA)
    assert answer.said == [("done", "")]


@pytest.mark.parametrize(("server", "app"), [("uvicorn", "chat"), ("gunicorn-sync", "chat_wsgi")])
def test_a_token_arrives_while_the_model_thinks(server: str, app: str) -> None:
    # F2
    with (
        serve(server, f"{APP}:{app}") as running,
        request(running.port, "GET", "/?q=hello+...", headers=ADA.items()) as response,
    ):
        assert next(response.events()).event.data == "hello "
        assert response.ended is None
        response.leave()


# --- the export


def check_export(answer: Answer) -> None:
    # W14, H2
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/csv"
    assert answer.body.decode() == CSV


async def test_export_on_asgi() -> None:
    async with open_stream(export, buffer=1) as stream:
        header = await stream.next_chunk()
        assert header == b"id,email,created_at\n"  # the first row is there before the table is read
        answer = Answer(stream.status, dict(stream.headers), header + await stream.read())
    check_export(answer)
    assert "transfer-encoding" not in answer.headers  # H3: it is the server's


def test_export_on_wsgi() -> None:
    check_export(on_wsgi(export_wsgi))


@pytest.mark.parametrize(
    ("server", "app"), [("uvicorn", "export"), ("gunicorn-sync", "export_wsgi")]
)
def test_export_on_a_server_is_chunked(server: str, app: str) -> None:
    answer = on_server(server, f"{APP}:{app}")
    check_export(answer)
    assert answer.headers["transfer-encoding"] == "chunked"


# --- what goes wrong elsewhere


async def test_the_guard_holds_for_a_stream() -> None:
    # M4: status, not an event in a 200
    answer = await on_asgi(chat, "/?q=hello", headers={"cookie": "sid=somebody"})
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-user"] == "nobody"  # the middleware around it saw the refusal
    assert b"sign in first" in answer.body


@pytest.mark.parametrize("checks", [(), (None,), (lambda ctx: True, None)], ids=len)
def test_a_guard_that_is_not_there_is_refused(checks: Any) -> None:
    # M7: an open door would be found too late
    with pytest.raises(InvalidOption, match="guard"):
        endpoint().guard(*checks)


async def test_the_guard_holds_for_an_export() -> None:
    # M4, M2
    closed = endpoint().guard(lambda ctx: False).get(lambda ctx: ctx.stream(["a"]))
    assert (await on_asgi(closed)).status == 403


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 403), ({"x-csrf": "1"}, 200)], ids=["forged", "own"]
)
async def test_the_guard_against_forged_posts_holds(headers: dict[str, str], status: int) -> None:
    # M2, M4
    asked = await on_asgi(ask, method="POST", headers=ADA | headers, json={"q": "hello"})
    assert asked.status == status


async def test_an_error_before_the_first_token_keeps_its_status() -> None:
    # E1
    async def produce(emit: Emit) -> None:
        raise HttpError(429, detail="later", headers={"retry-after": "7"})

    answer = await on_asgi(endpoint().get(lambda ctx: ctx.sse(produce)))
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


async def test_an_error_after_it_is_one_event_and_a_clean_end() -> None:
    # E2, E3
    answer = await on_asgi(chat, "/?q=hello+boom", headers=ADA)
    assert answer.status == 200
    assert [event.event for event in answer.events] == ["message", "error"]
    assert answer.events[1].json()["errors"][0]["status"] == 500
    assert b"own words" not in answer.body


async def test_a_post_answers_fetch_and_tells_eventsource_what_it_may() -> None:
    # H8
    asked = await on_asgi(ask, method="POST", headers=ADA | {"x-csrf": "1"}, json={"q": "hello"})
    assert asked.said == [("message", "hello "), ("done", "")]
    refused = await on_asgi(ask, headers=ADA | {"accept": "text/event-stream"})
    assert (refused.status, refused.headers["allow"]) == (405, "POST, OPTIONS")


async def test_a_generators_done_ends_the_asking() -> None:
    # F12
    spoken = endpoint().get(lambda ctx: ctx.sse(complete("hello")))
    first = await on_asgi(spoken)
    assert first.said == [("message", "hello "), ("done", "")]
    again = await on_asgi(spoken, headers={"last-event-id": first.events[-1].id})
    assert (again.status, again.body) == (204, b"")


async def test_a_token_is_sent_before_the_next_is_asked_for() -> None:
    # F2: nothing on the way waits for more
    async with open_stream(chat, "/?q=one+...", headers=ADA) as stream:
        assert (await stream.next_event()).data == "one "
        assert stream.is_running


async def test_a_content_type_is_given_by_option() -> None:
    # H2
    given = endpoint().get(lambda ctx: ctx.stream(["{}\n"], content_type="application/json"))
    answer = await on_asgi(given)
    assert answer.headers["content-type"] == "application/json"


async def test_a_stream_that_is_wrapped_by_hand_is_refused() -> None:
    # M7
    async def wrong(ctx: Context) -> Response:
        return Response(complete("hello"))  # type: ignore[arg-type]  # the mistake is the test

    assert (await on_asgi(endpoint(wrong))).status == 500
    with pytest.raises(TypeError, match="Stream"):
        Response(complete("hello"))  # type: ignore[arg-type]  # the mistake is the test


async def test_shutdown_is_told_to_the_reader() -> None:
    # F8
    async with open_stream(chat, "/?q=hello+...", headers=ADA) as stream:
        await stream.next_event()
        await stream.shut_down()
        await stream.returned()
        assert stream.ended == "complete"
        assert stream.comments == ["shutdown"]


async def test_a_reader_that_stalls_stops_the_model() -> None:
    # F1
    emitted = 0

    async def produce(emit: Emit) -> None:
        nonlocal emitted
        while True:
            await emit("token")
            emitted += 1

    endless = endpoint().get(lambda ctx: ctx.sse(produce))
    async with open_stream(endless, buffer=1) as stream:
        await stream.next_event()
        stream.stall()
        before = -1
        while before != emitted:
            before = emitted
            await stream.wait_for(lambda: True)
        assert emitted < 3 * 1024
