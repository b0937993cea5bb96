"""Contrasts of arms: the same as known tests where those apply, honest where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heartloop.analysis.content_form import split
from heartloop.analysis.contrasts import contrasts, edges, level_of, sample
from heartloop.analysis.paired import mcnemar


def _pair(arm: int, control: int, arms: int) -> list[float]:
    return [1.0 * (i == arm) - 1.0 * (i == control) for i in range(arms)]


def test_with_one_task_and_one_control_it_is_mcnemars_test() -> None:
    rng = np.random.default_rng(3)
    for n, gap in ((60, 0.1), (200, 0.0), (400, 0.06)):
        y = (rng.random((2, n)) < np.array([[0.5], [0.5 + gap]])).astype(float)
        found = contrasts(sample(y), [_pair(1, 0, 2)])[0]
        wins, losses = int((y[1] > y[0]).sum()), int((y[1] < y[0]).sum())
        assert found.p == pytest.approx(mcnemar(wins, losses).mid_p, abs=0.015)
        assert found.estimate == pytest.approx((wins - losses) / n)


def test_a_suite_is_the_mean_over_its_tasks_and_tasks_weigh_the_same() -> None:
    tasks = ["small"] * 10 + ["large"] * 90
    y = np.zeros((2, 100))
    y[1, :10] = 1
    found = contrasts(sample(y, tasks=tasks), [_pair(1, 0, 2)])[0]
    assert found.estimate == pytest.approx(0.5)
    assert found.by_task == pytest.approx((0.0, 1.0))  # in the order of the labels
    assert level_of(sample(y, tasks=tasks), 1) == pytest.approx(0.5)


def test_a_normalised_metric_is_zero_at_chance_and_one_at_perfect() -> None:
    y = np.tile([[1.0, 0.0], [1.0, 1.0]], 20)
    found = sample(y, bounds={0: (0.5, 1.0)})
    assert level_of(found, 0) == pytest.approx(0.0)
    assert level_of(found, 1) == pytest.approx(1.0)
    assert edges(found, 0).floor == (0,)
    assert edges(found, 1).ceiling == (0,)


def test_over_tasks_is_students_t_and_silent_under_six() -> None:
    rng = np.random.default_rng(4)
    y = rng.random((2, 240))
    tasks = np.repeat(np.arange(8), 30)
    found = contrasts(sample(y, tasks=tasks), [_pair(1, 0, 2)])[0]
    means = (y[1] - y[0]).reshape(8, 30).mean(axis=1)
    assert found.over is not None
    assert found.over.p == pytest.approx(stats.ttest_1samp(means, 0).pvalue)
    few = contrasts(sample(y[:, :150], tasks=tasks[:150]), [_pair(1, 0, 2)])[0]
    assert few.over is None


def test_intervals_hold_for_all_contrasts_at_once() -> None:
    rng = np.random.default_rng(5)
    missed = 0
    weights = [_pair(i, 0, 9) for i in range(1, 9)]
    for k in range(200):
        y = (rng.random((9, 250)) < 0.4).astype(float)
        found = contrasts(sample(y), weights, flips=1000, seed=k)
        missed += any(not d.low <= 0 <= d.high for d in found)
    assert missed <= 20  # 5 % of 200, two standard errors above


def test_dependent_questions_count_once() -> None:
    y = np.repeat((np.random.default_rng(6).random((2, 40)) < 0.5).astype(float), 10, axis=1)
    clusters = np.repeat(np.arange(40), 10)
    apart = contrasts(sample(y), [_pair(1, 0, 2)])[0]
    together = contrasts(sample(y, clusters=clusters), [_pair(1, 0, 2)])[0]
    assert together.se == pytest.approx(apart.se * np.sqrt(10), rel=0.05)


def test_an_interval_has_a_length_where_nothing_differs() -> None:
    y = np.ones((2, 50))
    found = contrasts(sample(y), [_pair(1, 0, 2)])[0]
    assert found.p == 1
    assert found.low < 0 < found.high
    assert found.p_equal > 0.05  # 50 equal answers show no equivalence within three points
    many = contrasts(sample(np.ones((2, 4000))), [_pair(1, 0, 2)])[0]
    assert many.p_equal < 0.001


def test_a_question_that_one_arm_lacks_is_left_out_for_all() -> None:
    y = np.ones((2, 30))
    y[0, :10] = np.nan
    y[1, 10:20] = 0
    assert contrasts(sample(y), [_pair(1, 0, 2)])[0].estimate == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="no question"):
        sample(np.full((2, 3), np.nan))


def test_content_and_form_add_up_to_the_difference() -> None:
    rng = np.random.default_rng(7)
    right = (rng.random((3, 400)) < np.array([[0.6], [0.4], [0.6]])).astype(float)
    kept = rng.random((3, 400)) < np.array([[0.9], [0.9], [0.5]])
    found = sample(right * kept, right)
    content, form = split(found, [1, 2], 0)
    assert content is not None
    assert form is not None
    for i, part in ((1, content), (2, form)):
        assert part.content + part.form == pytest.approx(level_of(found, i) - level_of(found, 0))
        assert part.right == pytest.approx(right[i].mean() - right[0].mean())
    assert content.content_high < 0
    assert content.form_low < 0 < content.form_high
    assert form.form_high < 0
    assert form.content_low < 0 < form.content_high
    assert split(sample(np.eye(3, 30), np.eye(3, 30)), [1], 0) == [None]  # under 20 right answers


def test_an_interval_over_clusters_is_as_wide_as_they_differ_and_no_wider() -> None:
    """Thirty clusters of twenty: one more of them is no cluster that differs as a whole."""
    rng = np.random.default_rng(8)
    luck = rng.random(600)
    other = np.where(rng.random(600) < 0.6, luck, rng.random(600))
    arms = np.stack([luck < 0.5, other < 0.5]).astype(float)
    labels = np.repeat(np.arange(30), 20)
    (found,) = contrasts(sample(arms, clusters=labels), [[-1, 1]], flips=2000)
    half = (found.high - found.low) / 2
    assert 2.0 < half / found.se < 2.4  # 4.0 with a whole cluster more
    (same,) = contrasts(sample(arms[[0, 0]], clusters=labels), [[-1, 1]], flips=2000)
    assert same.high - same.low > 2 * 2 / 30  # nothing differs: a whole cluster might
