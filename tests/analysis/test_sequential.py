"""Looking at every question keeps the error rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from heartloop.analysis.sequential import (
    log_evidence,
    look,
    ordered_gains,
)


def pairs(rng: np.random.Generator, runs: int, n: int, d: float, delta: float) -> np.ndarray:
    u = rng.random((runs, n))
    up = (d + delta) / 2
    return (u < up).astype(float) - ((u >= up) & (u < d))


def test_evidence_is_the_mixture_likelihood_ratio() -> None:
    for w, lost in ((0, 0), (3, 1), (20, 45)):
        theta = (np.arange(200_000) + 0.5) / 200_000
        integrand = theta**w * (1 - theta) ** lost * stats.beta.pdf(theta, 5, 5)
        expected = np.log(integrand.mean()) + (w + lost) * np.log(2)
        d = np.repeat([0.0, 1.0, -1.0], [1, w, lost])
        assert float(log_evidence(d)[-1]) == pytest.approx(expected, abs=5e-3)


def test_false_positives_stay_under_five_percent_at_any_look() -> None:
    x = pairs(np.random.default_rng(0), 200, 400, 0.2, 0.0)
    assert (log_evidence(x).max(axis=1) >= math.log(20)).mean() < 0.05


def test_partial_credit_with_a_mean_of_zero_is_not_called_different() -> None:
    """Many small gains and few large losses: the signs differ, the mean does not."""
    x = np.where(np.random.default_rng(5).random((200, 600)) < 0.2, -0.8, 0.2)
    assert (log_evidence(x).max(axis=1) >= math.log(20)).mean() < 0.05


def test_equivalence_is_rarely_claimed_at_the_edge_of_the_region() -> None:
    x = pairs(np.random.default_rng(1), 100, 1500, 0.1, 0.03)
    beyond = [log_evidence(x, m).max(axis=1) >= math.log(20) for m in (-0.03, 0.03)]
    assert (beyond[0] & beyond[1]).mean() < 0.05 + 2 * 0.022  # and two standard errors


@pytest.mark.parametrize("delta", [0.0, 0.06, 0.3, -0.3])
def test_decision_and_interval_come_from_one_procedure(delta: float) -> None:
    """A run is stopped where it is decided: then its interval leaves out 0, or is within."""
    x = pairs(np.random.default_rng(6), 1, 3000, max(0.05, abs(delta)), delta)[0]
    for n in range(20, 3001, 20):
        if look(x[:n], interval=False).decision != "open":
            break
    found = look(x[:n])
    assert found.low <= found.difference <= found.high
    if found.decision == "different":
        assert found.low > 0 or found.high < 0
    else:
        assert (delta, found.decision) == (0.0, "equivalent")
        assert -0.03 <= found.low < found.high <= 0.03


def test_a_clear_effect_is_decided_early() -> None:
    x = pairs(np.random.default_rng(2), 1, 2000, 0.2, 0.1)[0]
    found = look(x)
    assert found.decision == "different" and found.p < 0.05 and found.difference > 0
    assert look(x[:5]).decision == "open"


def test_no_effect_is_decided_as_equivalent_in_the_end() -> None:
    x = pairs(np.random.default_rng(3), 1, 3000, 0.05, 0.0)[0]
    found = look(x)
    assert found.decision == "equivalent"
    assert -0.03 < found.low < 0 < found.high < 0.03


def test_a_decision_for_a_difference_is_never_taken_back() -> None:
    x = np.concatenate([np.ones(30), -np.ones(30)])
    assert look(x[:30]).decision == "different"
    assert look(x).decision == "different"


def test_nothing_seen_nothing_said() -> None:
    assert look([]).decision == "open"
    with pytest.raises(ValueError, match="differences"):
        look([2.0])


def test_only_questions_before_the_first_unfinished_one_count() -> None:
    a = np.array([[1, 1], [1, 0], [1, np.nan], [1, 1]])
    b = np.array([[0.0, 1], [1, 1], [0, 0], [0, 0]])
    assert ordered_gains(a, b).tolist() == [0.5, -0.5]
    assert len(ordered_gains(np.nan_to_num(a), b)) == 4


def test_clusters_count_once_they_are_complete() -> None:
    a = np.array([[1], [1], [0], [1], [np.nan]])
    found = ordered_gains(a, np.zeros((5, 1)), clusters=["y", "x", "y", "z", "x"])
    # y is complete with question 2, z with question 3; x still waits for question 4
    assert found.tolist() == [0.5, 1.0]
