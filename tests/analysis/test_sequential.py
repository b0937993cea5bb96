"""Looking at every question keeps the error rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from heartloop.analysis.sequential import (
    confidence_sequence,
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
        assert float(log_evidence(w, lost)) == pytest.approx(expected, abs=5e-3)


def test_false_positives_stay_under_five_percent_at_any_look() -> None:
    x = pairs(np.random.default_rng(0), 2000, 800, 0.2, 0.0)
    e = log_evidence(np.cumsum(x > 0, axis=1), np.cumsum(x < 0, axis=1)).max(axis=1)
    assert (e >= math.log(20)).mean() < 0.05
    low, high = confidence_sequence(x)
    assert ((low > 0) | (high < 0)).any(axis=1).mean() < 0.05


def test_equivalence_is_rarely_claimed_at_the_edge_of_the_region() -> None:
    x = pairs(np.random.default_rng(1), 200, 3000, 0.1, 0.03)
    low, high = confidence_sequence(x)
    assert ((low > -0.03) & (high < 0.03)).any(axis=1).mean() < 0.05


def test_a_clear_effect_is_decided_early() -> None:
    x = pairs(np.random.default_rng(2), 1, 2000, 0.2, 0.1)[0]
    found = look(x)
    assert found.decision == "different" and found.p < 0.05 and found.difference > 0
    assert look(x[:5]).decision == "open"


def test_no_effect_is_decided_as_equivalent_in_the_end() -> None:
    x = pairs(np.random.default_rng(3), 1, 6000, 0.05, 0.0)[0]
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
