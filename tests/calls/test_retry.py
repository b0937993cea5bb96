"""Back-off: bounded, and what the server asked for."""

from __future__ import annotations

import pytest

from heartloop.calls import Retry
from heartloop.errors import CallError


def error(retry_after=None):
    return CallError("busy", kind="http_429", retryable=True, retry_after=retry_after)


def test_delays_double_with_jitter_and_stay_bounded():
    retry = Retry(first=0.25, longest=20)
    for failed in range(1, 200):
        for _ in range(20):
            full = min(20, 0.25 * 2 ** (failed - 1))
            assert full / 2 <= retry.delay(error(), failed) <= full


def test_delays_are_short_while_others_are_answered():
    assert max(Retry().delay(error(), n, answering=True) for n in range(1, 50)) <= 2


def test_what_the_server_asked_is_honoured_within_bounds():
    retry = Retry()
    assert 7 <= retry.delay(error(7.0), 1) <= 8
    assert 7 <= retry.delay(error(7.0), 9) <= 8
    assert retry.delay(error(86400.0), 1) <= 121


def test_zero_means_at_once_but_only_the_first_time():
    retry = Retry()
    assert retry.delay(error(0.0), 1) == 0.0
    assert retry.delay(error(0.0), 2) > 0.0


def test_all_attempts_together_take_minutes_not_hours():
    assert sum(Retry().delay(error(), n) for n in range(1, Retry().attempts)) < 180
    assert pytest.approx(20.0) == Retry().longest
