"""Carry-over: planted slopes and their decay are found, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis.carry import carry_over


def table(slopes: list[float], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """150 questions of five turns; answers take so much of the cues of their last turns."""
    rng = np.random.default_rng(seed)
    said = rng.uniform(-0.7, 0.8, (150, 5))
    cues = np.zeros((150, 5, 3))
    for lag in range(3):
        cues[:, lag:, lag] = said[:, : 5 - lag]
    noise = rng.normal(0, 0.3, (150, 5)) + rng.normal(0, 0.2, (150, 1))
    answers = cues @ np.array(slopes) + noise
    answers[rng.random((150, 5)) < 0.3] = np.nan  # too short for a mood
    return answers.ravel(), cues.reshape(-1, 3), np.repeat(np.arange(150), 5)


def test_planted_slopes_and_their_decay_are_found() -> None:
    found = carry_over(*table([0.6, 0.3, 0.15], 1), level=0.99)
    assert [s.lag for s in found] == [0, 1, 2]
    for slope, planted in zip(found, (0.6, 0.3, 0.15), strict=True):
        assert slope.low < planted < slope.high
        assert slope.low > 0 or slope.lag == 2
        assert slope.estimate == pytest.approx(planted, abs=0.12)


def test_nothing_is_found_where_nothing_is() -> None:
    wrong = sum(
        not slope.low < 0 < slope.high
        for seed in range(100)
        for slope in carry_over(*table([0, 0, 0], seed))
    )
    assert 3 <= wrong <= 31  # 15 of 300 expected


def test_a_cue_that_never_varies_has_no_slope() -> None:
    y, x, groups = table([0.5, 0, 0], 2)
    x[:, 1] = 0.0
    assert [s.lag for s in carry_over(y, x, groups)] == [0, 2]
    assert carry_over(y[:20], x[:20], groups[:20]) == []  # four questions
    assert carry_over([np.nan], [[1.0]]) == []
