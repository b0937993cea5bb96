"""Suites of tasks and classes of stimuli."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heartloop.analysis.suites import normalise, stimulus_class_effect, suite_effect


def test_normalised_metric_and_its_error() -> None:
    found = normalise(0.55, 0.02, low=0.25)
    assert found.value == pytest.approx(40)
    assert found.se == pytest.approx(100 / 0.75 * 0.02)
    assert normalise(0.2, 0.02, low=0.25).below_chance


def test_error_of_a_measured_chance_is_propagated() -> None:
    rng = np.random.default_rng(0)
    raw, low = rng.normal(0.6, 0.02, 200_000), rng.normal(0.25, 0.03, 200_000)
    found = normalise(0.6, 0.02, low=0.25, low_se=0.03)
    assert found.se == pytest.approx((100 * (raw - low) / (1 - low)).std(), rel=0.01)


def test_normalising_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="above"):
        normalise(0.5, 0.1, low=1.0, high=1.0)


def test_suite_interval_is_students_over_tasks() -> None:
    effects = np.random.default_rng(1).normal(1, 3, 21)
    found = suite_effect(effects, np.full(21, 0.5))
    test = stats.ttest_1samp(effects, 0)
    interval = test.confidence_interval()
    assert found.p == pytest.approx(test.pvalue, abs=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert found.se_fixed == pytest.approx(0.5 / np.sqrt(21))


def test_one_task_says_nothing_about_others() -> None:
    found = suite_effect([2.0], [0.3])
    assert found.se is None and found.p is None and found.low_fixed is not None


def test_wordings_are_a_sample_too() -> None:
    rng = np.random.default_rng(2)
    tasks, wordings = rng.normal(0, 1, 30), rng.normal(0, 2, 5)
    table = tasks[None, :] + wordings[:, None] + rng.normal(0, 0.1, (5, 30))
    found = stimulus_class_effect(table)
    # the spread of wordings dominates: 2/sqrt(5) beside 1/sqrt(30)
    expected = np.sqrt(table.mean(axis=1).var(ddof=1) / 5 + table.mean(axis=0).var(ddof=1) / 30)
    assert found.se == pytest.approx(expected, rel=0.1)
    assert found.estimate == pytest.approx(table.mean())
    assert found.low is not None and found.high is not None and found.se is not None
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, 4) * found.se)


def test_class_interval_covers_and_a_naive_one_would_not() -> None:
    rng = np.random.default_rng(3)
    covered = naive = 0
    for seed in range(300):
        table = rng.normal(0, 1, 20)[None, :] * 0.3 + rng.normal(0, 1, 4)[:, None]
        found = stimulus_class_effect(table, draws=400, seed=seed)
        covered += found.low <= 0 <= found.high  # type: ignore[operator]
        by_task = suite_effect(table.mean(axis=0))
        naive += by_task.low <= 0 <= by_task.high  # type: ignore[operator]
    assert covered / 300 > 0.92
    assert naive / 300 < 0.5


def test_one_wording_is_no_class() -> None:
    found = stimulus_class_effect(np.ones((1, 10)))
    assert found.se is None and found.wording_sd is None
