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

from tests.aws.support.local import function_url
from tests.aws.support.runtime_api import RuntimeApi

__all__ = ("main",)

ROOT = Path(__file__).resolve().parents[1]
WARM = ("alone", "mangum", "buffered", "penstock")
IMPORTS = ("import asyncio", "from penstock.aws import stream_handler", "from mangum import Mangum")
SIZE = 100 * 1024 * 1024


@contextmanager
def _running(name: str) -> Iterator[RuntimeApi]:
    with RuntimeApi() as api:
        env = {**os.environ, "AWS_LAMBDA_RUNTIME_API": api.address, "BENCH_LAMBDA": name}
        env |= {"PYTHONPATH": str(ROOT), "AWS_LAMBDA_FUNCTION_NAME": "f"}
        env |= {"AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
        command = [sys.executable, "-m", "awslambdaric", f"bench.apps.lambdas.{name}"]
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            yield api
        finally:
            process.kill()
            process.wait()


def cold(name: str) -> float:
    """Return the seconds from a process's start to its first answer."""
    began = time.perf_counter()
    with _running(name) as api:
        api.invoke(function_url()).wait()
        return time.perf_counter() - began


def warm(name: str, number: int) -> float:
    """Return the seconds that a warm invocation takes: the median."""
    with _running(name) as api:
        seconds = []
        for at in range(number + 20):
            began = time.perf_counter()
            api.invoke(function_url()).wait()
            if at >= 20:
                seconds.append(time.perf_counter() - began)
        return statistics.median(seconds)


def rate(name: str, size: int) -> float:
    """Return the bytes a second of a large stream, from its first chunk to its last."""
    with _running(name) as api:
        call = api.invoke({"bytes": size}, keep=False).wait(120)
        return call.size / (call.chunk_times[-1] - call.chunk_times[0])


def loading(statement: str) -> float:
    """Return the seconds that an import takes in a new process, from bytecode."""
    code = (
        f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with TemporaryDirectory() as folder:
        env.setdefault("PYTHONPYCACHEPREFIX", folder)
        command = [sys.executable, "-c", code]
        runs = [
            subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            for _ in range(2)
        ]
    return float(runs[1].stdout)  # the first one wrote the bytecode


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.lambdas", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: no figure counts")
    quick = parser.parse_args().quick
    rounds, number, size = (1, 5, SIZE // 50) if quick else (7, 300, SIZE)
    loads: dict[str, list[float]] = {each: [] for each in IMPORTS}
    colds: dict[str, list[float]] = {name: [] for name in WARM}
    warms: dict[str, list[float]] = {name: [] for name in WARM}
    rates: dict[str, list[float]] = {"bare": [], "flood": []}
    for _ in range(rounds):
        for statement, values in loads.items():
            values.append(loading(statement))
        for name in WARM:
            colds[name].append(cold(name))
            warms[name].append(warm(name, number))
        for name, values in rates.items():
            values.append(rate(name, size))
    print("imports, ms")
    for statement, values in loads.items():
        seconds = _median(values)
        ratio = seconds / _median(loads["import asyncio"])
        print(f"  {statement:45} {seconds * 1000:8.1f}  {ratio:5.2f} of asyncio")
    print("awslambdaric with          cold, ms   warm, ms")
    for name in WARM:
        label = f"penstock, {name}" if name == "buffered" else name
        start, each = _median(colds[name]) * 1000, _median(warms[name]) * 1000
        print(f"  {label:22} {start:10.1f} {each:10.2f}")
    ratios = [ours / bare for ours, bare in zip(rates["flood"], rates["bare"], strict=True)]
    print(f"stream of {size >> 20} MB, MB/s")
    for name, values in rates.items():
        print(f"  {name:22} {_median(values) / 2**20:10.0f}")
    print(f"  penstock of bare       {_median(ratios):10.2f}")


def _median(values: list[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
