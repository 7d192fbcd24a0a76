"""``python -m bench``: starts the servers, loads them in turn, prints what they spent.

The server has one core and the load another. Rounds are interleaved, and every ratio is to raw
ASGI in the same round, so what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from typing import Any

from bench.decoders import compare
from bench.load import LOADS, Load, measure
from bench.memory import import_seconds, per_idle_stream
from bench.process import LOAD_CORE, SERVER_CORE
from bench.reading import read_all, resident_growth
from bench.report import BARE, OURS, RAW, WATCHING, Results, as_json, as_text
from bench.servers import CONTENDERS, Contender, missing, serving
from bench.wires import compare_wires

__all__ = ("main",)

_OTHERS = ("memory", "decoders", "client", "wires", "imports")
_PEER_ROUNDS = 3  # the goals are about three servers: only they run more often
_NAMES = (*(load.name for load in LOADS), *_OTHERS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what ``argv`` asks for."""
    arguments = _arguments(argv)
    os.sched_setaffinity(0, {LOAD_CORE})
    if SERVER_CORE == LOAD_CORE:
        _say("one core only: the load takes its time from the servers")
    # Raw writes event by event, and each write wakes the reader: cheap on a core that is awake
    # anyway, twice the price on one that sleeps. So a busy machine flatters raw, in burst most.
    results = Results(machine_load=os.getloadavg()[0])
    chosen = _installed(arguments.servers, results)
    wanted = set(arguments.what or _NAMES)
    if "memory" in wanted:
        _run(_weigh(chosen, 200 if arguments.quick else 2000, results))
    loads = [load for load in LOADS if load.name in wanted]
    if arguments.quick:
        loads = [load.smoke() for load in loads]
    if loads:
        _run(_race(chosen, loads, arguments.rounds, results))
    if "decoders" in wanted:
        _say("decoders")
        small, line = (2_000, 64 << 10) if arguments.quick else (50_000, 5 << 20)
        results.decoders = compare(small, line, min(arguments.rounds, _PEER_ROUNDS))
    if "client" in wanted:
        _say("clients")
        results.client_growth = resident_growth((50 << 20) if arguments.quick else (1 << 30))
        rounds = min(arguments.rounds, _PEER_ROUNDS)
        results.clients = read_all(2_000 if arguments.quick else 50_000, rounds)
    if "wires" in wanted:
        _say("wires")
        count = 500 if arguments.quick else 20_000
        results.wires = compare_wires(count, min(arguments.rounds, _PEER_ROUNDS))
    if "imports" in wanted:
        _say("imports")
        results.imports = import_seconds(2 if arguments.quick else 11)
    _print(results, arguments.json)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"all, or some of: {', '.join(_NAMES)}")
    servers = ",".join(contender.name for contender in CONTENDERS)
    parser.add_argument("--servers", default=servers, help=f"some of: {servers}")
    parser.add_argument("--rounds", type=int, help="of each load (default 7; peers: at most 3)")
    parser.add_argument("--quick", action="store_true", help="a smoke run: no figure counts")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args(argv)
    for kind, given, known in (
        ("load", arguments.what, _NAMES),
        ("server", arguments.servers.split(","), servers.split(",")),
    ):
        if unknown := sorted(set(given) - set(known)):
            parser.error(f"unknown {kind} {unknown[0]!r}; known: {', '.join(known)}")
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 7)
    return arguments


def _installed(names: str, results: Results) -> list[Contender]:
    chosen = []
    for contender in CONTENDERS:
        if contender.name not in names.split(","):
            continue
        if lacking := missing(contender):
            results.absent[contender.name] = lacking
        else:
            chosen.append(contender)
    return chosen


async def _weigh(chosen: list[Contender], streams: int, results: Results) -> None:
    """Measure memory, each on a server of its own: what ran before would blur it."""
    for contender in chosen:
        _say(f"memory: {contender.label}")
        with serving(contender) as server:
            results.memory[contender.name] = await per_idle_stream(server, streams)
        if contender.name in (RAW, OURS):
            with serving(contender) as server:
                registered = await per_idle_stream(server, streams, "/registered")
                results.registered[contender.name] = registered


async def _race(chosen: list[Contender], loads: list[Load], rounds: int, results: Results) -> None:
    """Run every load on every server, ``rounds`` times, in turn."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(contender)) for contender in chosen]
        for server in servers:
            await measure(server, loads[0].smoke())  # what it does only once is done
        for load in loads:
            by_server = results.figures.setdefault(load.name, {})
            for number in range(rounds):
                for server in servers:
                    if number >= _rounds(load, server.contender.name, rounds):
                        continue
                    _say(f"{load.name}, round {number + 1}: {server.contender.label}")
                    figures = by_server.setdefault(server.contender.name, [])
                    figures.append(await measure(server, load))


def _rounds(load: Load, server: str, rounds: int) -> int:
    if server in (RAW, OURS) or (server in (WATCHING, BARE) and load.peers):
        return rounds
    return _PEER_ROUNDS if load.peers else 0


def _run(work: Coroutine[Any, Any, None]) -> None:
    import uvloop  # here: it is a server's need, and its absence is said before

    uvloop.run(work)


def _say(progress: str) -> None:
    print(f"  ... {progress}", file=sys.stderr, flush=True)


def _print(results: Results, as_program_wants: bool) -> None:
    print(json.dumps(as_json(results), indent=2) if as_program_wants else as_text(results))


if __name__ == "__main__":
    sys.exit(main())
