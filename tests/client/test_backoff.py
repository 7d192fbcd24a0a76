"""How long the waits are."""

from __future__ import annotations

import random

from penstock.client.backoff import Backoff


def test_the_first_wait_is_the_reconnection_time_and_the_bound_doubles() -> None:
    backoff = Backoff(1.0, 30.0, uniform=lambda low, high: high)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
    backoff.reset()
    assert backoff.next() == 1


def test_a_reconnection_time_of_zero_is_at_once_but_not_for_ever() -> None:
    backoff = Backoff(0.0, 30.0, uniform=lambda low, high: high)
    assert [backoff.next() for _ in range(4)] == [0, 1, 2, 4]


def test_jitter_is_full_and_never_less_than_the_server_asked_for() -> None:
    backoff = Backoff(2.0, 10.0, uniform=random.Random(1).uniform)
    delays = [backoff.next() for _ in range(500)][5:]
    assert all(2.0 <= delay <= 10.0 for delay in delays)
    assert min(delays) < 3.0
    assert max(delays) > 9.0


def test_the_servers_time_may_be_past_the_cap() -> None:
    backoff = Backoff(60.0, 30.0, uniform=lambda low, high: high)
    assert [backoff.next(), backoff.next(), backoff.next(90.0)] == [60, 60, 90]


def test_many_attempts_do_not_overflow() -> None:
    backoff = Backoff(1.0, 30.0, uniform=lambda low, high: high)
    assert [backoff.next() for _ in range(3000)][-1] == 30
