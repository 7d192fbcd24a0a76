"""The real awslambdaric, in several of its versions, as the managed runtime runs it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.aws.support.functions import ROOT, VERSIONS, running, site_of
from tests.aws.support.local import function_url
from tests.support.process import children, wait_until

ID = {"Lambda-Runtime-Invocation-Id": "inv-1"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_from_the_stock_runtime(version: str) -> None:
    # L1, L3, L7, L11, L12
    with running("shapes.handler", version=version) as function:
        api = function.api
        first = api.invoke({"kind": "leak"}, headers=ID).wait()
        assert first.header["content-type"] == "text/event-stream"
        assert first.header["lambda-runtime-function-response-mode"] == "streaming"
        trace = first.body.partition(b"\n")[0].removeprefix(b"data: ")
        assert json.loads(trace)["trace"].startswith("Root=1-5759e988")

        second = api.invoke(function_url()).wait()
        assert second.prelude["statusCode"] == 200
        assert b'{"left":[true]}' in second.body  # the leaked task was cancelled

        third = api.invoke({"kind": "error"}).wait()
        assert b"event: error" in third.body
        assert not third.trailers
        assert api.invoke(function_url()).wait().http_body.endswith(b"data: \n\n")
        log = function.log
        assert log.count("ValueError: told in the stream") == 1
        assert "the invocation left 1 task(s) running" in log
        assert f"{third.id}\ta stream failed [handler {third.id}]" in log
        echoes = "lambda-runtime-invocation-id" in first.header
        assert echoes is (version in ("4.0.4", "newest"))
        assert api.refused == []
        assert not any(call.refusals for call in (first, second, third))


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_and_handlers_that_are_not_ours(version: str) -> None:
    # L7b, L7d: logged by awslambdaric, once; its second posting is held back
    with running("shapes.raw", version=version) as function:
        before = function.api.invoke({"kind": "before"}).wait()
        assert before.is_error
        assert before.error_body["errorType"] == "TypeError"
        late = function.api.invoke({"kind": "late"}).wait()
        assert not late.is_error
        assert late.error_body["errorMessage"] == "midway"
        assert late.trailers["lambda-runtime-function-error-type"] == "RangeError"
        warm = function.api.invoke({}).wait()
        assert (warm.body, warm.refusals, late.refusals) == (b"hello world", [], [])
        assert function.log.count("[ERROR] RangeError: midway") == 1
        assert function.log.count("[ERROR] TypeError: boom") == 1
    with running("shapes.plain", version=version) as function:
        assert function.api.invoke({}).wait().json == {"ok": 1}


def test_a_process_of_managed_instances_for_each_slot() -> None:
    # L11: newest awslambdaric forks its workers, and each imports the handler
    environment = {
        "AWS_LAMBDA_MAX_CONCURRENCY": "2",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
    }
    with running("shapes.handler", **environment) as function:
        function.api.is_concurrent = True
        waiting = function.api.invoke({"kind": "wait"}, headers=ID, deadline=3.5)
        waiting.wait_for_chunks(1)
        other = function.api.invoke({}, headers=ID).wait()
        assert other.header["lambda-runtime-invocation-id"] == "inv-1"
        waiting.wait()
        pids = [
            json.loads(call.chunks[0].splitlines()[0].removeprefix(b"data: "))["pid"]
            for call in (waiting, other)
        ]
        assert len(set(pids)) == 2
        assert b'"status":504' in waiting.body
        workers = children(function.process.pid)
    wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers), 10)


def test_an_awslambdaric_of_another_shape_is_named_and_answered_by_a_buffer(
    tmp_path: Path,
) -> None:
    # LAMBDA.md 3.4: the guard
    code = """
import logging, sys, types
logging.basicConfig(stream=sys.stdout, format="%(message)s")
package = types.ModuleType("awslambdaric")
module = types.ModuleType("awslambdaric.lambda_runtime_client")
package.__version__ = "9.9.9"
class LambdaRuntimeClient:
    def wait_next_invocation(self): ...
    def post_invocation_result(self, request): ...
    def post_invocation_error(self, request): ...
module.LambdaRuntimeClient = LambdaRuntimeClient
sys.modules.update({"awslambdaric": package, "awslambdaric.lambda_runtime_client": module})
import ten_lines
print(ten_lines.handler({"n": 1}, None))
ten_lines.handler({"n": 1}, None)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "tests/aws/apps",
        capture_output=True,
        text=True,
        check=True,
    )
    said = "awslambdaric 9.9.9 has another LambdaRuntimeClient.post_invocation_result"
    assert ran.stdout.count(said) == 1  # not with every invocation
    assert 'data: {"i":0}' in ran.stdout


@pytest.mark.parametrize("order", ["sentry first", "penstock first"])
def test_sentry_and_the_hook_in_either_order(order: str) -> None:
    # Done when 8; LAMBDA.md 3.4
    with running("with_sentry.handler", SENTRY_ORDER=order) as function:
        assert function.api.invoke({}).wait().body.startswith(b'{"i":0}')
        failed = function.api.invoke({"fail": True}).wait()
        assert b'"error"' in failed.body
        assert function.api.invoke({}).wait().body == b'{"i":0}\n'
        wait_until(lambda: "SENTRY ValueError" in function.log, 10, lambda: function.log)
        assert function.log.count("SENTRY ValueError") == 1


def test_powertools_around_a_handler() -> None:
    # Done when 8: its logger's context spans the stream
    with running("with_powertools.handler") as function:
        made = function.api.invoke({"fail": True}).wait()
        assert b'"error"' in made.body
        assert f'"function_request_id":"{made.id}"' in function.log
        assert '"message":"inside"' in function.log
        assert function.api.invoke({}).wait().body == b'{"i":0}\n'


def test_powertools_tracer_spans_the_stream() -> None:
    # Done when 8: to a daemon on loopback, a failure once
    root, parent = "1-6b071fad-0123456789abcdef01234567", "0123456789abcdef"
    traced = {"Lambda-Runtime-Trace-Id": f"Root={root};Parent={parent};Sampled=1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        address = f"127.0.0.1:{daemon.getsockname()[1]}"
        with running("with_tracer.handler", AWS_XRAY_DAEMON_ADDRESS=address) as function:
            function.api.invoke({}, headers=traced).wait()
            whole = _segments(daemon)
            function.api.invoke({"fail": True}, headers=traced).wait()
            failed = _segments(daemon)
    for segments in (whole, failed):
        handler, inside = segments["## handler"], segments["inside"]
        assert handler["trace_id"] == inside["trace_id"] == root
        assert handler["start_time"] <= inside["start_time"] <= handler["end_time"]
    assert "cause" not in whole["## handler"]
    [told] = failed["## handler"]["cause"]["exceptions"]
    assert told["message"] == "told"


def _segments(daemon: socket.socket) -> dict[str, Any]:
    """Return what the daemon is sent, by its name, up to the handler's own segment."""
    found: dict[str, Any] = {}
    while "## handler" not in found:
        header, segment = daemon.recv(65536).split(b"\n", 1)
        assert json.loads(header)["format"] == "json"
        told = json.loads(segment)
        found[told["name"]] = told
    return found


def test_a_version_is_installed_once() -> None:
    folder = site_of(VERSIONS[0])
    assert folder is not None
    assert (folder / "awslambdaric").is_dir()
