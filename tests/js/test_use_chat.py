"""``Chat`` of @ai-sdk/react, on Node and in a browser, against a running server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.browser import open_browser, open_page
from tests.js.node import ROOT, node, run_node
from tests.support.apps.chats import WORDS
from tests.support.http import request
from tests.support.process import wait_until
from tests.support.servers import Server, serve

HELD = "".join(WORDS)
HELLO = "Hello, world"


@pytest.fixture(scope="module")
def page_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's script, bundled with React and the AI SDK."""
    built = tmp_path_factory.mktemp("page") / "page.js"
    source = ROOT / "tests" / "js" / "chat_page.jsx"
    options = {
        "entryPoints": [str(source)],
        "outfile": str(built),
        "bundle": True,
        "jsx": "automatic",
        "define": {"process.env.NODE_ENV": '"production"'},
        "logLevel": "warning",
    }
    code = f"import {{ build }} from 'esbuild'; await build({json.dumps(options)});"
    command = [node("esbuild"), "--input-type=module", "--eval", code]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return built


@pytest.fixture(scope="module")
def server(page_js: Path) -> Iterator[Server]:
    env = {"CHAT_PAGE_JS": str(page_js)}
    with serve("uvicorn", "chats:starlette", env=env) as server:
        yield server


@pytest.fixture(scope="module")
def scenes(server: Server) -> Any:
    """What ``Chat`` saw in each scene."""
    return run_node("use_chat.mjs", {"url": server.url})


def seen(scenes: Any, name: str) -> Any:
    scene = scenes[name]
    assert "failed" not in scene, scene
    return scene


def text_of(message: Any) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def ended(scene: Any) -> list[Any]:
    """How each answer ended: its finish reason, or what else it was."""
    return [
        "abort" if one["isAbort"] else "error" if one["isError"] else one.get("finishReason")
        for one in scene["finished"]
    ]


def test_send(scenes: Any) -> None:
    # C6
    scene = seen(scenes, "send")
    assert (scene["status"], scene["errors"], ended(scene)) == ("ready", [], ["stop"])
    question, answer = scene["messages"]
    assert text_of(answer) == HELLO
    assert answer["metadata"]["usage"]["totalTokens"] == 5


def test_a_chat_of_several_questions(scenes: Any) -> None:
    # C8: what was streamed comes back, and is read
    scene = seen(scenes, "twice")
    assert (scene["status"], scene["errors"]) == ("ready", [])
    assert [message["role"] for message in scene["messages"]] == ["user", "assistant"] * 2
    assert text_of(scene["messages"][-1]) == "Three degrees."


def test_tools(scenes: Any) -> None:
    # C6
    scene = seen(scenes, "tools")
    assert (scene["errors"], scene["data"]) == ([], ["data-chart"])
    kinds = [part["type"] for part in scene["messages"][-1]["parts"]]
    assert kinds == [
        *("step-start", "reasoning", "tool-weather", "source-url", "data-chart"),
        *("step-start", "text"),
    ]


def test_a_tool_that_the_front_end_runs(scenes: Any) -> None:
    # C6, C8: one message, whose call was answered by the front end
    scene = seen(scenes, "ask")
    assert (scene["calls"], ended(scene)) == (["locate"], ["tool-calls", "stop"])
    assert len(scene["messages"]) == 2
    assert text_of(scene["messages"][-1]) == "You are in Oslo."


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("fail", "The server could not finish this request.", "Half of "),
        ("refuse", "Slower, please.", ""),
    ],
)
def test_errors(scenes: Any, name: str, error: str, text: str) -> None:
    # E2, C6
    scene = seen(scenes, name)
    assert (scene["status"], scene["errors"], ended(scene)) == ("error", [error], ["error"])
    assert text_of(scene["messages"][-1]) == text


def test_a_chat_that_is_not_ones_own(scenes: Any) -> None:
    # S8, M4
    scene = seen(scenes, "forbidden")
    assert scene["status"] == "error"
    assert '"status":403' in scene["errors"][0]


def test_stop(scenes: Any) -> None:
    # S7: the model stops, and all who read it are told
    scene = seen(scenes, "stop")
    assert (ended(scene), scene["stopped"]) == (["abort"], {"stopped": True})
    assert (scene["other"]["status"], scene["other"]["errors"]) == ("ready", [])


def test_a_cut_connection_and_a_page_that_is_loaded_again(scenes: Any) -> None:
    # S7, S8: the whole answer, once
    scene = seen(scenes, "cut")
    assert (scene["first"]["status"], ended(scene["first"])) == ("error", ["error"])
    assert text_of(scene["first"]["messages"][-1]) != HELD
    assert (scene["status"], scene["errors"], ended(scene)) == ("ready", [], ["stop"])
    assert [text_of(message) for message in scene["messages"]] == ["held", HELD]


def test_a_cut_connection_resumed_in_the_same_page(scenes: Any) -> None:
    # S8: the message that is half there is replaced, since its id is the same
    scene = seen(scenes, "cut, and resumed in the same page")
    assert [text_of(message) for message in scene["messages"]] == ["held", HELD]


def test_nothing_to_resume(scenes: Any) -> None:
    # S8
    scene = seen(scenes, "nothing to resume")
    assert (scene["status"], scene["errors"], scene["messages"]) == ("ready", [], [])


def test_a_page_that_is_reloaded_in_the_middle(server: Server) -> None:
    # S8: it shows the complete answer, once
    with open_browser() as browser, open_page(browser, f"{server.url}/") as page:
        page.fill("input", "held")
        page.press("input", "Enter")
        page.wait_for_function("document.querySelector('.assistant')?.innerText.includes('word19')")
        page.reload()
        page.wait_for_function("document.querySelector('.assistant')?.innerText.includes('word19')")
        assert "word20" not in page.inner_text("#root")
        with request(server.port, "GET", f"/go?id={page.evaluate('sessionStorage.id')}"):
            pass
        page.wait_for_function("document.querySelector('#root').innerText.includes('word39')")
        page.wait_for_function("document.querySelector('#status')?.innerText === 'ready'")
        answers = page.eval_on_selector_all(".assistant", "all => all.map(e => e.textContent)")
        assert answers == [HELD]


def test_a_page_that_stops_the_model(server: Server) -> None:
    # S7
    def cancelled() -> int:
        with request(server.port, "GET", "/log") as response:
            return json.loads(response.read())["log"].count("endless cancelled")

    before = cancelled()
    with open_browser() as browser, open_page(browser, f"{server.url}/") as page:
        page.fill("input", "endless")
        page.press("input", "Enter")
        page.wait_for_function("document.querySelector('.assistant')?.innerText.includes('on and')")
        page.click("#stop")
        page.wait_for_function("document.querySelector('#status')?.innerText === 'ready'")
        wait_until(lambda: cancelled() == before + 1)
