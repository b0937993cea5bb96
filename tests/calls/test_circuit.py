"""The circuit breaker: what opens it, what does not, and what it says."""

from __future__ import annotations

import pytest

from heartloop.calls import Patience
from heartloop.calls.breaker import Breaker
from heartloop.errors import CallError


def fail(breaker, kind, *, times, seconds=0.0, retryable=None, start=100.0):
    """Failures spread evenly over some seconds."""
    retryable = kind in ("connection", "timeout", "http_429", "http_500") or bool(retryable)
    for number in range(times):
        now = start + seconds * number / max(1, times - 1)
        breaker.failed(CallError("the server's words", kind=kind, retryable=retryable), now)


@pytest.mark.parametrize("kind", ["auth", "not_found", "quota"])
def test_what_no_question_can_escape_opens_at_once(kind):
    breaker = Breaker()
    fail(breaker, kind, times=2)
    assert breaker.problem is None
    fail(breaker, kind, times=1)
    assert "the server's words" in str(breaker.problem) and kind in str(breaker.problem)


def test_a_server_that_was_never_there_is_given_some_seconds():
    breaker = Breaker()
    fail(breaker, "connection", times=500, seconds=5)
    assert breaker.problem is None
    fail(breaker, "connection", times=1, start=110)
    assert breaker.problem is not None


def test_replies_that_are_none_of_the_apis_open_it_before_the_first_answer_alone():
    breaker = Breaker()
    fail(breaker, "bad_response", times=3, retryable=True)
    fail(breaker, "http_500", times=1)  # so that not all of them fail the same way
    fail(breaker, "bad_response", times=3, retryable=True)
    assert breaker.problem is None
    fail(breaker, "bad_response", times=1, retryable=True)
    assert "(bad_response)" in str(breaker.problem)
    answered = Breaker()
    answered.answered()
    fail(answered, "bad_response", times=100, seconds=200, retryable=True)
    assert answered.problem is None


def test_one_that_answered_before_is_given_minutes_to_return():
    breaker = Breaker()
    breaker.answered()
    fail(breaker, "connection", times=500, seconds=200)
    assert breaker.problem is None
    fail(breaker, "connection", times=1, start=401)
    assert breaker.problem is not None


def test_an_answer_closes_the_account():
    breaker = Breaker()
    for start in range(0, 5000, 100):
        fail(breaker, "http_500", times=100, seconds=30, start=float(start))
        breaker.answered()
    assert breaker.problem is None


@pytest.mark.parametrize("kind", ["context_length", "too_large"])
def test_a_setting_that_no_question_fits_opens_it_unless_somebody_is_answered(kind):
    breaker, answered = Breaker(), Breaker()
    answered.answered()
    for one in (breaker, answered):
        for _ in range(1000):
            one.ended(CallError("max_tokens over the context", kind=kind))
    assert breaker.problem is not None
    assert "max_tokens" in str(breaker.problem)
    assert answered.problem is None


@pytest.mark.parametrize("kind", ["question_budget", "content_filter", "no_recording"])
def test_a_questions_own_fault_never_opens_it(kind):
    breaker = Breaker()
    for _ in range(1000):
        error = CallError("too long", kind=kind)
        breaker.failed(error)
        breaker.ended(error)
    assert breaker.problem is None


def test_the_same_refusal_of_every_call_opens_it():
    breaker = Breaker(Patience(alike=20))
    for _ in range(19):
        breaker.ended(CallError("bad parameter", kind="http_400"))
    assert breaker.problem is None
    breaker.ended(CallError("bad parameter", kind="http_400"))
    assert "bad parameter" in str(breaker.problem)


def test_refusals_of_different_kinds_do_not_add_up():
    breaker = Breaker(Patience(alike=20))
    for number in range(200):
        breaker.ended(CallError("x", kind=f"http_{400 + number % 2}"))
    assert breaker.problem is None


def test_calls_hold_on_only_while_nobody_is_answered():
    breaker = Breaker()
    fail(breaker, "connection", times=1)
    assert breaker.hold_on("connection", 10) and breaker.hold_on("http_429", 100)
    assert not breaker.hold_on("http_500", 10)
    breaker.answered()
    assert not breaker.hold_on("connection", 10)
    assert breaker.hold_on("http_429", 10) and not breaker.hold_on("http_429", 40)
