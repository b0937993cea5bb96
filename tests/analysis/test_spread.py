"""Variance components against planted ones, and ratios against counts."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis.ratios import ratios
from heartloop.analysis.spread import spread


def test_planted_components_are_found() -> None:
    rng = np.random.default_rng(0)
    k, n, s = 60, 40, 5
    task = rng.normal(0, 0.2, k)[:, None, None]
    values = 0.5 + task + rng.normal(0, 0.3, (k, n, 1)) + rng.normal(0, 0.4, (k, n, s))
    found = spread(values.reshape(k * n, s), np.repeat(np.arange(k), n))
    assert found is not None
    assert (found.tasks, found.questions, found.draws) == (
        pytest.approx(0.2, rel=0.2), pytest.approx(0.3, rel=0.05), pytest.approx(0.4, rel=0.05),
    )  # fmt: skip
    assert found.count == (k, k * n, s)
    # both parts together are the error of the mean for these tasks
    means = values.mean(axis=2)
    error = np.sqrt((means.var(axis=1, ddof=1) / n).sum()) / k
    assert found.se_draws is not None
    assert np.hypot(found.se_questions, found.se_draws) == pytest.approx(error)


def test_one_draw_and_one_task_leave_parts_open() -> None:
    found = spread([[1.0], [0.0], [1.0]])
    assert found is not None
    assert (found.tasks, found.draws, found.se_draws) == (None, None, None)
    assert spread([[1.0, 0.0]]) is None


def test_f_is_a_ratio_of_sums_with_a_paired_interval() -> None:
    right = np.array([[1, 1, 0, 0, 0] * 40, [1, 1, 1, 0, 0] * 40], float)
    attempted = np.array([[1, 1, 1, 0, 0] * 40, [1, 1, 1, 1, 0] * 40], float)
    none, arm = ratios(2 * right, 1 + attempted, 0, np.arange(200))
    precision, recall = 2 / 3, 2 / 5
    assert none.value == pytest.approx(2 * precision * recall / (precision + recall))
    assert none.difference is None
    assert arm.difference is not None and arm.difference_low is not None
    assert 0 < arm.difference_low < arm.difference == pytest.approx(6 / 9 - 4 / 8)
    nothing = ratios(np.zeros((1, 5)), np.zeros((1, 5)), 0, np.arange(5))[0]
    assert nothing.value is None and nothing.low is None
