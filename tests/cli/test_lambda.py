"""``penstock lambda`` as people run it: its three addresses, its log, its page."""
# P3, P4

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.browser import open_browser
from tests.cli.running import penstock, run_penstock
from tests.support.process import children, wait_until
from tests.support.servers import Server

APP = """
import os
from penstock.aws import stream_handler

@stream_handler(format="sse")
async def handler(event, context):
    print("running for", os.environ.get("WHO"))
    for i in range(3):
        yield {"i": i}

def plain(event, context):
    return {"got": event}

def fails(event, context):
    raise ValueError("no such luck")
"""


@contextmanager
def running(folder: Path, handler: str, *options: str) -> Iterator[tuple[Server, dict[str, str]]]:
    (folder / "app.py").write_text(APP)
    with penstock("lambda", handler, *options, cwd=folder) as server:
        rows = dict(re.findall(r"^  (url|sdk|page) +(http://\S+)$", server.output(), re.MULTILINE))
        yield server, rows


def fetched(url: str, body: bytes | None = None) -> str:
    with urllib.request.urlopen(url, body, timeout=30) as response:
        return str(response.read().decode())


def test_the_url_the_sdks_door_and_the_log(tmp_path: Path) -> None:
    with running(tmp_path, "app.handler", "--env", "WHO=Ada") as (server, rows):
        assert fetched(rows["url"]).startswith('data: {"i":0}\n\ndata: {"i":1}\n\n')
        path = "/2015-03-31/functions/function/invocations"
        assert 'data: {"i":2}' in fetched(rows["sdk"] + path, b"{}")
        wait_until(lambda: server.output().count("REPORT RequestId: ") == 2)
        assert server.output().count("running for Ada") == 2
        assert re.search(r"^START RequestId: [\w-]{36} Version: \$LATEST$", server.output(), re.M)
        assert "\tDuration: " in server.output() or "  Duration: " in server.output()
        started = children(server.process.pid)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert server.process.returncode == 130


def test_a_change_is_loaded(tmp_path: Path) -> None:
    with running(tmp_path, "app.plain") as (server, rows):
        assert '"got"' in fetched(rows["url"])
        (tmp_path / "app.py").write_text("def plain(event, context): return 'anew'\n")
        wait_until(lambda: "changed: app.py; starting anew" in server.output(), 30)
        assert fetched(rows["url"]) == '"anew"'


MISTAKES = {
    "nothing": ((), "Missing argument 'MODULE.HANDLER'"),
    "a colon": (("app:handler",), "a Lambda handler has a dot: penstock lambda app.handler"),
    "a file": (("shop/app.py",), "not a file: penstock lambda shop.app.handler"),
    "no dot": (("app",), "expected module.handler, got 'app'"),
    "a variable": (("app.handler", "--env", "A"), "--env must be NAME=VALUE, got 'A'"),
    "a timeout": (("app.handler", "--timeout", "0"), "timeout= must be a number above 0, got 0.0"),
    "a mode": (("app.handler", "--mode", "x"), "Invalid value for '--mode'"),
}


@pytest.mark.parametrize(("arguments", "says"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(arguments: tuple[str, ...], says: str) -> None:
    ran = run_penstock("lambda", *arguments)
    assert (ran.returncode, says in " ".join(ran.stderr.split())) == (2, True), ran.stderr


def test_help_has_examples() -> None:
    assert "\n    penstock lambda app.handler\n" in run_penstock("lambda", "--help").stdout


def test_the_page(tmp_path: Path) -> None:
    with running(tmp_path, "app.plain") as (_, rows), open_browser() as browser:
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(rows["page"])
        page.fill("#event", json.dumps({"name": "Ada"}))
        page.click("#go")
        page.locator("#state", has_text=re.compile("^done")).wait_for()
        assert page.inner_text("#answer") == '{"got": {"name": "Ada"}}'
        page.locator("#lines .report").wait_for(state="attached")
        assert page.get_attribute("#url", "href") == rows["url"]
        assert problems == []


def test_a_failure_is_told_by_the_page(tmp_path: Path) -> None:
    with running(tmp_path, "app.fails") as (_, rows), open_browser() as browser:
        page = browser.new_page()
        page.goto(rows["page"])
        page.click("#go")
        page.locator("#state", has_text=re.compile("^(failed|cut)")).wait_for()
        page.locator("#lines .log", has_text="no such luck").wait_for(state="attached")
