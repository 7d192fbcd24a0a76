"""System 2: what a handler returns as body, and middleware as an onion around it."""

from __future__ import annotations

import pytest

from penstock import Context, Response, endpoint
from penstock.app.plan import CallNext, Middleware
from tests.seeds.apps.middy import CSV, empty, empty_wsgi, handler, handler_wsgi, whole
from tests.seeds.hosts import Answer, on_asgi, on_server, on_wsgi

APP = "tests.seeds.apps.middy"


def check(answer: Answer) -> None:
    # H2: the handler's type is the only one
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/csv"
    assert answer.body.decode() == CSV


async def test_a_stream_and_a_string_are_the_same_answer() -> None:
    streamed, at_once = await on_asgi(handler), await on_asgi(whole)
    check(streamed)
    check(at_once)
    assert at_once.headers["content-length"] == str(len(CSV))
    assert "content-length" not in streamed.headers


def test_a_stream_on_wsgi() -> None:
    check(on_wsgi(handler_wsgi))


@pytest.mark.parametrize(
    ("server", "app"), [("uvicorn", "handler"), ("gunicorn-sync", "handler_wsgi")]
)
def test_a_stream_on_a_server(server: str, app: str) -> None:
    check(on_server(server, f"{APP}:{app}"))


@pytest.mark.parametrize("status", [201, 204, 304, 404, 418])
async def test_a_status_without_content_stays_what_it_is(status: int) -> None:
    # H7
    for answer in (
        await on_asgi(empty, f"/?status={status}"),
        on_wsgi(empty_wsgi, f"/?status={status}"),
    ):
        assert (answer.status, answer.body) == (status, b"")
        assert answer.headers["x-reason"] == "none"


async def test_middleware_runs_in_order_and_back() -> None:
    # M1
    passed: list[str] = []

    def named(name: str) -> Middleware:
        async def middleware(ctx: Context, call_next: CallNext) -> Response:
            passed.append(f"before {name}")
            response = await call_next(ctx)
            passed.append(f"after {name}")
            response.on_finish(lambda ending: passed.append(f"{ending} {name}"))
            return response

        return middleware

    around = endpoint().use(named("one")).use(named("two"))
    check(await on_asgi(around.get(lambda ctx: ctx.stream([CSV], content_type="text/csv"))))
    assert passed == [
        "before one",
        "before two",
        "after two",
        "after one",
        "completed two",
        "completed one",
    ]


async def test_middleware_may_answer_for_the_handler() -> None:
    # M1
    async def early(ctx: Context, call_next: CallNext) -> Response:
        return Response("cached", 203)

    answer = await on_asgi(endpoint().use(early).get(lambda ctx: ctx.stream(["never"])))
    assert (answer.status, answer.body) == (203, b"cached")
