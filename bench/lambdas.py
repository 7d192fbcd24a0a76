"""``python -m bench.lambdas``: handlers under AWS's runtime client, on one mock of the Runtime API.

Lives here: cold start to the first byte, the time of a warm invocation, the rate of a large
stream, and imports. Rounds are interleaved: what else the machine does falls on all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.process import cpu_seconds
from tests.aws.support.local import function_url
from tests.aws.support.runtime_api import RuntimeApi

__all__ = ("main",)

ROOT = Path(__file__).resolve().parents[1]
WARM = ("alone", "mangum", "buffered", "penstock")
OURS = "from penstock.aws import stream_handler"
MADE = f"{OURS}; stream_handler(lambda event, context: None)"
IMPORTS = {
    "import asyncio": "import asyncio",
    OURS: OURS,
    "  and a handler made": MADE,
    "from mangum import Mangum": "from mangum import Mangum",
}
SIZE = 100 * 1024 * 1024
PIECES = (64 * 1024, 256 * 1024)


@contextmanager
def _running(name: str) -> Iterator[tuple[RuntimeApi, int]]:
    with RuntimeApi() as api:
        env = {**os.environ, "AWS_LAMBDA_RUNTIME_API": api.address, "BENCH_LAMBDA": name}
        env |= {"PYTHONPATH": str(ROOT), "AWS_LAMBDA_FUNCTION_NAME": "f"}
        env |= {"AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
        command = [sys.executable, "-m", "awslambdaric", f"bench.apps.lambdas.{name}"]
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            yield api, process.pid
        finally:
            process.kill()
            process.wait()


def cold(name: str) -> float:
    """Return the seconds from a process's start to its first answer."""
    began = time.perf_counter()
    with _running(name) as (api, _):
        api.invoke(function_url()).wait()
        return time.perf_counter() - began


def warm(name: str, number: int) -> tuple[float, float]:
    """Return the seconds that a warm invocation takes, the median, and its processor seconds."""
    with _running(name) as (api, pid):
        for _ in range(20):
            api.invoke(function_url()).wait()
        seconds = []
        before = cpu_seconds(pid)
        for _ in range(number):
            began = time.perf_counter()
            api.invoke(function_url()).wait()
            seconds.append(time.perf_counter() - began)
        return statistics.median(seconds), (cpu_seconds(pid) - before) / number


def rate(name: str, size: int, piece: int) -> float:
    """Return the bytes a second of a large stream, from its first chunk to its last."""
    with _running(name) as (api, _):
        call = api.invoke({"bytes": size, "piece": piece}, keep=False).wait(120)
        return call.size / (call.chunk_times[-1] - call.chunk_times[0])


def loading(statement: str, bytecode: str) -> float:
    """Return the seconds that an import takes in a new process, with what is in ``bytecode``."""
    code = (
        f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = bytecode
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return float(run.stdout)


def load_all(rounds: int) -> dict[str, list[float]]:
    """Return each import's seconds, in rounds in which each has its turn."""
    loads: dict[str, list[float]] = {each: [] for each in IMPORTS}
    with TemporaryDirectory() as folder:
        for statement in IMPORTS.values():
            loading(statement, folder)  # writes the bytecode
        for _ in range(rounds):
            for label, values in loads.items():
                values.append(loading(IMPORTS[label], folder))
    return loads


def stream_all(rounds: int, size: int, piece: int) -> dict[str, list[float]]:
    """Return each one's rates, in pairs: every other round begins with the other."""
    rates: dict[str, list[float]] = {"bare": [], "flood": []}
    for at in range(rounds):
        for name in sorted(rates, reverse=bool(at % 2)):
            rates[name].append(rate(name, size, piece))
    return rates


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.lambdas", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: no figure counts")
    quick = parser.parse_args().quick
    rounds, number, size = (1, 5, SIZE // 50) if quick else (11, 1000, SIZE)
    loads = load_all(1 if quick else 25)
    print("imports, ms")
    for label, values in loads.items():
        ratio = _ratio(values, loads["import asyncio"])
        print(f"  {label:45} {_median(values) * 1000:8.1f}  {ratio:5.2f} of asyncio")
    colds: dict[str, list[float]] = {name: [] for name in WARM}
    warms: dict[str, list[tuple[float, float]]] = {name: [] for name in WARM}
    for _ in range(rounds):
        for name in WARM:
            colds[name].append(cold(name))
            warms[name].append(warm(name, number))
    print("awslambdaric with          cold, ms   warm, ms  its CPU, ms  above alone, of mangum's")
    alone = _median([cpu for _, cpu in warms["alone"]])
    mangum = _median([cpu for _, cpu in warms["mangum"]]) - alone
    for name in WARM:
        label = f"penstock, {name}" if name == "buffered" else name
        start = _median(colds[name]) * 1000
        each, cpu = (_median([*values]) for values in zip(*warms[name], strict=True))
        above = (cpu - alone) / mangum if mangum else 0.0  # a short run may take no tick at all
        print(f"  {label:22} {start:10.1f} {each * 1000:10.2f} {cpu * 1000:12.3f} {above:24.2f}")
    for piece in PIECES:
        rates = stream_all(1 if quick else 25, size, piece)
        print(f"stream of {size >> 20} MB in pieces of {piece >> 10} KiB, MB/s")
        for name, values in rates.items():
            print(f"  {name:22} {_median(values) / 2**20:10.0f}")
        print(f"  penstock of bare       {_ratio(rates['flood'], rates['bare']):10.2f}")


def _ratio(values: list[float], base: list[float]) -> float:
    """Return the median of the rounds' own ratios."""
    return _median([one / other for one, other in zip(values, base, strict=True)])


def _median(values: list[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
