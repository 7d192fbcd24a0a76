"""Responses: bodies that are there, streams, hooks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock.core.ending import Ending
from penstock.core.head import Head
from penstock.core.options import resolve
from penstock.core.problem import problem_of
from penstock.core.producer import Reading
from penstock.core.response import Response, Streaming, problem_response, stream_head
from penstock.errors import (
    ClientDisconnected,
    HttpError,
    NotSerializable,
    Problem,
    StreamError,
)

from .sinks import ListSink, until


def streaming(source: Any, format: str = "text", **keywords: Any) -> Streaming:
    given: Any = keywords
    chosen, options = resolve(format, given)
    return Streaming(Reading(source), chosen, options, stream_head(chosen, given), end_mark=False)


BODIES: dict[str, tuple[Any, bytes, str | None]] = {
    "bytes": (b"x", b"x", "application/octet-stream"),
    "str": ("\u00e9", "\u00e9".encode(), "text/plain; charset=utf-8"),
    "mapping": ({"a": [1, None]}, b'{"a":[1,null]}', "application/json"),
    "list": ([1, 2], b"[1,2]", "application/json"),
    "none": (None, b"", None),
    "empty": ("", b"", "text/plain; charset=utf-8"),
}


@pytest.mark.parametrize(("body", "sent", "content_type"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_there(body: Any, sent: bytes, content_type: str | None) -> None:
    # H7
    async def main() -> None:
        sink = ListSink()
        assert await Response(body).send(sink) is Ending.COMPLETED
        assert sink.head is not None
        assert (sink.body, sink.head.headers.get("content-type")) == (sent, content_type)
        assert sink.head.headers["content-length"] == str(len(sent))
        assert sink.is_complete

    asyncio.run(main())


@pytest.mark.parametrize(("status", "length"), [(204, None), (205, "0"), (304, None), (200, "1")])
def test_statuses_without_a_body(status: int, length: str | None) -> None:
    # H7
    async def main() -> None:
        sink = ListSink()
        await Response("x", status, {"X-A": "1"}).send(sink)
        assert sink.head is not None
        assert sink.head.headers["x-a"] == "1"
        assert sink.head.headers.get("content-length") == length
        assert sink.body == (b"x" if status == 200 else b"")

    asyncio.run(main())


def test_head_only_sends_the_length_and_no_body() -> None:
    # H6
    async def main() -> None:
        sink = ListSink()
        await Response("four").send(sink, head_only=True)
        assert sink.head is not None
        assert (sink.head.headers["content-length"], sink.body) == ("4", b"")

    asyncio.run(main())


def test_head_only_does_not_run_a_source_and_closes_it() -> None:
    # H6
    async def main() -> None:
        class Source:
            closed = False

            def __aiter__(self) -> Any:
                raise AssertionError("the source was run")

            async def aclose(self) -> None:
                self.closed = True

        source, sink = Source(), ListSink()
        assert await streaming(source).send(sink, head_only=True) is Ending.COMPLETED
        assert source.closed
        assert sink.head is not None
        assert sink.head.headers["content-type"] == "text/plain; charset=utf-8"

    asyncio.run(main())


def test_a_body_that_cannot_be_written_raises_where_it_is_made() -> None:
    # W10
    with pytest.raises(NotSerializable, match=r"\$\.a"):
        Response({"a": object()})


@pytest.mark.parametrize("body", [iter([1]), lambda: "x"], ids=["iterator", "function"])
def test_a_body_still_to_be_produced_is_sent_elsewhere(body: Any) -> None:
    # M7
    with pytest.raises(TypeError, match=r"use Stream\(source\)"):
        Response(body)


def test_stream_heads() -> None:
    # H1, H2
    def head(format: str, **keywords: Any) -> dict[str, str]:
        given: Any = keywords
        chosen, _ = resolve(format, given)
        return dict(stream_head(chosen, given).headers.items())

    sse = head("sse")
    assert sse["content-type"] == "text/event-stream"
    assert sse["cache-control"] == "no-cache, no-transform"
    assert sse["x-accel-buffering"] == "no"
    assert head("ndjson")["content-type"] == "application/x-ndjson"
    assert head("text", content_type="text/csv")["content-type"] == "text/csv"
    assert head("sse", headers={"CONTENT-TYPE": "a/b"})["content-type"] == "a/b"
    assert "x-accel-buffering" not in head("sse", headers={"X-Accel-Buffering": None})


def test_hooks_run_in_order_after_the_last_byte_also_when_one_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # M1, M3
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[Any]]
        response = streaming(["a"])
        response.on_finish(lambda ending: log.append(("first", ending, sink.is_complete)))

        def fails(_: Ending) -> None:
            raise ValueError("in a hook")

        async def last(ending: Ending) -> None:
            await asyncio.sleep(0)
            log.append(("last", ending))

        response.on_finish(fails)
        response.on_finish(last)
        await response.send(sink)
        assert log == [("first", Ending.COMPLETED, True), ("last", Ending.COMPLETED)]

    asyncio.run(main())
    assert "in a hook" in caplog.text


def test_hooks_run_when_the_host_cancels() -> None:
    # M1, F8
    async def main() -> None:
        sink, log = ListSink(), []  # type: tuple[ListSink, list[Ending]]

        async def source() -> Any:
            yield "x"
            await asyncio.Event().wait()

        async def hook(ending: Ending) -> None:
            await asyncio.sleep(0.001)
            log.append(ending)

        response = streaming(source)
        response.on_finish(hook)
        task = asyncio.create_task(response.send(sink))
        await until(lambda: sink.writes)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == [Ending.SHUTDOWN]

    asyncio.run(main())


def test_finished_raises_before_the_response_is_sent() -> None:
    # M1: awaiting it inside a middleware would wait for oneself
    async def main() -> None:
        response = streaming(["a"])
        with pytest.raises(StreamError, match="on_finish"):
            await response.finished()
        await response.send(ListSink())
        assert await response.finished() is Ending.COMPLETED

    asyncio.run(main())


def test_an_error_before_the_commit_is_rendered_once_or_raised() -> None:
    # E1
    async def main() -> None:
        def fails() -> Any:
            raise HttpError(404, detail="no such thing")

        sink, log = ListSink(), []  # type: tuple[ListSink, list[Ending]]
        response = streaming(fails)
        response.on_finish(log.append)
        response.render_error = lambda error, _: problem_response(problem_of(error))
        assert await response.send(sink) is Ending.ERROR
        assert sink.head is not None
        assert (sink.head.status, response.status) == (404, 404)
        assert b'"detail":"no such thing"' in sink.body
        assert log == [Ending.ERROR]
        with pytest.raises(HttpError):
            await streaming(fails).send(ListSink())

    asyncio.run(main())


class Upstream(Exception):
    status_code = 429


PROBLEMS: dict[str, tuple[BaseException, int, str | None]] = {
    "4xx keeps its detail": (HttpError(404, detail="gone"), 404, "gone"),
    "5xx does not": (HttpError(503, detail="db1 is down"), 503, "hidden"),
    "an upstream's status says nothing about ours": (Upstream("secret"), 500, "hidden"),
    "anything else": (ValueError("secret"), 500, "hidden"),
}


@pytest.mark.parametrize(("error", "status", "detail"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_the_reader_is_told(error: Any, status: int, detail: str | None) -> None:
    # E1, E3, E4
    problem = problem_of(error)
    assert problem.status == status
    assert "secret" not in str(problem.to_dict())
    assert "db1" not in str(problem.to_dict())
    if detail != "hidden":
        assert problem.detail == detail


def test_scrub_decides_otherwise() -> None:
    # E4
    shown = problem_of(ValueError("x"), lambda error, problem: Problem(418, "T", str(error)))
    assert shown.to_dict() == {"errors": [{"status": 418, "title": "T", "detail": "x"}]}


@pytest.mark.parametrize("status", [200, 399, 600, True, "404", None])
def test_an_http_error_has_an_error_status(status: Any) -> None:
    # M7
    with pytest.raises(ValueError, match="status"):
        HttpError(status)


def test_a_head_is_not_committed_by_making_a_response() -> None:
    assert not Head().is_committed
    assert not Response("x").head.is_committed


def test_a_manager_around_a_body_that_is_there() -> None:
    # M1
    log: list[str] = []

    @contextlib.asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        log.append(f"in {sink.body!r}")
        yield
        log.append(f"out {sink.body!r}")

    async def main() -> None:
        response = Response("x")
        response.around(manager())
        await response.send(sink)

    sink = ListSink()
    asyncio.run(main())
    assert log == ["in b''", "out b'x'"]


def test_a_reader_that_left_before_a_body_that_is_there() -> None:
    # F4: no error leaves us, whoever says that it has left
    class Gone(ListSink):
        async def open(self, head: Head) -> None:
            raise ClientDisconnected("gone")

    endings: list[Ending] = []

    async def main() -> None:
        response = Response("x")
        response.on_finish(endings.append)
        assert await response.send(Gone()) is Ending.DISCONNECTED

    asyncio.run(main())
    assert endings == [Ending.DISCONNECTED]


def test_a_callback_may_come_first() -> None:
    # M3
    log: list[str] = []

    async def main() -> None:
        response = Response("x")
        response.on_finish(lambda ending: log.append("a"))
        response.on_finish(lambda ending: log.append("b"), first=True)
        await response.send(ListSink())

    asyncio.run(main())
    assert log == ["b", "a"]
