"""The bytes on the wire beside those of AWS's client for Node.js (LAMBDA.md, 2.5).

Where they differ it is on purpose (7.5): each difference stands here.
"""

from __future__ import annotations

import pytest

from tests.aws.support.functions import running
from tests.aws.support.runtime_api import Call

NULS = b"\0" * 8

# What Node sends for it; ours, where it is something else.
BODIES = {
    "plain": (b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n", None),
    "http": (
        b'64\r\n{"statusCode":201,"headers":{"Content-Type":"text/plain","X-A":"b"},'
        b'"cookies":["a=1; Path=/","b=2"]}\r\n8\r\n' + NULS + b"\r\n",
        # Prelude and NULs in one chunk, and header names in lower case.
        b'6c\r\n{"statusCode":201,"headers":{"content-type":"text/plain","x-a":"b"},'
        b'"cookies":["a=1; Path=/","b=2"]}' + NULS + b"\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
    ),
    "http_empty": (
        b"0\r\n\r\n",  # the prelude is lost
        b'45\r\n{"statusCode":200,"headers":{"content-type":"x/y","x-a":"b"}}' + NULS + b"\r\n"
        b"0\r\n\r\n",
    ),
    "only_end": (b"b\r\nonly-in-end\r\n0\r\n\r\n", None),
    "no_end": (b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n\r\n"),  # it hangs to the timeout; ours ends
    "nothing": (b"", b"0\r\n\r\n"),  # not even the head
}


def head_of(call: Call) -> list[str]:
    return sorted(line for line in call.request_head.split("\r\n")[1:] if line)


def test_every_case_beside_node() -> None:
    # L1, L8
    with running("shapes.raw") as function:
        for name, (node, ours) in BODIES.items():
            call = function.api.invoke({"kind": name}).wait()
            expected = ours if ours is not None else node
            assert call.raw == expected, name
            content_type = "application/octet-stream"
            if name.startswith("http"):
                content_type = "application/vnd.awslambda.http-integration-response"
            assert head_of(call) == [
                f"Content-Type: {content_type}",
                f"Host: {function.api.address}",
                "Lambda-Runtime-Function-Response-Mode: streaming",
                "Trailer: Lambda-Runtime-Function-Error-Body",
                "Trailer: Lambda-Runtime-Function-Error-Type",
                "Transfer-Encoding: chunked",
            ]  # Node adds Connection: keep-alive; a connection of ours serves one response


def test_an_error_before_the_first_write_is_posted_as_an_error() -> None:
    # Node: POST /response with trailers alone
    with running("shapes.raw") as function:
        call = function.api.invoke({"kind": "before"}).wait()
        assert call.path.endswith("/error")
        assert call.error_body["errorMessage"] == "boom ☃"


def test_an_error_after_writes_is_told_in_trailers() -> None:
    with running("shapes.raw") as function:
        call = function.api.invoke({"kind": "late"}).wait()
        assert call.http_body == b"partial"
        tail = call.raw[call.raw.rindex(b"\r\n0\r\n") + 2 :]
        lines = tail.split(b"\r\n")
        assert lines[0] == b"0"
        assert lines[1] == b"Lambda-Runtime-Function-Error-Type: RangeError"
        assert lines[2].startswith(b"Lambda-Runtime-Function-Error-Body: ")
        assert lines[3:] == [b"", b""]
        assert call.error_body["errorMessage"] == "midway"
        assert call.error_body["stackTrace"]  # Node calls it "trace"
        # Node races its next request with this one; ours comes after the 202.
        assert function.api.invoke({}).wait().body == b"hello world"
        assert function.api.refused == []


@pytest.mark.parametrize("status", [400, 403, 410, 413])
def test_an_early_refusal_is_raised_and_the_next_call_is_clean(status: int) -> None:
    # Node takes the response for sent
    with running("shapes.flood") as function:
        early = (status, b'{"errorType":"Refused"}')
        call = function.api.invoke({"bytes": 50_000_000}, early=early, keep=False).wait()
        assert call.size < 50_000_000
        good = function.api.invoke({"bytes": 65536}, keep=False).wait()
        assert good.size == 65536
        refusal = f"the Runtime API answered before the response was over: {status}"
        assert f"RuntimeApiError: {refusal}" in function.log
        assert call.refusals == []


def test_a_refusal_that_comes_when_all_was_sent_ends_the_connection_too() -> None:
    # L12: who refuses may wait for us to go
    with running("shapes.raw") as function:
        refusal = (413, b'{"errorType":"Refused"}')
        function.api.invoke({"kind": "only_end"}, late=refusal).wait(10)
        assert function.api.invoke({}).wait(10).body == b"hello world"
        assert function.api.refused == []
