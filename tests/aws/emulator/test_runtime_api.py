"""The Runtime API, byte by byte: which call is allowed when, and what each refusal is."""
# P4, L11

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable

import pytest

from penstock.aws.emulator.invocation import Invocation
from penstock.aws.emulator.limits import BUFFERED_LIMIT
from penstock.aws.emulator.reply import Failure, Reply
from penstock.aws.emulator.runtime_api import RuntimeApi
from tests.aws.emulator.wire import ARN, Wire, invocation, opened, streaming_head

OK = b'{"status":"OK"}\n'


async def taken(api: RuntimeApi, wire: Wire, given: Invocation | None = None) -> Invocation:
    """An invocation that the runtime has got."""
    given = given or invocation()
    api.submit(given)
    assert (await wire.next()).status == 200
    return given


async def later(reply: Reply) -> asyncio.Task[bytes]:
    return asyncio.create_task(reply.read())


async def test_next_waits_and_tells_all_about_the_invocation() -> None:
    async with opened() as (api, wire):
        asked = asyncio.create_task(wire.next())
        await api.until(lambda: api.is_ready)
        given = invocation(client_context='{"custom": {}}', tenant_id="t1", trace_id="Root=1-2-3")
        api.submit(given)
        answer = await asked
    assert answer.body == b'{"a":1}'
    assert (
        answer.headers.items()
        >= {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": given.id,
            "lambda-runtime-deadline-ms": "1800000000500",
            "lambda-runtime-invoked-function-arn": ARN,
            "lambda-runtime-trace-id": "root=1-2-3",
            "lambda-runtime-client-context": '{"custom": {}}',
            "lambda-runtime-aws-tenant-id": "t1",
            "lambda-runtime-invocation-id": given.echo,
        }.items()
    )


async def test_a_buffered_answer() -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire, invocation(streamed=False))
        reading = await later(given.reply)
        answer = await wire.post(f"invocation/{given.id}/response", b'"x"')
        assert (answer.status, answer.body) == (202, OK)
        assert await reading == b'"x"'
        assert given.reply.head is not None
        assert not given.reply.head.streamed


async def test_a_streamed_answer_goes_on_at_once_and_is_accepted_at_its_end() -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        await wire.send(streaming_head(given.id, "Content-Type: text/x"))
        head = await given.reply.begun()
        assert head is not None
        assert (head.content_type, head.streamed) == ("text/x", True)
        pieces = given.reply.pieces()
        for piece in (b"one", b"two"):
            await wire.chunk(piece)
            assert await anext(pieces) == piece  # before the next has been written
        await wire.send("0\r\n\r\n")
        # Not accepted while the caller has not taken the last piece.
        early = asyncio.create_task(wire.answer())
        await asyncio.sleep(0.05)
        assert not early.done()
        assert [piece async for piece in pieces] == []
        assert (await early).status == 202
        assert given.reply.failure is None


async def test_a_slow_caller_is_felt_in_the_functions_socket() -> None:
    # L13
    async with opened() as (api, wire):
        given = await taken(api, wire)
        await wire.send(streaming_head(given.id))
        sent = 0

        async def pour() -> None:
            nonlocal sent
            for _ in range(512):
                await wire.chunk(b"x" * 65_536)
                sent += 1
            await wire.send("0\r\n\r\n")

        pouring = asyncio.create_task(pour())
        pieces = given.reply.pieces()
        await anext(pieces)
        before = -1
        while before != sent:  # until the sockets' own buffers are full
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 256
        size = 0
        async for piece in pieces:
            size += len(piece)
        await pouring
        assert (await wire.answer()).status == 202
        assert given.reply.size == 512 * 65_536


async def test_a_caller_who_leaves_is_not_told_of() -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        await wire.send(streaming_head(given.id))
        await wire.chunk(b"one")
        given.reply.abandon()
        await wire.chunk(b"two")
        await wire.send("0\r\n\r\n")
        assert (await wire.answer()).status == 202


TRAILERS = {
    "type and body": (
        ("ValueError", b'{"errorMessage": "no"}'),
        Failure("ValueError", b'{"errorMessage": "no"}'),
    ),
    "no trailers": (None, None),
}


@pytest.mark.parametrize(("sent", "failure"), TRAILERS.values(), ids=TRAILERS)
async def test_trailers(sent: tuple[str, bytes] | None, failure: Failure | None) -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        reading = await later(given.reply)
        names = (
            "Trailer: Lambda-Runtime-Function-Error-Type",
            "Trailer: Lambda-Runtime-Function-Error-Body",
        )
        await wire.send(streaming_head(given.id, *names))
        await wire.chunk(b"part")
        await wire.send("0\r\n" + (trailer_lines(*sent) if sent else "") + "\r\n")
        assert (await wire.answer()).status == 202
        assert await reading == b"part"
        assert given.reply.failure == failure


def trailer_lines(type_: str, body: bytes) -> str:
    encoded = base64.b64encode(body).decode()
    return (
        f"Lambda-Runtime-Function-Error-Type: {type_}\r\n"
        f"Lambda-Runtime-Function-Error-Body: {encoded}\r\n"
    )


@pytest.mark.parametrize(("size", "status"), [(2940, 202), (3100, 400)])
async def test_trailers_have_4_kib(size: int, status: int) -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        reading = await later(given.reply)
        await wire.send(streaming_head(given.id) + "0\r\n")
        await wire.send(trailer_lines("E", b"x" * size) + "\r\n")
        answer = await wire.answer()
        await reading
        assert answer.status == status
        assert given.reply.failure is not None
        if status == 400:
            assert answer.json()["errorType"] == "TruncatedHTTPRequest"
            assert given.reply.failure.type == "Runtime.TruncatedResponse"


async def test_a_body_without_its_end_is_truncated() -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        reading = await later(given.reply)
        await wire.send(streaming_head(given.id))
        await wire.chunk(b"part")
        wire.writer.write_eof()
        assert (await wire.answer()).status == 400
        assert await reading == b"part"
        assert given.reply.failure is not None
        assert given.reply.failure.type == "Runtime.TruncatedResponse"


Call = Callable[[Wire, str], Awaitable[object]]


async def early_next(wire: Wire, request_id: str) -> object:
    return await wire.next()


async def second_response(wire: Wire, request_id: str) -> object:
    assert (await wire.post(f"invocation/{request_id}/response")).status == 202
    return await wire.post(f"invocation/{request_id}/response")


async def error_after_response(wire: Wire, request_id: str) -> object:
    assert (await wire.post(f"invocation/{request_id}/response")).status == 202
    return await wire.post(f"invocation/{request_id}/error")


async def wrong_id(wire: Wire, request_id: str) -> object:
    return await wire.post("invocation/another/response")


async def wrong_echo(wire: Wire, request_id: str) -> object:
    header = "Lambda-Runtime-Invocation-Id: another\r\n"
    return await wire.post(f"invocation/{request_id}/response", headers=header)


async def unknown_path(wire: Wire, request_id: str) -> object:
    return await wire.post("invocation/next")


async def bad_mode(wire: Wire, request_id: str) -> object:
    header = "Lambda-Runtime-Function-Response-Mode: buffered\r\n"
    answer = await wire.post(f"invocation/{request_id}/response", headers=header)
    again = await Wire.connect("{}:{}".format(*wire.writer.get_extra_info("peername")))
    assert (await again.next()).status == 403  # stuck for good
    again.close()
    return answer


REFUSED: dict[str, tuple[Call, int, str]] = {
    "early /next": (early_next, 403, "InvalidStateTransition"),
    "second /response": (second_response, 403, "InvalidStateTransition"),
    "/error after /response": (error_after_response, 403, "InvalidStateTransition"),
    "wrong id": (wrong_id, 400, "InvalidRequestID"),
    "wrong invocation id": (wrong_echo, 410, "InvokeTimeout"),
    "no such path": (unknown_path, 404, "NotFound"),
    "bad mode": (bad_mode, 400, "InvalidFunctionResponseMode"),
}


@pytest.mark.parametrize(("call", "status", "type_"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused(call: Call, status: int, type_: str) -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        given.reply.abandon()
        answer = await call(wire, given.id)
        assert (answer.status, answer.json()["errorType"]) == (status, type_)  # type: ignore[attr-defined]  # an Answer


async def test_the_right_id_still_works_after_a_wrong_one() -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        given.reply.abandon()
        assert (await wire.post("invocation/wrong/response")).status == 400
        echo = f"Lambda-Runtime-Invocation-Id: {given.echo}\r\n"
        answer = await wire.post(f"invocation/{given.id}/response", headers=echo)
        assert answer.status == 202


async def test_an_early_answer_reaches_a_runtime_that_still_writes() -> None:
    async with opened() as (_, wire):
        await wire.send(streaming_head("nobody"))
        await wire.chunk(b"x" * 1000)
        assert (await wire.answer()).status == 400


async def test_six_megabytes_and_no_more() -> None:
    # L5
    async with opened() as (api, wire):
        for size, status, error in (
            (BUFFERED_LIMIT, 202, None),
            (BUFFERED_LIMIT + 1, 413, "Function.ResponseSizeTooLarge"),
        ):
            given = await taken(api, wire, invocation(streamed=False))
            reading = await later(given.reply)
            answer = await wire.post(f"invocation/{given.id}/response", b"x" * size)
            assert answer.status == status
            await reading
            failure = given.reply.failure
            assert (failure.type if failure else None) == error


async def test_a_stream_that_is_taken_whole_has_the_buffered_limit() -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire, invocation(streamed=False))
        reading = await later(given.reply)
        await wire.send(streaming_head(given.id))
        for _ in range(7):
            await wire.chunk(b"x" * 1024 * 1024)
        await wire.send("0\r\n\r\n")
        assert (await wire.answer()).status == 413
        assert await reading == b""


async def test_an_error_before_the_answer() -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        body = json.dumps({"errorType": "KeyError", "errorMessage": "k"}).encode()
        header = "Lambda-Runtime-Function-Error-Type: KeyError\r\n"
        assert (await wire.post(f"invocation/{given.id}/error", body, header)).status == 202
        assert await given.reply.begun() is None
        assert given.reply.failure == Failure("KeyError", body)
        assert given.reply.failure.message == "k"


async def test_an_init_error() -> None:
    async with opened() as (api, wire):
        header = "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\n"
        assert (await wire.post("init/error", b'{"errorMessage": "m"}', header)).status == 202
        assert api.init_failure is not None
        assert api.init_failure.type == "Runtime.ImportModuleError"


async def test_several_at_once_on_managed_instances() -> None:
    async with opened(concurrent=True) as (api, first):
        second = await Wire.connect(api.address)
        one, two = await taken(api, first), await taken(api, second)
        for given in (one, two):
            given.reply.abandon()
        assert (await second.post(f"invocation/{two.id}/response")).status == 202
        assert (await first.post(f"invocation/{one.id}/response")).status == 202
        gone = await first.post(f"invocation/{one.id}/response")
        assert (gone.status, gone.json()["errorType"]) == (410, "InvokeTimeout")
        second.close()


async def test_expect_continue() -> None:
    async with opened() as (api, wire):
        given = await taken(api, wire)
        given.reply.abandon()
        await wire.send(
            f"POST /2018-06-01/runtime/invocation/{given.id}/response HTTP/1.1\r\nHost: x\r\n"
            "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await wire.send("{}")
        assert (await wire.answer()).status == 202
