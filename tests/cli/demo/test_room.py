"""The demo's room: its streams in process, and its page in two windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from penstock.cli.demo.app import create_app
from penstock.testing import open_stream
from tests.app.calls import fetch
from tests.cli.browser import PHONE, open_browser, open_page
from tests.cli.running import penstock
from tests.support.servers import Server


async def say(app: Any, name: str, text: str) -> int:
    reply = await fetch(app, "/room/say", method="POST", json={"name": name, "text": text})
    return reply.status


async def test_a_line_goes_to_everybody_and_is_kept_for_those_who_come_later() -> None:
    # S3, S5
    app = create_app()
    async with open_stream(app, "/room/events?name=ada") as ada:
        assert (await ada.next_event()).json() == {"names": ["ada"]}
        assert await say(app, "bob", "hello") == 204
        first = await ada.next_event()
        assert (first.event, first.json()["text"]) == ("chat", "hello")
    assert await say(app, "bob", "missed") == 204
    async with open_stream(app, "/room/events?name=eve") as eve:
        await eve.wait_for(lambda: len(eve.events) == 3)
        assert [e.json().get("text") for e in eve.events if e.event == "chat"] == [
            "hello",
            "missed",
        ]
    headers = {"last-event-id": first.id}
    async with open_stream(app, "/room/events?name=ada", headers=headers) as ada:
        await ada.wait_for(lambda: len(ada.events) == 2)
        assert [e.json()["text"] for e in ada.events if e.event == "chat"] == ["missed"]


async def test_presence() -> None:
    # S3
    app = create_app()
    async with open_stream(app, "/room/events?name=ada") as ada:
        assert (await ada.next_event()).json() == {"names": ["ada"]}
        async with open_stream(app, "/room/events?name=bob"):
            assert (await ada.next_event()).json() == {"names": ["ada", "bob"]}
        assert (await ada.next_event()).json() == {"names": ["ada"]}


SAID: dict[str, tuple[Any, int]] = {
    "nothing": ({"name": "ada", "text": " "}, 400),
    "nobody": ({"text": "hi"}, 400),
    "no mapping": (["hi"], 400),
    "too long": ({"name": "ada", "text": "x" * 501}, 413),
}


@pytest.mark.parametrize(("said", "status"), SAID.values(), ids=SAID)
async def test_what_is_refused(said: Any, status: int) -> None:
    assert (await fetch(create_app(), "/room/say", method="POST", json=said)).status == status


async def test_a_name_is_needed() -> None:
    assert (await fetch(create_app(), "/room/events")).status == 400


# --- the page


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with penstock("demo") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


def lines(page: Any) -> list[str]:
    found: list[str] = page.locator("#lines .text").all_inner_texts()
    return found


def send(page: Any, text: str) -> None:
    page.get_by_label("Your line").fill(text)
    page.keyboard.press("Enter")
    page.get_by_text(text, exact=True).last.wait_for()


def test_two_windows_and_a_reload(browser: Any, server: Server) -> None:
    # S3, S5
    url = f"{server.url}/room"
    with open_page(browser, url) as one, open_page(browser, url) as two:
        two.locator("#here li").nth(1).wait_for()
        one.locator("#here li").nth(1).wait_for()
        said = ["first", "<b>second</b>", "third", "fourth"]
        for number, text in enumerate(said):
            send(one if number % 2 else two, text)
        for page in (one, two):
            page.get_by_text("fourth", exact=True).wait_for()
            assert lines(page) == said
        assert one.locator("#lines .mine").count() == 2
        one.reload()
        one.get_by_text("fourth", exact=True).wait_for()
        assert lines(one) == said  # nothing missing, nothing doubled
        send(two, "fifth")
        one.get_by_text("fifth", exact=True).wait_for()
        assert lines(one) == [*said, "fifth"]
        one.close()
        two.locator("#here li").nth(1).wait_for(state="detached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(browser: Any, server: Server, scheme: Any) -> None:
    with open_page(browser, f"{server.url}/room", color_scheme=scheme, **PHONE) as page:
        page.get_by_text("connected").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        for name in ("Send", "Chat", "Room"):
            role = "button" if name == "Send" else "link"
            box = page.get_by_role(role, name=name, exact=True).bounding_box()
            assert box["height"] >= 44
        send(page, "x" * 200)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
