"""Secrets, from a stand-in of AWS's extension on loopback and a stand-in of boto3."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from penstock import ConfigurationError, InvalidOption, endpoint
from penstock.aws import load_secrets, stream_handler
from penstock.aws import secrets as module
from penstock.testing import open_stream
from tests.aws.support.local import call, function_url
from tests.aws.support.runtime_api import RuntimeApi


class Extension:
    """What it is asked, and what it answers."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.failures: list[int] = []
        self.asked: list[str] = []
        self.together = threading.Barrier(1)


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> Iterator[Extension]:
    made = Extension()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            name = query["secretId"][0]
            made.asked.append(name)
            made.together.wait(10)
            status = made.failures.pop(0) if made.failures else 200
            if self.headers["X-Aws-Parameters-Secrets-Token"] != "token":
                status = 401
            if status == 200 and name not in made.values:
                status = 400
            body = json.dumps({"SecretString": made.values.get(name)}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", str(server.server_port))
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setattr(module, "_cache", {})
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0))
    for name in ("API_KEY", "OTHER"):
        monkeypatch.delenv(name, raising=False)
    yield made
    for name in ("API_KEY", "OTHER"):
        os.environ.pop(name, None)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def boto3(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """boto3 as far as it is used; what it is asked for and does not have raises."""
    values: dict[str, Any] = {}

    class Client:
        def get_secret_value(self, SecretId: str) -> Any:
            return values[SecretId]

        def close(self) -> None:
            """Nothing is open."""

    fake = ModuleType("boto3")
    fake.client = lambda name: Client()  # type: ignore[attr-defined]  # it is made up
    monkeypatch.setitem(sys.modules, "boto3", fake)
    return values


@pytest.mark.parametrize("variable", ["SECRET_API_KEY", "API_KEY_SECRET"])
async def test_a_named_secret_fills_its_variable(
    extension: Extension, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    # M6
    monkeypatch.setenv(variable, "prod/api key")
    extension.values["prod/api key"] = "s3cret"
    assert await load_secrets(["API_KEY", "OTHER"]) == {"API_KEY": "s3cret"}
    assert os.environ["API_KEY"] == "s3cret"
    assert "OTHER" not in os.environ


async def test_a_plain_value_stays(extension: Extension, monkeypatch: pytest.MonkeyPatch) -> None:
    # M6
    monkeypatch.setenv("API_KEY", "plain")
    assert await load_secrets(["API_KEY"]) == {"API_KEY": "plain"}
    assert extension.asked == []


async def test_they_are_asked_for_together_and_kept(
    extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    # M6
    now = 0.0
    monkeypatch.setenv("SECRET_API_KEY", "a")
    monkeypatch.setenv("SECRET_OTHER", "b")
    extension.values.update(a="1", b="2")
    extension.together = threading.Barrier(2)  # neither is answered before both have come
    await load_secrets(["API_KEY", "OTHER"], now=lambda: now)
    extension.together = threading.Barrier(1)
    extension.values.update(a="3")
    assert (await load_secrets(["API_KEY"], now=lambda: now))["API_KEY"] == "1"
    now = 301.0
    assert (await load_secrets(["API_KEY"], now=lambda: now))["API_KEY"] == "3"
    assert sorted(extension.asked) == ["a", "a", "b"]


async def test_a_failing_extension_is_asked_again(
    extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    # M6
    monkeypatch.setenv("SECRET_API_KEY", "a")
    extension.values["a"] = "1"
    extension.failures = [500, 503]
    assert await load_secrets(["API_KEY"]) == {"API_KEY": "1"}
    assert len(extension.asked) == 3


async def test_a_refusal_is_not_asked_again_but_boto3_is(
    extension: Extension, monkeypatch: pytest.MonkeyPatch, boto3: dict[str, Any]
) -> None:
    # M6
    monkeypatch.setenv("SECRET_API_KEY", "a")
    boto3["a"] = {"SecretBinary": b"from boto3"}
    assert await load_secrets(["API_KEY"]) == {"API_KEY": "from boto3"}
    assert extension.asked == ["a"]


async def test_both_failing_leaks_nothing(
    extension: Extension, monkeypatch: pytest.MonkeyPatch, boto3: dict[str, Any]
) -> None:
    # M6
    monkeypatch.setenv("SECRET_API_KEY", "arn:of:it")
    with pytest.raises(ConfigurationError, match="API_KEY") as raised:
        await load_secrets(["API_KEY"])
    assert "arn:of:it" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_wrong_names_are_found_at_definition() -> None:
    # M7
    for wrong in ("API_KEY", [""], [3], 3, ["A=B"]):
        with pytest.raises(InvalidOption):
            endpoint(secrets=wrong)  # type: ignore[arg-type]  # it is the mistake


async def test_an_endpoints_secrets_come_before_its_set_up(
    extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    # M3, M6
    monkeypatch.setenv("SECRET_API_KEY", "a")
    extension.values["a"] = "1"
    seen: list[str | None] = []

    @endpoint(secrets=["API_KEY"], setup=[lambda: seen.append(os.environ.get("API_KEY"))])
    async def handler(ctx: Any) -> Any:
        yield os.environ["API_KEY"]

    async with open_stream(handler) as stream:
        assert (await stream.next_event()).data == "1"
    assert seen == ["1"]


def test_a_handlers_secrets_on_lambda(
    extension: Extension, monkeypatch: pytest.MonkeyPatch, api: RuntimeApi, boto3: dict[str, Any]
) -> None:
    # M6, system 1
    monkeypatch.setenv("SECRET_API_KEY", "a")

    @stream_handler(secrets=["API_KEY"], format="text")
    async def handler(event: Any, context: Any) -> Any:
        yield os.environ["API_KEY"]

    assert call(api, handler, function_url()).prelude["statusCode"] == 500
    extension.values["a"] = "1"
    assert call(api, handler, {}).body == b"1"
