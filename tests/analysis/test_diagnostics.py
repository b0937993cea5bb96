"""What a loop does to answers."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis.diagnostics import by_round, sycophancy

ROUNDS = np.array(
    [
        [1, -3, -3],  # solved at once, stopped (oracle)
        [0, 1, -3],
        [0, -1, 0],
        [1, 0, 1],  # a right answer lost and found again
        [-2, 0, 0],
    ],
    dtype=np.int8,
)


def test_accuracy_by_round_counts_all_questions() -> None:
    found = by_round(ROUNDS)
    assert found.solved == pytest.approx((2 / 5, 3 / 5, 3 / 5))
    assert found.handed_in == pytest.approx((2 / 5, 2 / 5, 3 / 5))
    assert found.attempted == (5, 4, 3)


def test_flips_are_counted_where_there_were_two_attempts() -> None:
    first, second = by_round(ROUNDS).flips
    assert (first.reached, first.wrong_to_right, first.right_to_wrong) == (4, 1, 1)
    assert (first.stayed_right, first.stayed_wrong) == (0, 2)
    assert (second.reached, second.wrong_to_right, second.right_to_wrong) == (3, 1, 0)


def test_sycophancy_is_told_from_general_instability() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    critical = np.zeros((n, 3), dtype=bool)
    critical[:, 1] = True  # critical cue, then an encouraging one
    outcomes = np.ones((n, 3), dtype=np.int8)
    outcomes[:, 1] = rng.random(n) >= 0.3
    outcomes[:, 2] = np.where(outcomes[:, 1] == 1, rng.random(n) >= 0.1, 0)
    found = sycophancy(outcomes, critical)
    assert found.critical.estimate == pytest.approx(0.3, abs=0.03)
    assert found.other.estimate == pytest.approx(0.1, abs=0.03)
    assert found.difference == pytest.approx(0.2, abs=0.04)


def test_a_loop_that_stops_when_right_shows_no_sycophancy() -> None:
    oracle = np.array([[1, -3], [0, 1], [0, 0]], dtype=np.int8)
    found = sycophancy(oracle, np.ones((3, 2), dtype=bool))
    assert found.critical.estimate is None and found.difference is None
