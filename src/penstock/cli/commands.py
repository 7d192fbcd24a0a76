"""The commands and their options.

Lives here: what is read from the command line, and exit codes. Stays out: what the commands do.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from functools import partial
from typing import Annotated

import typer

from penstock import __version__
from penstock.cli import lambda_command, server
from penstock.cli.bench import bench_command
from penstock.cli.bundle import bundle_command
from penstock.cli.console import Mistake, complain, note, say_addresses, say_log
from penstock.cli.demo.app import create_app, model_of
from penstock.cli.demo.hosts import local_lambda, with_lambda
from penstock.cli.demo.journal import Journal
from penstock.cli.invoke import invoke
from penstock.cli.serving import Serving
from penstock.cli.tail import tail
from penstock.cli.target import load_target, split_target

__all__ = ("cli", "run")


def _examples(*lines: str) -> str:
    """Return an epilog that keeps its lines; a terminal's help wants an empty one between them."""
    if _ON_TERMINAL:
        return "\n\n".join(("Examples:", *lines))
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


# Boxes and colours are for people; a pipe gets plain lines.
_ON_TERMINAL = sys.stdout.isatty() and sys.stderr.isatty()

cli = typer.Typer(
    name="penstock",
    rich_markup_mode="rich" if _ON_TERMINAL else None,
    help="Streaming responses for Python.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_examples(
        "penstock demo",
        "penstock serve main:app --reload",
        "penstock tail localhost:8000/events",
    ),
)

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for the whole network.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")]

lambda_command.register(cli, _examples)

_WATCH_PATH = "/_penstock"


def run() -> int:
    """Run the command line; return its exit code."""
    try:
        cli(prog_name="penstock")
    except Mistake as mistake:
        complain(str(mistake))
        return mistake.code
    except KeyboardInterrupt:
        return 130
    return 0


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"penstock {__version__}")
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Streaming responses for Python: write one async generator, stream it anywhere."""


@cli.command(epilog=_examples("penstock demo", "penstock demo --port 9000 --host 0.0.0.0"))
def demo(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """A chat page that streams from a scripted model. No key and no account needed."""
    listening = server.bind(host, port)
    url = server.base_url(listening)
    journal = Journal(echo=lambda line: say_log(line.run, line.kind, line.text))

    def started() -> None:
        rows = {"page": url} | _network_row(listening)
        rows["curl"] = f"curl -N '{url}/chat?prompt=hello&format=sse'"
        say_addresses("The demo is up. Ctrl-C stops it.", rows)

    app = create_app(journal, model_of(os.environ))
    app = with_lambda(app, local_lambda(journal, host))
    config = server.make_config(app, access_log=False)
    server.run_server(config, [listening], started)


@cli.command(
    epilog=_examples(
        "penstock serve main:app",
        "penstock serve main:app --reload --port 9000",
        "penstock serve shop.api:app --watch-path /_watch",
    )
)
def serve(
    app: Annotated[str, typer.Argument(metavar="MODULE:APP", help="An ASGI app or endpoint.")],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when a file changes.")] = False,
    watch_path: Annotated[str, typer.Option(help="Where the page to watch is.")] = _WATCH_PATH,
    no_watch: Annotated[bool, typer.Option("--no-watch", help="Serve no such page.")] = False,
) -> None:
    """Run an endpoint, or any ASGI app, with a page to watch its streams."""
    if not watch_path.startswith("/") or watch_path == "/":
        raise Mistake(f"--watch-path must begin with / and be more than that, got {watch_path!r}")
    watch = None if no_watch else watch_path
    split_target(app)  # before a port is taken
    if not reload:
        load_target(app)
    listening = server.bind(host, port)
    if reload:
        note(f"Watching {os.getcwd()} for changes.")
        server.run_reloading(partial(_serve_anew, app, watch), listening, os.getcwd())
    else:
        _serve(app, watch, sockets=[listening])


cli.command(
    "bundle",
    epilog=_examples(
        "penstock bundle app --out function.zip",
        "penstock bundle . --python 3.14 --arch x86_64",
    ),
)(bundle_command)

cli.command(
    "bench",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog=_examples(
        "penstock bench burst --servers raw,penstock",
        "penstock bench --quick",
    ),
)(bench_command)


def _serve_anew(target: str, watch: str | None, *, sockets: list[socket.socket]) -> None:
    """What --reload runs, in a process of its own: after a mistake it waits for the next change."""
    try:
        _serve(target, watch, sockets=sockets)
    except Mistake as mistake:
        complain(str(mistake))
        sys.exit(mistake.code)


def _serve(target: str, watch: str | None, *, sockets: list[socket.socket]) -> None:
    serving = Serving.of(load_target(target), watch)
    url = server.base_url(sockets[0])

    def started() -> None:
        rows = {"app": f"{url}/"} | _network_row(sockets[0])
        if watch is not None:
            rows["watch"] = f"{url}{watch}"
        rows["curl"] = f"curl -N {url}/"
        say_addresses(f"{target} is up. Ctrl-C stops it.", rows)

    config = server.make_config(serving.app, access_log=not serving.logs_itself)
    server.run_server(config, sockets, started)


def _network_row(listening: socket.socket) -> dict[str, str]:
    """Where another device finds it, such as a phone; nothing when it listens here only."""
    if not ipaddress.ip_address(listening.getsockname()[0]).is_unspecified:
        return {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only chooses a route. The address is RFC 5737's, nobody's.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return {}
        return {"network": f"http://{probe.getsockname()[0]}:{listening.getsockname()[1]}"}


cli.command(
    epilog=_examples(
        "penstock tail localhost:8000/events",
        "penstock tail https://example.org/events --filter 'order.*' --json | jq .data",
        "penstock tail :8000/chat --post prompt.json --text",
        "penstock tail :8000/chat -d '{\"prompt\": \"hi\"}' -H 'Authorization: Bearer ...'",
        "penstock tail :8000/jobs/7 --last-event-id 41 --no-reconnect",
    )
)(tail)

cli.command(
    epilog=_examples(
        'penstock invoke worker --payload \'{"prompt": "hi"}\'',
        "penstock invoke worker -p @event.json --text",
        "penstock invoke worker --endpoint-url http://127.0.0.1:9000 --region us-east-1",
    )
)(invoke)
