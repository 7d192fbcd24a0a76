"""``penstock lambda module.handler``: a function behind the doors that AWS gives it.

Lives here: the command's options, and what it says. Stays out: the local Lambda
(``penstock.aws.emulator``), the page (``lambda_page``).
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from typing import Annotated

import typer

from penstock.aws.emulator import Line, LocalLambda
from penstock.cli import server
from penstock.cli.console import Mistake, note, say_addresses, say_line
from penstock.cli.lambda_page import create_page
from penstock.errors import InvalidOption

__all__ = ("register",)

_AWS_BANDWIDTH = 2 * 1024 * 1024
_EXAMPLE = "penstock lambda app.handler"


class _Mode(enum.StrEnum):
    STREAM = "stream"
    BUFFERED = "buffered"


def register(cli: typer.Typer, examples: Callable[..., str]) -> None:
    """Add the command to ``cli``; ``examples`` sets the lines at the end of its help."""
    epilog = examples(
        _EXAMPLE,
        "penstock lambda shop.api.handler --port 9000 --timeout 60 --env API_KEY=test",
        "aws lambda invoke --endpoint-url http://127.0.0.1:8001 --function-name function out",
    )
    cli.command("lambda", epilog=epilog)(_run)


def _run(
    handler: Annotated[str, typer.Argument(metavar="MODULE.HANDLER", help="As on Lambda.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Function URL's port; 0 picks free ones.")
    ] = 8000,
    api_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port for SDKs.", show_default="one above --port"),
    ] = None,
    page_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Page's port.", show_default="two above --port"),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds an invocation may take.")] = 30.0,
    memory: Annotated[int, typer.Option(help="MB; told to the function only.")] = 1024,
    concurrency: Annotated[int, typer.Option(help="How many processes there may be.")] = 1,
    name: Annotated[str, typer.Option(help="The function's name, for SDKs.")] = "function",
    mode: Annotated[_Mode, typer.Option(help="The Function URL's invoke mode.")] = _Mode.STREAM,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable; repeatable.")
    ] = None,
    cap: Annotated[
        bool, typer.Option("--cap", help="Past 6 MiB send 2 MiB a second, as AWS does.")
    ] = False,
    no_reload: Annotated[
        bool, typer.Option("--no-reload", help="Do not restart when a file changes.")
    ] = False,
) -> None:
    """Run a Lambda function here: a Function URL, an endpoint for SDKs, and a page with its log."""
    _check_handler(handler)
    variables = _variables(env or [])
    ports = (port, _beside(port, api_port, 1), _beside(port, page_port, 2))
    url, api, page = (server.bind(host, each) for each in ports)
    try:
        fn = LocalLambda(
            handler,
            env=variables,
            name=name,
            timeout=timeout,
            memory=memory,
            concurrency=concurrency,
            invoke_mode="BUFFERED" if mode is _Mode.BUFFERED else "RESPONSE_STREAM",
            bandwidth=_AWS_BANDWIDTH if cap else None,
            port=url,
            api_port=api,
            reload=not no_reload,
            on_line=_echo,
        )
    except InvalidOption as exc:
        raise Mistake(str(exc)) from exc
    base = server.base_url(url)

    def started() -> None:
        rows = {
            "url": f"{base}/",
            "sdk": server.base_url(api),
            "page": server.base_url(page),
            "curl": f"curl -N {base}/",
        }
        say_addresses(f"{handler} is up. Ctrl-C stops it.", rows)
        if not no_reload:
            note(f"Watching {os.getcwd()} for changes.")

    config = server.make_config(create_page(fn), access_log=False, lifespan="on")
    server.run_server(config, [page], started)


def _echo(line: Line) -> None:
    say_line(line.kind, line.text)


def _beside(port: int, given: int | None, distance: int) -> int:
    """Neighbours are easy to find again; free ports stay free ones."""
    if given is not None:
        return given
    return port + distance if 0 < port <= 65535 - distance else 0


def _check_handler(handler: str) -> None:
    module, _, function = handler.rpartition(".")
    if ":" in handler:
        raise Mistake(f"a Lambda handler has a dot: penstock lambda {handler.replace(':', '.')}")
    if function == "py" and module:
        dotted = module.replace("/", ".")
        raise Mistake(f"expected a handler, not a file: penstock lambda {dotted}.handler")
    if not module or not function:
        raise Mistake(f"expected module.handler, got {handler!r}; as in  {_EXAMPLE}")


def _variables(given: list[str]) -> dict[str, str]:
    variables = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise Mistake(f"--env must be NAME=VALUE, got {each!r}")
        variables[name] = value
    return variables
