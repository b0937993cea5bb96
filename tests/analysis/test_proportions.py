"""Accuracy with intervals."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from heartloop.analysis.proportions import accuracy, cluster_interval, wilson


def test_wilson_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(1, 5000))
        x = int(rng.integers(0, n + 1))
        level = float(rng.uniform(0.5, 0.999))
        low, high = proportion_confint(x, n, alpha=1 - level, method="wilson")
        found = wilson(x, n, level)
        assert found.low == pytest.approx(low, abs=1e-9)
        assert found.high == pytest.approx(high, abs=1e-9)


def test_wilson_of_nothing_has_no_estimate() -> None:
    assert wilson(0, 0).estimate is None


def test_all_four_outcomes_are_counted_and_both_readings_given() -> None:
    found = accuracy(np.array([1, 1, 0, -1, -2, 1, 0, 0], dtype=np.int8))
    assert (found.correct, found.incorrect, found.unscored, found.error) == (3, 3, 1, 1)
    assert found.of_all.estimate == pytest.approx(3 / 8)
    assert found.of_scored.estimate == pytest.approx(3 / 6)
    assert found.unscored_rate == pytest.approx(1 / 8)
    assert found.of_all.method == "wilson"


def test_copies_of_a_draw_do_not_narrow_the_interval() -> None:
    one = (np.random.default_rng(1).random(200) < 0.6).astype(np.int8)
    alone = accuracy(one)
    copied = accuracy(np.repeat(one[:, None], 5, axis=1))
    assert copied.of_all.method == "cluster-wilson"
    assert copied.design_effect == pytest.approx(5 * 200 / 199, rel=1e-6)
    assert alone.of_all.low is not None and copied.of_all.low is not None
    assert copied.of_all.low == pytest.approx(alone.of_all.low, abs=2e-3)


def test_independent_draws_do_narrow_it() -> None:
    draws = (np.random.default_rng(2).random((200, 5)) < 0.6).astype(np.int8)
    found = accuracy(draws)
    width = found.of_all.high - found.of_all.low  # type: ignore[operator]
    wide = wilson(120, 200)
    assert width < 0.55 * (wide.high - wide.low)  # type: ignore[operator]


def test_cluster_error_agrees_with_a_regression_on_a_constant() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), 10)
    y = (rng.random(400) < rng.beta(2, 2, 40)[groups]).astype(float)
    fit = sm.OLS(y, np.ones(400)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    hits, counts = np.bincount(groups, y), np.bincount(groups)
    found, deff = cluster_interval(hits, counts)
    p = found.estimate or 0.0
    se = np.sqrt(deff * p * (1 - p) / 400)
    assert se == pytest.approx(fit.bse[0] * np.sqrt(40 / 39), rel=1e-9)


@pytest.mark.parametrize("value", [0, 1])
def test_extremes_count_clusters_not_answers(value: int) -> None:
    found = accuracy(np.full((20, 10), value, dtype=np.int8)).of_all
    bare = wilson(20 * value, 20)
    assert found.low is not None and found.high is not None
    assert found.low == pytest.approx(bare.low, abs=0.03)
    assert 0 <= found.low <= value <= found.high <= 1


def test_absent_draws_are_not_counted() -> None:
    ragged = np.array([[1, 0, -3], [1, -3, -3]], dtype=np.int8)
    assert accuracy(ragged).of_all.estimate == pytest.approx(2 / 3)


def test_wrong_shapes_and_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="code"):
        accuracy(np.array([2, 0]))
    with pytest.raises(ValueError, match="one a row"):
        accuracy(np.array([1, 0]), clusters=["a"])
