"""The page to watch a stream, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.browser import open_browser, open_page
from tests.cli.running import penstock

APP = """
import asyncio
from penstock import Context, Event, endpoint

@endpoint(format="sse", keep_alive=0.1)
async def app(ctx: Context):
    body = await ctx.json() if ctx.method == "POST" else None
    yield Event(body, event="got")
    await asyncio.sleep(0.35)
    yield Event("two\\nlines", event="late")
    if "fail" in ctx.query:
        raise RuntimeError("this never shows")
    await asyncio.sleep(60 if "stay" in ctx.query else 0)
"""


def rows(page: Any) -> list[list[str]]:
    found = page.locator("#rows tr")
    return [found.nth(i).locator("td").all_inner_texts()[2:] for i in range(found.count())]


def test_it_lists_what_arrives(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(APP)
    with penstock("serve", "late:app", cwd=tmp_path) as server, open_browser() as browser:
        with open_page(browser, f"{server.url}/_penstock?path=/%3Ffail=1") as page:
            assert page.get_by_label("Path and query").input_value() == "/?fail=1"
            page.get_by_role("button", name="Connect").click()
            page.locator("tr.error").wait_for()
            names = [name for name, _ in rows(page)]
            assert names[0] == "got"
            assert names[1] == "comment"
            assert names[-2:] == ["late", "error"]
            assert rows(page)[-2][1] == "two\nlines"
            assert "this never shows" not in rows(page)[-1][1]
            page.get_by_text("200 OK, ended by the server").wait_for()

            page.get_by_label("Path and query").fill("/?stay=1")
            page.get_by_label("Method").select_option("POST")
            page.get_by_label("JSON body").fill('{"a": 1}')
            page.get_by_role("button", name="Connect").click()
            page.get_by_text("late").wait_for()
            assert rows(page)[0] == ["got", '{"a":1}']
            page.get_by_role("button", name="Disconnect").click()
            page.get_by_text("disconnected by you").wait_for()
            server.wait_for("POST / 200 ending=disconnected")
