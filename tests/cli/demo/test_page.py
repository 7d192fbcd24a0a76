"""The demo's page in a browser, with a server behind it."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.browser import PHONE, open_browser, open_page
from tests.cli.running import penstock
from tests.support.process import in_some_tries
from tests.support.servers import Server

# How long the answer was each time that it changed, and when.
WATCH_GROWTH = """() => {
  window.growth = [];
  new MutationObserver(() => {
    const body = document.querySelector(".answer .body");
    if (body) window.growth.push([performance.now(), body.textContent.length]);
  }).observe(document.getElementById("talk"), {childList: true, subtree: true});
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with penstock("demo") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    with open_page(browser, server.url) as opened:
        yield opened


def ask(page: Any, prompt: str) -> None:
    page.get_by_label("Your prompt").fill(prompt)
    page.keyboard.press("Enter")


def answered(page: Any) -> str:
    """Return the last answer once it has ended."""
    page.locator(".answer").last.and_(page.locator("[aria-busy=false]")).wait_for()
    return str(page.locator(".answer .body").last.inner_text())


def figures(page: Any) -> str:
    return str(page.locator(".answer > footer").last.inner_text())


def test_tokens_appear_one_by_one(page: Any) -> None:
    page.evaluate(WATCH_GROWTH)
    ask(page, "some code, please")
    text = answered(page)
    growth = page.evaluate("window.growth")
    lengths = [length for _, length in growth]
    assert "This is a whole program" in text
    assert len(set(lengths)) > 10, "it came in a few lumps"
    told = r"SSE, finished after .* · first byte (\d+ ms|\d+\.\d s) · 1\d\d events"
    assert re.match(told, figures(page))
    # Code is set as code, and its marks are gone.
    assert page.locator(".code pre").count() == 2
    assert "```" not in text
    assert page.locator(".answer p code").first.inner_text() == "main.py"


def test_stop_stops_the_producer(page: Any) -> None:
    # F4
    ask(page, "tell me a story")
    page.get_by_text("High in the mountains").wait_for()
    page.get_by_role("button", name="Stop").click()
    log = page.get_by_label("Server’s log")
    log.get_by_text(re.compile(r"producer told to stop after \d+ tokens")).wait_for()
    log.get_by_text("cleanup ran").last.wait_for()
    log.get_by_text(re.compile(r"reader left, producer stopped · \d+ events")).wait_for()
    assert "stopped after" in figures(page)
    assert page.locator("#state").inner_text() == "gate closed by you"
    assert page.get_by_role("button", name="Send").is_visible()


@pytest.mark.parametrize(
    ("format", "counted"), [("SSE", "31 events"), ("NDJSON", "31 events"), ("Plain text", "reads")]
)
def test_the_format_switch_and_a_failure_midway(page: Any, format: str, counted: str) -> None:
    # E2
    page.get_by_role("radio", name=format).check()
    page.get_by_role("button", name="Fail midway").click()
    page.locator(".problem").wait_for()
    # Not to the last letter: fetch drops what it had not read yet when a body is cut.
    assert "when you least expect it, right in the" in answered(page)
    problem = page.locator(".problem").inner_text()
    expected = "The response was cut" if format == "Plain text" else "409 Lost the thread"
    assert expected in problem
    assert figures(page).startswith(f"{format}, failed after")
    assert counted in figures(page)


def test_the_same_behind_the_local_lambda(page: Any, server: Server) -> None:
    # L10, M1
    page.get_by_role("radio", name="Lambda").check()
    page.get_by_role("button", name="Fail midway").click()
    page.locator(".problem").wait_for()
    assert answered(page).endswith("right in the middle of a")
    assert "409 Lost the thread" in page.locator(".problem").inner_text()
    assert figures(page).startswith("SSE, failed after")
    page.locator("#log").get_by_text("λ producer raises").wait_for(state="attached")
    url = re.search(r"http://127\.0\.0\.1:(\d+)/chat", page.locator("#curl").inner_text())
    assert url is not None
    assert int(url[1]) != server.port


def test_a_refusal_comes_with_its_status(page: Any) -> None:
    # E1
    page.get_by_role("button", name="Refuse").click()
    page.get_by_text("Refused before the first byte: 429 Too Many Requests").wait_for()
    assert page.locator("#state").inner_text() == "broke off"


def test_reasoning_tools_and_sources_are_shown(page: Any) -> None:
    page.get_by_role("button", name="Tools").click()
    assert "The lake stands at 41.7 meters." in answered(page)
    assert "I could measure the lake" in page.locator(".thought").inner_text()
    tool = page.locator(".tool").inner_text()
    assert tool == 'measure {"what":"water level"} → {"meters":41.7}'
    link = page.locator(".sources a")
    assert link.inner_text() == "Penstock, in Wikipedia"


@in_some_tries  # a machine that stands still meanwhile makes fewer
def test_silence_shows_keep_alives(page: Any) -> None:
    # F3
    page.reload()
    page.get_by_role("button", name="Go quiet").click()
    page.get_by_text("silent, kept alive").wait_for()
    page.get_by_text("While I was silent").wait_for()
    assert int(page.locator("#alives").inner_text()) in (3, 4)


def test_a_flood_is_shown_whole(page: Any) -> None:
    page.get_by_role("button", name="Flood").click()
    assert "1,998 1,999 2,000" in answered(page)
    assert re.search(r"· 2,\d{3} events ·", figures(page))


def test_what_the_model_says_is_only_text(page: Any) -> None:
    ask(page, "<img src=x onerror=document.title='no'> & <b>otters</b>")
    assert "<img src=x onerror=document.title='no'> & <b>otters</b>" in answered(page)
    assert page.locator("#talk img, #talk b").count() == 0
    assert page.title() == "penstock"


def test_the_curl_line_is_what_was_asked(page: Any, server: Server) -> None:
    page.get_by_role("radio", name="NDJSON").check()
    ask(page, "it's refused")
    answered(page)
    line = f"curl -N '{server.url}/chat?prompt=it'\\''s%20refused&format=ndjson'"
    assert page.locator("#curl").inner_text() == line
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the curl line").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == line


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_on_a_phone(browser: Any, server: Server, scheme: str, dark: bool) -> None:
    with open_page(browser, server.url, color_scheme=scheme, **PHONE) as page:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        red = int(re.findall(r"\d+", colour)[0])
        assert (red < 60) == dark
        # Nothing sticks out, and what is to be touched is big enough and within a thumb's reach.
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        for name in ("Send", "Code", "What is this?"):
            box = page.get_by_role("button", name=name, exact=True).bounding_box()
            assert box["height"] >= 44
            assert box["y"] > 844 / 2
        page.get_by_role("button", name="Refuse").tap()
        page.locator(".problem").wait_for()
        ticker = page.locator("#ticker")
        ticker.get_by_text("answered 429").wait_for()
        assert not page.get_by_label("Server’s log").is_visible()
        ticker.tap()
        assert page.get_by_label("Server’s log").is_visible()
        assert ticker.get_attribute("aria-expanded") == "true"


def test_on_a_phone_on_its_side_the_answer_has_room(browser: Any, server: Server) -> None:
    sideways = PHONE | {"viewport": {"width": 844, "height": 390}}
    with open_page(browser, server.url, **sideways) as page:
        talk = page.locator("#talk").bounding_box()
        assert talk["height"] > 300
        assert page.get_by_role("button", name="Send").bounding_box()["y"] < 390 - 44


def test_a_server_that_went_away_is_said(browser: Any) -> None:
    with penstock("demo") as first:
        with open_page(browser, first.url) as page:
            page.get_by_role("button", name="Refuse").click()
            page.get_by_label("Server’s log").get_by_text("answered 429").wait_for()
            first.stop(with_signal=signal.SIGINT)
            page.get_by_text("reconnecting").first.wait_for(state="attached")
            page.get_by_role("button", name="Code").click()
            page.get_by_text("No answer").wait_for()
