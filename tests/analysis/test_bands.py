"""Simultaneous bands: they find what is planted, cover it, and are quiet where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis.bands import bands
from heartloop.analysis.contrasts import contrasts, sample


def test_a_shift_is_found_and_missing_questions_are_left_out() -> None:
    rng = np.random.default_rng(3)
    d = rng.normal(0, 1, (5, 400))
    d[2] += 0.5
    d[:, ::7] = np.nan
    found = bands(d)
    assert [band.apart for band in found] == [False, False, True, False, False]
    assert found[2].questions == np.count_nonzero(~np.isnan(d[2]))
    assert found[2].estimate == pytest.approx(np.nanmean(d[2]))


def test_tasks_weigh_the_same() -> None:
    d = np.r_[np.ones(90), np.zeros(10)]
    tasks = ["big"] * 90 + ["small"] * 10
    assert bands(d, tasks)[0].estimate == pytest.approx(0.5)


def test_without_missing_values_they_are_those_of_the_claim() -> None:
    rng = np.random.default_rng(5)
    y = (rng.random((4, 300)) < [[0.4], [0.4], [0.5], [0.7]]).astype(float)
    tasks = np.repeat([0, 1, 2], 100)
    weights = np.array([[-1, 1, 0, 0], [-1, 0, 1, 0], [-1, 0, 0, 1.0]])
    theirs = contrasts(sample(y, tasks=tasks), weights)
    for mine, other in zip(bands(weights @ y, tasks, unit=1.0), theirs, strict=True):
        assert mine.estimate == pytest.approx(other.estimate)
        assert mine.low == pytest.approx(other.low, abs=0.006)
        assert mine.high == pytest.approx(other.high, abs=0.006)


def test_error_rate_of_all_bands_together() -> None:
    """Ten differences without any effect, dependent by a shared control."""
    rng = np.random.default_rng(11)
    wrong = 0
    for trial in range(200):
        d = rng.exponential(1, (10, 50)) - rng.exponential(1, 50)
        wrong += any(band.apart for band in bands(d, flips=300, seed=trial))
    assert 0 < wrong / 200 < 0.09  # 5 % and 2.6 standard errors


def test_clusters_and_empty_rows() -> None:
    rng = np.random.default_rng(1)
    shared = np.repeat(rng.normal(0, 1, 20), 10)
    alone, together = bands(shared)[0], bands(shared, clusters=np.repeat(range(20), 10))[0]
    assert together.high - together.low > 2 * (alone.high - alone.low)
    (nothing,) = bands(np.full((1, 5), np.nan))
    assert nothing.questions == 0 and not nothing.apart
    (same,) = bands(np.zeros((1, 50)), unit=1.0)
    assert same.low < 0 < same.high
