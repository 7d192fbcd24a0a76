"""Asking the main thread from another one."""

from __future__ import annotations

import threading

import pytest

from penstock.core.main_thread import in_main_thread
from tests.support.process import wait_until


def test_another_thread_has_the_main_thread_call() -> None:
    # F8
    ran_in: list[threading.Thread] = []
    asked: list[bool] = []

    def ask() -> None:
        asked.append(in_main_thread(lambda: ran_in.append(threading.current_thread())))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    wait_until(lambda: ran_in, 15.0)
    assert asked == [True]
    assert ran_in == [threading.main_thread()]


def test_the_main_thread_itself_calls_at_once() -> None:
    # F8
    called: list[int] = []
    assert in_main_thread(lambda: called.append(1))
    assert called == [1]


def test_what_fails_there_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    # F8: there is no caller to raise to, and the main thread is somebody else's
    def fail() -> None:
        raise ValueError("broken")

    thread = threading.Thread(target=in_main_thread, args=(fail,))
    thread.start()
    thread.join()
    wait_until(lambda: "broken" in caplog.text, 15.0)
