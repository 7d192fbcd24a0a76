"""The registry of open streams, and the one signal hook."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest

from penstock.core import shutdown


class Open:
    def __init__(self) -> None:
        self.told = 0

    def shut_down(self) -> None:
        self.told += 1


def test_open_streams_are_told_from_any_thread() -> None:
    # F8
    async def main() -> None:
        here, gone = Open(), Open()
        shutdown.enroll(here)
        shutdown.enroll(gone)
        shutdown.withdraw(gone)
        thread = threading.Thread(target=shutdown.shutdown)
        thread.start()
        thread.join()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (here.told, gone.told) == (1, 0)
        shutdown.withdraw(here)

    asyncio.run(main())


def test_one_that_fails_does_not_keep_the_others_from_hearing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # F8
    async def main() -> None:
        class Fails:
            def shut_down(self) -> None:
                raise ValueError("broken")

        streams: list[Any] = [Fails(), Open(), Fails(), Open()]
        for stream in streams:
            shutdown.enroll(stream)
        shutdown.shutdown()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [stream.told for stream in streams if isinstance(stream, Open)] == [1, 1]
        for stream in streams:
            shutdown.withdraw(stream)

    asyncio.run(main())
    assert "broken" in caplog.text


SETUPS: dict[str, tuple[str, str, int]] = {
    "a handler that was there is called": (
        "signal.signal(signal.SIGTERM, lambda *_: print('mine', flush=True))",
        "mine\n: shutdown\nretry: 1000\nended\n",
        0,
    ),
    "the default is to die, after the last words": (
        "",
        ": shutdown\nretry: 1000\nended\n",
        -signal.SIGTERM,
    ),
    "ignored stays ignored": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "ended\n",
        0,
    ),
}


@pytest.mark.parametrize(("setup", "printed", "code"), SETUPS.values(), ids=SETUPS)
def test_the_hook_chains_to_what_was_there(setup: str, printed: str, code: int) -> None:
    # F8
    program = """
        import asyncio, os, signal
        from penstock import Stream
        SETUP
        async def source():
            yield "x"
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.3)
        class Sink:
            async def open(self, head): pass
            async def write(self, data, more):
                if data.startswith(b":"): print(data.decode(), end="", flush=True)
            def watch(self, left): pass
            def unwatch(self): pass
        async def main():
            await Stream(source, done=None).send(Sink())
            print("ended", flush=True)
            await asyncio.sleep(0.3)
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program).replace("SETUP", setup)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.returncode) == (printed, code), done.stderr


def test_each_hook_goes_on_to_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # F8: a server that ends puts back what it found, which may be a hook of ours; that one must
    # not call into the server that has gone
    called: list[str] = []
    set_handlers: dict[int, Any] = dict.fromkeys(
        (signal.SIGTERM, signal.SIGINT), lambda *_: called.append("first")
    )
    monkeypatch.setattr(signal, "getsignal", set_handlers.__getitem__)
    monkeypatch.setattr(signal, "signal", set_handlers.__setitem__)
    shutdown.hook_signals()
    older = set_handlers[signal.SIGTERM]
    set_handlers[signal.SIGTERM] = lambda *_: called.append("server")
    shutdown.hook_signals()
    newer = set_handlers[signal.SIGTERM]
    shutdown.hook_signals()
    assert set_handlers[signal.SIGTERM] is newer  # not upon itself
    newer(signal.SIGTERM, None)
    older(signal.SIGTERM, None)
    assert called == ["server", "first"]


def test_a_signal_in_the_middle_of_the_registry_does_not_wait_for_itself() -> None:
    # F8: the handler runs in the thread that holds the lock
    with shutdown._lock:
        shutdown.shutdown()
