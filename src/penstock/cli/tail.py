"""``penstock tail``: follow a stream in the terminal.

Lives here: the command's options, and the loop. Stays out: how an event looks (``showing``).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.console import Mistake, remark
from penstock.cli.model_text import error_after
from penstock.cli.showing import Screen, as_json, as_line, as_text
from penstock.client import Reconnect, aconnect
from penstock.errors import StreamError, UsageError
from penstock.event import ServerSentEvent

__all__ = ("make_filter", "tail")

_TICK = 0.5


def tail(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Where the stream is; http:// may be left out.")
    ],
    as_json_: Annotated[
        bool, typer.Option("--json", help="One event a line, as JSON, for jq.")
    ] = False,
    text: Annotated[
        bool, typer.Option("--text", help="Only the text of a model's answer, as it comes.")
    ] = False,
    filter_: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="NAME|KEY=VALUE",
            help="Only events of that type (* and ? match), or whose data has that member.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="Stop after so many events.")
    ] = None,
    post: Annotated[
        str | None, typer.Option(metavar="FILE", help="POST this file; - is the standard input.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="TEXT", help="POST this text.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A request header."),
    ] = None,
    method: Annotated[str | None, typer.Option("--method", "-X", help="HTTP method.")] = None,
    last_event_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Where to resume from.")
    ] = None,
    reconnect: Annotated[
        bool | None,
        typer.Option(
            "--reconnect/--no-reconnect",
            help="Ask again when the stream ends or is cut; a GET does by itself.",
            show_default=False,
        ),
    ] = None,
    max_retries: Annotated[
        int | None, typer.Option(min=0, help="Attempts in vain before giving up.")
    ] = None,
    read_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Silence that counts as a loss.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name or data of the event that ends it.")
    ] = None,
) -> None:
    """Follow a stream (SSE or NDJSON) in the terminal; plain lines in a pipe.

    Exit codes: 0 the stream ended, or --count was reached; 1 no such stream, the connection was
    lost, or the stream ended in an error; 2 a mistake in the command; 130 Ctrl-C.
    """
    if as_json_ and text:
        raise Mistake("--json and --text: choose one")
    render = as_json if as_json_ else as_text if text else as_line
    screen = Screen(render, sys.stdout, has_status=not text)
    body, kind = _body(post, data)
    headers = _headers(header or [])
    if kind and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", kind))
    options = {
        "content": body, "headers": headers, "method": method, "last_event_id": last_event_id,
        "reconnect": reconnect, "max_retries": max_retries, "read_timeout": read_timeout,
        "until": until,
    }  # fmt: skip
    try:
        failed = asyncio.run(_follow(_address(url), options, screen, make_filter(filter_), count))
    except BrokenPipeError:
        # Whoever reads the pipe has seen enough. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if failed is not None:
        raise Mistake(failed, code=1)


async def _follow(
    url: str,
    options: dict[str, Any],
    screen: Screen,
    wanted: Callable[[Any], bool],
    count: int | None,
) -> str | None:
    """Show the stream to its end; return what went wrong in it, if it ended so."""
    failed, is_open = None, False

    def lost(info: Reconnect) -> None:
        screen.end_line()
        why = "the stream ended" if info.error is None else str(info.error)
        place = (
            f"after id {info.last_event_id}" if info.has_cursor else "without an id to resume from"
        )
        remark(f"{why}; asking again in {info.delay:.1f} s, {place}")

    ticking = asyncio.create_task(_tick(screen)) if screen.is_terminal else None
    try:
        async with aconnect(url, on_reconnect=lost, **options) as events:
            is_open = True
            async for item in events:
                failed = error_after(failed, item)
                if not wanted(item):
                    screen.passed += 1
                    continue
                screen.show(item)
                if screen.shown == count:
                    failed = None
                    break
    except UsageError as exc:
        raise Mistake(str(exc)) from exc
    except StreamError as exc:
        screen.end_line()
        raise Mistake(str(exc), code=1) from exc
    finally:
        if ticking is not None:
            ticking.cancel()
            await asyncio.wait([ticking])
        screen.end_line()
        if screen.is_terminal and is_open:
            remark(screen.summary())
    return None if failed is None else f"the stream ended in an error: {failed}"


async def _tick(screen: Screen) -> None:
    while True:
        screen.tick()
        await asyncio.sleep(_TICK)


def make_filter(patterns: list[str] | None) -> Callable[[Any], bool]:
    """Return whether an item is to be shown: one of the ``patterns`` must fit."""
    if not patterns:
        return lambda item: True
    tests = [_pattern(each) for each in patterns]
    return lambda item: any(test(item) for test in tests)


def _pattern(text: str) -> Callable[[Any], bool]:
    key, equals, value = text.partition("=")
    if not equals:
        return lambda item: fnmatchcase(_type_of(item), text)
    return lambda item: _member(item, key) == value


def _type_of(item: Any) -> str:
    if isinstance(item, ServerSentEvent):
        return item.event
    return str(item.get("type", "")) if isinstance(item, dict) else ""


def _member(item: Any, key: str) -> str | None:
    if isinstance(item, ServerSentEvent):
        try:
            item = json.loads(item.data)
        except ValueError:
            return None
    for part in key.split("."):
        if not isinstance(item, dict) or part not in item:
            return None
        item = item[part]
    return item if isinstance(item, str) else json.dumps(item)


def _address(url: str) -> str:
    """Complete what people type: ``:8000/x``, ``localhost:8000``."""
    if url.startswith(":"):
        url = f"127.0.0.1{url}"
    return url if "://" in url else f"http://{url}"


def _headers(lines: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise Mistake(f"--header must be 'NAME: VALUE', got {line!r}")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _body(post: str | None, data: str | None) -> tuple[bytes | None, str | None]:
    """Return the request's body and its type."""
    if post is not None and data is not None:
        raise Mistake("--post and --data: choose one")
    if data is not None:
        body = data.encode()
    elif post == "-":
        body = sys.stdin.buffer.read()
    elif post is not None:
        try:
            body = Path(post).read_bytes()
        except OSError as exc:
            raise Mistake(f"cannot read {post}: {(exc.strerror or str(exc)).lower()}") from exc
    else:
        return None, None
    try:
        json.loads(body)
    except ValueError:
        return body, "text/plain; charset=utf-8"
    return body, "application/json"
