"""Random effects over models: known answers, correlated errors, and silence under four."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heartloop.analysis.contrasts import sample
from heartloop.analysis.meta import joint_moments, random_effects


def test_with_equal_errors_it_is_students_t_over_models_plus_what_they_share() -> None:
    y = np.array([0.02, -0.01, 0.05, 0.03, 0.07])
    own = np.full((5, 5), 0.0) + 0.0001 * np.eye(5)
    alone = random_effects(y, own)
    assert alone is not None
    assert alone.estimate == pytest.approx(y.mean())
    assert alone.p == pytest.approx(stats.ttest_1samp(y, 0).pvalue)
    assert alone.tau**2 == pytest.approx(y.var(ddof=1) - 0.0001)
    shared = random_effects(y, own + 0.0003)
    assert shared is not None
    assert shared.se**2 == pytest.approx(y.var(ddof=1) / 5 + 0.0003)
    assert alone.predicted is not None
    reach = stats.t.ppf(0.975, 3) * np.sqrt(alone.tau**2 + alone.se**2)
    assert alone.predicted[1] - alone.estimate == pytest.approx(reach)


def test_the_variance_is_never_below_that_of_exactly_these_models() -> None:
    found = random_effects([0.03] * 6, 0.0004 * np.eye(6))
    assert found is not None
    assert (found.tau, found.i2) == (0, 0)
    assert found.se == pytest.approx(np.sqrt(0.0004 / 6))


def test_under_four_models_no_summary_under_five_no_prediction() -> None:
    assert random_effects([0.1, 0.1, 0.1], 0.0001 * np.eye(3)) is None
    four = random_effects([0.1, 0.1, 0.1, 0.1], 0.0001 * np.eye(4))
    assert four is not None and four.predicted is None
    with pytest.raises(ValueError, match="covariance of shape"):
        random_effects([0.1, 0.1], np.eye(3))


def test_the_covariance_of_means_is_what_joint_resampling_of_questions_gives() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 200) + rng.normal(0, 1, (3, 200))
    tasks = np.repeat([0, 1], [50, 150])
    found = sample(values, tasks=tasks)
    means, covariance = joint_moments(found)
    drawn = []
    for _ in range(4000):
        picks = [rng.integers(0, 50, 50), 50 + rng.integers(0, 150, 150)]
        drawn.append(sum(values[:, p].mean(axis=1) for p in picks) / 2)
    assert means == pytest.approx((values[:, :50].mean(1) + values[:, 50:].mean(1)) / 2)
    assert np.cov(np.array(drawn).T) == pytest.approx(covariance, rel=0.12)
