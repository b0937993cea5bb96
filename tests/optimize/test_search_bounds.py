"""Bounds of paired differences: right at every look, exact where they claim to be."""

import math

import numpy as np
import pytest
from scipy import stats

from heartloop.optimize.bounds import (
    always_valid,
    lower_bounds,
    mean_discordance,
    paired_estimate,
    sign_test,
    tabulate,
)


def test_an_always_valid_bound_is_hardly_ever_wrong_however_often_one_looks():
    rng = np.random.default_rng(0)
    values = np.array([-1.0, 0.0, 1.0])
    wrong = 0
    for _ in range(300):
        draws = rng.choice(3, size=400, p=[0.05, 0.9, 0.05])
        counts = np.cumsum(np.eye(3)[draws], axis=0)[::10]
        wrong += bool((lower_bounds(values, counts, 0.1) > 0).any())
    assert wrong / 300 <= 0.1


def test_an_always_valid_bound_closes_in_on_the_mean():
    values = np.array([-1.0, 0.0, 1.0])
    low, high = always_valid(values, np.array([[2, 90, 8], [200, 9000, 800]], float), 0.05)
    assert low[0] < low[1] < 0.06 < high[1] < high[0]
    assert low[1] > 0.04 and high[1] < 0.08


def test_without_observations_nothing_is_known():
    low, high = always_valid(*tabulate([np.zeros(0)]), 0.05)
    assert (low[0], high[0]) == pytest.approx((-1.0, 1.0))


def test_bounds_take_partial_scores():
    gaps = np.linspace(-0.2, 0.4, 500)
    low, high = always_valid(*tabulate([gaps]), 0.05)
    assert low[0] < 0.1 < high[0] and low[0] > 0


@pytest.mark.parametrize("wins,losses", [(0, 0), (8, 2), (32, 8), (3, 30)])
def test_the_sign_test_agrees_with_scipy(wins, losses):
    expected = (
        stats.binomtest(wins, wins + losses, alternative="greater").pvalue if wins + losses else 1.0
    )
    assert sign_test(wins, losses) == pytest.approx(expected)


def test_a_paired_estimate_states_the_mean_and_covers_it():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        gaps = rng.choice([-1.0, 0.0, 1.0], size=150, p=[0.02, 0.9, 0.08])
        one = paired_estimate(gaps)
        assert one.difference == pytest.approx(gaps.mean())
        inside += one.low <= 0.06 <= one.high
    assert 0.92 <= inside / 400 <= 0.99


def test_partial_scores_get_the_normal_test():
    gaps = np.random.default_rng(2).normal(0.05, 0.1, 200).clip(-1, 1)
    one = paired_estimate(gaps)
    assert one.p_value == pytest.approx(
        stats.norm.sf(gaps.mean() / (gaps.std(ddof=1) / math.sqrt(200)))
    )


def test_discordance_is_the_share_of_differing_pairs():
    scores = (np.random.default_rng(3).random((5, 40)) < 0.5).astype(float)
    pairs = [(a, b) for a in range(5) for b in range(a)]
    expected = np.mean([(scores[a] != scores[b]).mean() for a, b in pairs])
    assert mean_discordance(scores) == pytest.approx(expected)
    assert math.isnan(mean_discordance(scores[:1]))
