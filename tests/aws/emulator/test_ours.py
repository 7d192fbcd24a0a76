"""penstock's own handlers on the local Lambda, under awslambdaric and under our own loop."""
# L1, L7, L11, H5, M1

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.aws.emulator import FunctionFailed, LocalLambda
from tests.aws.emulator.running import FUNCTIONS, curl, curled

RUNTIMES = {"awslambdaric": "awslambdaric", "our own loop": "penstock.aws.runtime"}


@pytest.mark.parametrize("module", RUNTIMES.values(), ids=RUNTIMES)
async def test_an_endpoint_streams(module: str, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    command = [sys.executable, "-m", module, "ours_app.ticks_handler"]
    async with LocalLambda("ours_app.ticks_handler", command=command, cwd=FUNCTIONS) as fn:
        reader = await curl(f"{fn.url}?until={go_on}")
        head = await reader.read_until(b"\r\n\r\n")
        assert b"content-type: text/event-stream\r\n" in head
        await reader.read_until(b'data: {"i":0}\n\n')  # while the function waits
        go_on.touch()
        rest, code = await reader.rest()
        assert code == 0
        assert rest.startswith(b'event: tick\ndata: {"i":1}\n\nevent: tick\ndata: {"i":2}\n\n')


async def test_a_late_error_cuts_and_is_named() -> None:
    async with LocalLambda("ours_app.late", cwd=FUNCTIONS) as fn:
        assert (await curled(fn.url))[2:] == (b"partial", 18)
        seen = []
        with pytest.raises(FunctionFailed, match="ValueError: late"):
            async for piece in fn.stream({}):
                seen.append(piece)
        assert b"".join(seen) == b"partial"
        assert (await fn.invoke({})).error_type == "ValueError"


async def test_status_headers_and_cookies() -> None:
    async with LocalLambda("ours_app.raw", cwd=FUNCTIONS) as fn:
        status, headers, body, code = await curled(fn.url)
    assert (status, body, code) == (201, b"Hello", 0)
    assert headers["x-a"] == ["b"]
    assert headers["set-cookie"] == ["a=1", "b=2"]


async def test_a_buffered_function_url() -> None:
    # L5
    handler = "ours_app.ticks_handler"
    async with LocalLambda(handler, cwd=FUNCTIONS, invoke_mode="BUFFERED") as fn:
        status, headers, body, _ = await asyncio.wait_for(curled(f"{fn.url}?n=1"), 30)
    assert status == 200
    assert headers["content-type"] == ["text/event-stream"]
    assert headers["content-length"] == [str(len(body))]
    assert body.startswith(b'event: tick\ndata: {"i":0}\n\n')


def test_the_programs_of_the_docs(tmp_path: Path) -> None:
    document = Path(__file__).parents[3] / "docs" / "local-lambda.md"
    app, program = re.findall(
        r"^```python\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "app.py").write_text(app)
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=50
    )
    assert ran.returncode == 0, ran.stderr
    assert r'data: {"i":0}\n\n' in ran.stdout
    assert len(re.findall(r"http://127\.0\.0\.1:\d+", ran.stdout)) == 2
