"""The Function URL through curl: what its caller sees, in both invoke modes."""
# P4, L1, L2, H5, H6, H7

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.aws.emulator.running import curl, curled, raw_lambda
from tests.support.process import in_some_tries


async def test_it_streams(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    async with raw_lambda() as fn:
        reader = await curl(f"{fn.url}page?until={go_on}")
        head = await reader.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201 Created\r\n")
        assert b"\r\nx-a: b\r\n" in head
        assert b"content-length" not in head.lower()
        assert head.count(b"set-cookie: ") == 2
        await reader.read_until(b"one")  # while the function waits
        go_on.touch()
        assert await reader.rest() == (b"two", 0)


SEEN = {
    "the delimiter in pieces": ("one_packet", 203, b"body", 0),
    "no body": ("empty", 200, b"", 0),
    "204": ("empty?status=204", 204, b"", 0),
    "304": ("empty?status=304", 304, b"", 0),
    "no prelude content type": ("plain", 200, b"hello world", 0),
    "a prelude that was lost": ("lost_prelude", 502, b'{"Message": "Internal Server Error"}', 0),
    "multiValueHeaders": ("multi_value", 500, b'{"Message": "Internal Server Error"}', 0),
    "an error before the first byte": (
        "posted_error", 502, b'{"Message": "Internal Server Error"}', 0,
    ),
    "an error after it": ("midway", 200, b"partial", 18),
    "a process that dies": ("die", 200, b"partial", 18),
    "a proxy result is raw": ('reply?result=%7B"statusCode"', 200, b'"{\\"statusCode\\""', 0),
    "20 MB": ("large", 200, b"x" * 20 * 1024 * 1024, 0),
}  # fmt: skip


async def test_what_a_caller_sees_of_a_stream() -> None:
    # one environment for all: each case finds a clean one after the last
    async with raw_lambda() as fn:
        for name, (path, status, body, code) in SEEN.items():
            seen = await curled(f"{fn.url}{path}", "--globoff")
            assert (seen[0], seen[2] == body, seen[3]) == (status, True, code), (name, seen[:2])
        seen = await curled(f"{fn.url}page", "--head")
        assert (seen[0], seen[2], seen[3]) == (201, b"", 0)
        assert seen[1]["set-cookie"] == ["a=1; Path=/", "b=2"]


@in_some_tries  # the other calls must come to their end before the deadline, too
async def test_a_deadline_cuts_the_stream_and_the_next_is_clean() -> None:
    async with raw_lambda(timeout=1.0) as fn:
        assert (await curled(f"{fn.url}hang"))[2:] == (b"partial", 18)
        assert (await curled(f"{fn.url}one_packet"))[0] == 203
        assert any("Task timed out after 1.00 seconds" in line.text for line in fn.logs)


RESULTS = {
    "a proxy result": (
        {"statusCode": 202, "headers": {"X-A": 1}, "cookies": ["a=1"], "body": "hi"},
        202, b"hi",
    ),
    "base64": (
        {"statusCode": 200, "body": base64.b64encode(b"\0\1").decode(), "isBase64Encoded": True},
        200, b"\0\1",
    ),
    "not base64": ({"statusCode": 200, "body": "?", "isBase64Encoded": True}, 502, None),
    "any other value": ({"a": 1}, 200, b'{"a": 1}'),
    "a string": ("text", 200, b"text"),
    "a bad status": ({"statusCode": "no"}, 502, None),
}  # fmt: skip


async def test_buffered_mode() -> None:
    # L5
    async with raw_lambda(invoke_mode="BUFFERED") as fn:
        for name, (result, status, body) in RESULTS.items():
            event = {"script": "reply", "result": result}
            payload = json.dumps(event)
            seen = await curled(f"{fn.url}proxied", "--data-binary", payload)
            assert seen[0] == status, name
            assert body is None or seen[2] == body, name
        assert (await curled(f"{fn.url}page"))[0] == 502  # streamed, and so no JSON
        assert (await curled(f"{fn.url}posted_error"))[0] == 502


async def test_too_large_a_request(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * (6 * 1024 * 1024 + 1))
    async with raw_lambda() as fn:
        seen = await curled(f"{fn.url}reply", "--data-binary", f"@{large}", "-H", "expect:")
        assert seen[0] == 413


@pytest.mark.parametrize("cap", [None, 8 * 1024 * 1024.0])
async def test_the_bandwidth_cap_is_an_option(cap: float | None) -> None:
    async with raw_lambda(bandwidth=cap) as fn:
        seen = await curled(f"{fn.url}large?megabytes=9", "-w", "")
        assert len(seen[2]) == 9 * 1024 * 1024
