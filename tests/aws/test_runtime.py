"""Our own loop, for images without awslambdaric."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.aws.support.functions import running
from tests.aws.support.local import function_url
from tests.support.process import wait_until

OURS = "penstock.aws.runtime"


def test_streams_errors_and_plain_handlers() -> None:
    # L3, L7, L12
    with running("shapes.handler", runtime=OURS) as function:
        first = function.api.invoke(
            {"kind": "leak"}, headers={"Lambda-Runtime-Invocation-Id": "i"}
        ).wait()
        assert first.header["lambda-runtime-invocation-id"] == "i"
        assert b"Root=1-5759e988" in first.body
        assert b'{"left":[true]}' in function.api.invoke(function_url()).wait().http_body
        third = function.api.invoke({"kind": "error"}).wait()
        assert b"event: error" in third.body
        assert f"\t{third.id}\ta stream failed" in function.log
    with running("shapes.raw", runtime=OURS) as function:
        before = function.api.invoke({"kind": "before"}).wait()
        assert before.is_error
        assert before.header["lambda-runtime-function-error-type"] == "TypeError"
        assert before.error_body["errorMessage"] == "boom ☃"
        late = function.api.invoke({"kind": "late"}).wait()
        assert late.error_body["errorType"] == "RangeError"
        assert function.api.invoke({}).wait().body == b"hello world"
        assert (late.refusals, function.api.refused) == ([], [])
    with running("shapes.plain", runtime=OURS) as function:
        assert function.api.invoke({}).wait().json == {"ok": 1}


@pytest.mark.parametrize(
    ("handler", "kind"),
    {
        "no_such_module.handler": "Runtime.ImportModuleError",
        "shapes.no_such_function": "Runtime.HandlerNotFound",
        "broken.handler": "Runtime.UserCodeSyntaxError",
        "handler": "Runtime.MalformedHandlerName",
    }.items(),
)
def test_a_handler_that_cannot_be_loaded(handler: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def handler(:\n")
    environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "LAMBDA_TASK_ROOT": str(tmp_path)}
    with running(handler, runtime=OURS, **environment) as function:
        wait_until(lambda: function.process.poll() is not None, 20)
        assert function.process.returncode == 1
        assert json.loads(function.api.init_error or b"{}")["errorType"] == kind
        line = json.loads(function.log.splitlines()[-1])
        assert (line["level"], line["requestId"]) == ("ERROR", "")
