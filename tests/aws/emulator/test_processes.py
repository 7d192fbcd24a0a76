"""The function's process under AWS's runtime client: start, death, deadline, reload, orphans."""
# P4, L11, L12

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from penstock.aws.emulator import LocalLambda
from penstock.errors import InvalidOption
from tests.aws.emulator.running import FUNCTIONS, raw_lambda
from tests.support.process import children, in_some_tries, wait_until


def plain_lambda(**options: Any) -> LocalLambda:
    return LocalLambda("plain_app.handler", **{"cwd": FUNCTIONS} | options)


async def test_a_plain_handler_on_awslambdaric() -> None:
    async with plain_lambda(env={"GIVEN": "yes"}, name="shop", timeout=20) as fn:
        first = (await fn.invoke({}, client_context={"custom": {"k": "é"}})).json()
        second = (await fn.invoke({})).json()
    assert (first["count"], second["count"]) == (1, 2)
    assert first["pid"] == second["pid"]
    assert 0 < first["remaining"] <= 20_000
    assert first["name"] == "shop"
    assert first["arn"].endswith(":function:shop")
    assert first["custom"] == {"k": "é"}
    assert first["env"] == "yes"
    assert first["trace"].startswith("Root=1-")


@in_some_tries  # the other calls must come to their end before the deadline, too
async def test_after_each_failure_the_next_is_clean() -> None:
    # L12
    failures = {
        "ValueError": {"fail": "no"},
        "Runtime.ExitError": {"exit": 3},
        "Sandbox.Timeout": {"sleep": 60},
    }
    async with plain_lambda(timeout=2.0) as fn:
        for error, event in failures.items():
            failed = await fn.invoke(event)
            assert failed.error_type == error
            assert (await fn.invoke({})).error_type is None
        kinds = [line.text for line in fn.logs if line.kind == "error"]
    assert kinds[0] == "Runtime exited with error: exit status 3"
    assert kinds[1].endswith("Task timed out after 2.00 seconds")


INIT_FAILURES = {
    "no such module": ("missing.handler", "Runtime.ImportModuleError"),
    "no such function": ("plain_app.missing", "Runtime.HandlerNotFound"),
    "a syntax error": ("broken.handler", "Runtime.UserCodeSyntaxError"),
    "an exit": ("exits.handler", "Runtime.ExitError"),
}


@pytest.mark.parametrize(("handler", "error"), INIT_FAILURES.values(), ids=INIT_FAILURES)
async def test_a_function_that_cannot_start(handler: str, error: str, tmp_path: Path) -> None:
    shutil.copy(FUNCTIONS / "plain_app.py", tmp_path)
    (tmp_path / "broken.py").write_text("def handler(:\n")
    (tmp_path / "exits.py").write_text("import os\nos._exit(4)\n")
    async with LocalLambda(handler, cwd=tmp_path) as fn:
        assert (await fn.invoke({})).error_type == error
        assert any(line.text.startswith(f"init failed: {error}") for line in fn.logs)


async def test_a_function_that_does_not_come_up(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    async with LocalLambda("slow.handler", cwd=tmp_path, init_timeout=0.5) as fn:
        assert (await fn.invoke({})).error_type == "Sandbox.Timedout"


async def test_several_processes(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    async with plain_lambda(concurrency=2) as fn:
        both = [asyncio.create_task(fn.invoke({"until": str(go_on)})) for _ in range(2)]
        while len(list(tmp_path.iterdir())) < 2:  # both run
            await asyncio.sleep(0.01)
        go_on.touch()
        pids = {(await each).json()["pid"] for each in both}
        assert len(pids) == 2


async def test_managed_instances_take_several_in_one_environment(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    async with plain_lambda(max_concurrency=2) as fn:
        both = [asyncio.create_task(fn.invoke({"until": str(go_on)})) for _ in range(2)]
        while len(list(tmp_path.iterdir())) < 2:
            await asyncio.sleep(0.01)
        assert len(fn.pids) == 1
        go_on.touch()
        results = [await each for each in both]
        assert [each.error_type for each in results] == [None, None]
        assert len({each.json()["pid"] for each in results}) == 2  # its forked workers
        guard = fn.pids[0]
        workers = [each.json()["pid"] for each in results]
    wait_until(lambda: not alive(guard) and not any(map(alive, workers)))


async def test_code_that_changes_is_loaded_anew(tmp_path: Path) -> None:
    code = tmp_path / "app.py"
    code.write_text("def handler(event, context): return 1\n")
    async with LocalLambda("app.handler", cwd=tmp_path, reload=True) as fn:
        assert (await fn.invoke({})).json() == 1
        code.write_text("def handler(event, context): return 2  # and longer\n")
        while not any(line.kind == "reload" for line in fn.logs):
            await asyncio.sleep(0.05)
        assert (await fn.invoke({})).json() == 2
        code.write_text("def handler(:\n")
        while not any("UserCodeSyntaxError" in line.text for line in fn.logs):
            await asyncio.sleep(0.05)
        assert (await fn.invoke({})).error_type == "Runtime.UserCodeSyntaxError"
        code.write_text("def handler(event, context): return 3\n")
        while sum(line.kind == "reload" for line in fn.logs) < 3:
            await asyncio.sleep(0.05)
        assert (await fn.invoke({})).json() == 3


async def test_closing_ends_what_runs_and_tells_who_waits() -> None:
    async with raw_lambda() as fn:
        running = asyncio.create_task(fn.invoke({"script": "hang"}))
        while not any(line.text == "running hang" for line in fn.logs):
            await asyncio.sleep(0.01)
        (guard,) = fn.pids
        processes = [guard, *children(guard)]
        assert len(processes) == 2
    assert (await running).error_type == "Runtime.Unavailable"
    assert not any(map(alive, processes))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_no_orphan_when_the_parent_is_killed() -> None:
    code = f"""
        import asyncio
        from penstock.aws.emulator import LocalLambda

        async def main():
            async with LocalLambda("plain_app.handler", cwd={str(FUNCTIONS)!r}) as fn:
                result = await fn.invoke({{}})
                print(fn.pids[0], result.json()["pid"], flush=True)
                await asyncio.sleep(60)

        asyncio.run(main())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(each) for each in parent.stdout.readline().split()]
        assert len(pids) == 2
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(alive, pids)), message=f"left behind: {pids}")


WRONG = {
    "no dot": ({"handler": "app"}, "handler= must be module.function"),
    "timeout": ({"timeout": 0}, "timeout= must be a number above 0, got 0"),
    "mode": ({"invoke_mode": "stream"}, "invoke_mode= must be 'BUFFERED'"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        LocalLambda(**{"handler": "app.handler"} | options)
