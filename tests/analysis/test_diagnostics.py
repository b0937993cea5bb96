"""What a loop does to answers."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis.diagnostics import answer_changes, by_round, summarise_arm, sycophancy

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


def test_changed_and_distinct_answers() -> None:
    classes = np.array([[0, 0, 1], [0, -1, 0], [2, -3, -3], [-1, -1, -1]])
    found = answer_changes(classes)
    # round 1: 0→0, 0→none, none→none: one of three changed; round 2: 0→1, none→0, none→none
    assert found.changed == pytest.approx((1 / 3, 2 / 3))
    assert found.distinct == pytest.approx((2 + 1 + 1 + 0) / 4)
    assert found.no_answer == pytest.approx(4 / 10)


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


def test_summary_of_an_arm_says_what_it_knows_and_null_otherwise() -> None:
    outcomes = np.array([[1, 0], [1, 1], [-1, -2]], dtype=np.int8)
    found = summarise_arm(
        outcomes,
        reasons=[["", ""], ["", ""], ["refused", ""]],
        cap_hits=[[0, 1], [0, 0], [0, 0]],
        tokens=[[10, 20], [30, 10], [5, 0]],
        cost=[[np.nan] * 2] * 3,
    )
    assert found.accuracy.of_all.estimate == pytest.approx(0.5)
    assert found.reasons == {"refused": 1}
    assert found.refusals is not None and found.refusals.estimate == pytest.approx(1 / 6)
    assert found.cap_hits is not None and found.cap_hits.estimate == pytest.approx(1 / 6)
    assert found.tokens_per_question == pytest.approx(75 / 6)
    assert found.tokens_per_correct == pytest.approx(25)
    assert found.cost is None and found.rounds is None and found.selection is None
    assert found.variance is not None and found.variance.seed_means == pytest.approx((2 / 3, 1 / 3))


def test_summary_carries_the_diagnostics_of_a_loop() -> None:
    found = summarise_arm(
        [1, 1, 0, 1, 0],
        rounds=ROUNDS,
        classes=np.where(ROUNDS == -3, -3, np.maximum(ROUNDS, -1)),
        critical=np.ones((5, 3), dtype=bool),
        candidates=ROUNDS,
        selected=[0, 1, 2, 2, 2],
    )
    assert found.rounds is not None and len(found.rounds.flips) == 2
    assert found.sycophancy is not None and found.sycophancy.critical.n == 1
    assert found.selection is not None and found.selection.efficiency is not None
