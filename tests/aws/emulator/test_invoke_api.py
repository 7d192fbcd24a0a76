"""``Invoke`` and ``InvokeWithResponseStream`` through real boto3."""
# P4, L11

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from penstock.aws.emulator import FunctionFailed, LocalLambda, Throttled
from penstock.aws.emulator.event_stream import invoke_complete, payload_chunk
from tests.aws.emulator.running import boto3_client, raw_lambda
from tests.support.process import in_some_tries

NULS = b"\0" * 8
GOLDEN = {
    "PayloadChunk": (
        payload_chunk(b"hello "),
        "000000700000005a174e874c0b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e"
        "74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167"
        "652d747970650700056576656e7468656c6c6f206d711b04",
    ),
    "InvokeComplete": (
        invoke_complete(b"{}"),
        "00000066000000541f56c8690b3a6576656e742d7479706507000e496e766f6b65436f6d706c6574650d3a63"
        "6f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065"
        "0700056576656e747b7d7006d467",
    ),
}


@pytest.mark.parametrize(("made", "hexadecimal"), GOLDEN.values(), ids=GOLDEN)
def test_golden_frames(made: bytes, hexadecimal: str) -> None:
    assert made.hex() == hexadecimal


def invoke(fn: LocalLambda, event: Any, **options: Any) -> Any:
    with boto3_client(fn) as client:
        payload = json.dumps(event).encode()
        answer = client.invoke(FunctionName=fn.name, Payload=payload, **options)
        return answer | {"Payload": answer["Payload"].read()}


def streamed(fn: LocalLambda, event: Any, **options: Any) -> tuple[bytes, dict[str, Any]]:
    """The chunks' bytes, and what InvokeComplete said."""
    with boto3_client(fn) as client:
        answer = client.invoke_with_response_stream(
            FunctionName=fn.name, Payload=json.dumps(event).encode(), **options
        )
        assert answer["StatusCode"] == 200
        events = list(answer["EventStream"])
    assert all(list(each) == ["PayloadChunk"] for each in events[:-1])
    chunks = b"".join(each["PayloadChunk"]["Payload"] for each in events[:-1])
    return chunks, events[-1]["InvokeComplete"]


async def test_boto3_reads_the_stream_as_it_comes(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"

    def read(fn: LocalLambda) -> list[Any]:
        event = json.dumps({"script": "plain", "until": str(go_on)}).encode()
        with boto3_client(fn) as client:
            answer = client.invoke_with_response_stream(FunctionName=fn.name, Payload=event)
            events = iter(answer["EventStream"])
            seen = [next(events)]  # while the function waits for the file
            go_on.touch()
            return [*seen, *events]

    async with raw_lambda() as fn:
        assert await asyncio.to_thread(read, fn) == [
            {"PayloadChunk": {"Payload": b"hello "}},
            {"PayloadChunk": {"Payload": b"world"}},
            {"InvokeComplete": {}},
        ]


STREAMS = {
    "with a prelude": ("one_packet", b'{"statusCode":203}' + NULS + b"body", None),
    "an error after bytes": ("midway", None, "RangeError"),
    "an error before bytes, as Node": ("at_once", b"", "TypeError"),
    "an error before bytes": ("posted_error", b"", "KeyError"),
    "a process that dies": ("die", None, "Runtime.ExitError"),
    "the deadline": ("hang", None, "Sandbox.Timeout"),
    "a buffered answer": ("reply", b'{"script": "reply"}', None),
}


@in_some_tries  # the other calls must come to their end before the deadline, too
async def test_what_boto3_sees_of_a_stream() -> None:
    async with raw_lambda(timeout=2.0) as fn:
        for name, (script, chunks, error) in STREAMS.items():
            seen, complete = await asyncio.to_thread(streamed, fn, {"script": script})
            assert chunks is None or seen == chunks, name
            assert complete.get("ErrorCode") == error, name
            assert chunks is not None or seen.endswith(NULS + b"partial"), name
        _, complete = await asyncio.to_thread(streamed, fn, {"script": "midway"})
        assert json.loads(complete["ErrorDetails"])["errorMessage"] == "midway ☃"


@in_some_tries
async def test_invoke_joins_the_bytes() -> None:
    # L5
    async with raw_lambda(timeout=2.0) as fn:
        page = await asyncio.to_thread(invoke, fn, {"script": "one_packet"})
        assert page["Payload"] == b'{"statusCode":203}' + NULS + b"body"
        assert (page["StatusCode"], page["ExecutedVersion"]) == (200, "$LATEST")
        for script, error in (
            ("posted_error", "KeyError"),
            ("die", "Runtime.ExitError"),
            ("hang", "Sandbox.Timeout"),
            ("large", "Function.ResponseSizeTooLarge"),
        ):
            failed = await asyncio.to_thread(invoke, fn, {"script": script})
            assert failed.get("FunctionError") == "Unhandled"
            assert json.loads(failed["Payload"])["errorType"] == error


async def test_the_end_of_the_log() -> None:
    async with raw_lambda() as fn:
        whole = await asyncio.to_thread(invoke, fn, {"script": "reply"}, LogType="Tail")
        _, complete = await asyncio.to_thread(streamed, fn, {"script": "plain"}, LogType="Tail")
    for encoded, line in ((whole["LogResult"], "reply"), (complete["LogResult"], "plain")):
        start, printed, end, report = base64.b64decode(encoded).decode().splitlines()
        assert start.startswith("START RequestId: ")
        assert printed == f"running {line}"
        assert end.startswith("END RequestId: ")
        assert report.startswith("REPORT RequestId: ")


def call(fn: LocalLambda, **options: Any) -> Any:
    arguments = {"FunctionName": fn.name, "Payload": b'{"script": "reply"}'} | options
    with boto3_client(fn) as client:
        answer = client.invoke(**arguments)
        answer["Payload"].close()  # unread it holds its connection, which nobody would close
        return answer


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another function": ({"FunctionName": "other"}, "ResourceNotFoundException"),
    "another version": ({"Qualifier": "7"}, "ResourceNotFoundException"),
    "no JSON": ({"Payload": b"{"}, "InvalidRequestContentException"),
    "too large": ({"Payload": b'"' + b"x" * 6 * 1024 * 1024 + b'"'}, "RequestTooLargeException"),
    "events": ({"InvocationType": "Event"}, "InvalidParameterValueException"),
    "a context that is none": ({"ClientContext": "{"}, "InvalidRequestContentException"),
}


async def test_what_is_refused() -> None:
    async with raw_lambda() as fn:
        for name, (options, code) in REFUSED.items():
            with pytest.raises(ClientError) as caught:
                await asyncio.to_thread(call, fn, **options)
            assert caught.value.response["Error"]["Code"] == code, name
        dry = await asyncio.to_thread(call, fn, InvocationType="DryRun")
        assert dry["StatusCode"] == 204
        by_arn = await asyncio.to_thread(call, fn, FunctionName=fn.arn, Qualifier="$LATEST")
        assert by_arn["StatusCode"] == 200


async def test_more_than_may_wait_are_throttled(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    async with raw_lambda(backlog=1) as fn:
        event = {"script": "plain", "until": str(go_on)}
        running = [asyncio.create_task(fn.invoke(event)) for _ in range(2)]
        await asyncio.sleep(0)  # both are in: one runs, one waits
        await asyncio.sleep(0)
        with pytest.raises(Throttled):
            await fn.invoke(event)
        with pytest.raises(ClientError) as caught:
            await asyncio.to_thread(call, fn)
        assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
        go_on.touch()
        assert [each.payload for each in await asyncio.gather(*running)] == [b"hello world"] * 2


async def test_from_the_program() -> None:
    async with raw_lambda() as fn:
        result = await fn.invoke({"script": "reply", "result": {"a": "é"}})
        assert (result.json(), result.content_type, result.error_type) == (
            {"a": "é"},
            "application/json",
            None,
        )
        assert "running reply" in result.log
        assert [piece async for piece in fn.stream({"script": "plain"})] == [b"hello ", b"world"]
        with pytest.raises(FunctionFailed, match="RangeError: midway ☃"):
            async for _ in fn.stream({"script": "midway"}):
                pass
