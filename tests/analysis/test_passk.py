"""pass@k, maj@k, best@k, pass^k against enumeration of all subsets."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from heartloop.analysis import passk


def subsets(n: int, k: int) -> list[tuple[int, ...]]:
    return list(itertools.combinations(range(n), k))


@pytest.fixture
def draws() -> np.ndarray:
    return np.random.default_rng(0).choice([1, 0, 0, -1, -2], (30, 6)).astype(np.int8)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_pass_at_k_and_pass_hat_k_are_means_over_all_subsets(draws: np.ndarray, k: int) -> None:
    right = draws == 1
    some = [np.mean([row[list(s)].any() for s in subsets(6, k)]) for row in right]
    every = [np.mean([row[list(s)].all() for s in subsets(6, k)]) for row in right]
    np.testing.assert_allclose(passk.pass_at_k(draws, k), some, atol=1e-12)
    np.testing.assert_allclose(passk.pass_hat_k(draws, k), every, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_majority_is_the_mean_over_all_subsets_with_ties_shared(k: int) -> None:
    rng = np.random.default_rng(k)
    classes = rng.integers(-1, 4, (40, 7))
    correct_class = rng.integers(0, 4, 40)
    outcomes = np.where(classes < 0, -1, (classes == correct_class[:, None]).astype(int)).astype(
        np.int8
    )

    def vote(row: np.ndarray, right: int) -> float:
        counts = Counter(c for c in row.tolist() if c >= 0)
        if not counts:
            return 0.0
        top = max(counts.values())
        winners = [c for c, v in counts.items() if v == top]
        return (right in winners) / len(winners)

    expected = [
        np.mean([vote(row[list(s)], right) for s in subsets(7, k)])
        for row, right in zip(classes, correct_class.tolist(), strict=True)
    ]
    np.testing.assert_allclose(passk.maj_at_k(classes, outcomes, k), expected, atol=1e-12)


def test_majority_of_one_is_plain_accuracy() -> None:
    rng = np.random.default_rng(9)
    classes = rng.integers(0, 3, (50, 8))
    outcomes = (classes == 0).astype(np.int8)
    np.testing.assert_allclose(
        passk.maj_at_k(classes, outcomes, 1), (outcomes == 1).mean(axis=1), atol=1e-12
    )


@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_best_at_k_chooses_by_the_key_and_shares_ties(k: int) -> None:
    rng = np.random.default_rng(k)
    values, keys = rng.random((25, 6)), rng.integers(0, 3, (25, 6))

    def best(row: int, s: tuple[int, ...]) -> float:
        top = max(keys[row, i] for i in s)
        return float(np.mean([values[row, i] for i in s if keys[row, i] == top]))

    expected = [np.mean([best(row, s) for s in subsets(6, k)]) for row in range(25)]
    np.testing.assert_allclose(passk.best_at_k(values, k, by=keys), expected, atol=1e-12)


def test_best_of_right_and_wrong_is_pass_at_k(draws: np.ndarray) -> None:
    np.testing.assert_allclose(
        passk.best_at_k(draws == 1, 3), passk.pass_at_k(draws, 3), atol=1e-12
    )


def test_k_beyond_the_fewest_draws_is_refused(draws: np.ndarray) -> None:
    draws[3, 5] = -3
    with pytest.raises(ValueError, match="k = 6"):
        passk.pass_at_k(draws, 6)
    assert passk.pass_at_k(draws, 5).shape == (30,)


def test_variance_over_seeds_is_told_from_variance_over_questions() -> None:
    rng = np.random.default_rng(4)
    rates = rng.beta(2, 2, 4000)  # variance 0.05
    found = passk.variance_components((rng.random((4000, 4)) < rates[:, None]).astype(np.int8))
    assert found.between_questions == pytest.approx(0.05, rel=0.1)
    assert found.within_questions == pytest.approx(0.2, rel=0.05)
    assert found.se**2 == pytest.approx(
        (found.se_questions or 0) ** 2 + (found.se_draws or 0) ** 2, rel=1e-9
    )


def test_one_draw_cannot_tell_them_apart() -> None:
    found = passk.variance_components(np.array([1, 0, 1, 1], dtype=np.int8))
    assert found.se_draws is None and found.intraclass is None and found.seed_sd is None


def test_greedy_runs_are_one_run_whatever_their_texts() -> None:
    texts = [["a", "a", "b"], ["c", "c", "c"]]
    found = passk.repeated_runs(texts, temperature=0)
    assert found.keep == (0,)
    assert "temperature 0" in found.note


def test_copies_at_a_temperature_are_found_and_fresh_runs_kept() -> None:
    rng = np.random.default_rng(5)
    fresh = rng.integers(0, 10**9, (200, 3))
    table = np.concatenate([fresh, fresh[:, :1]], axis=1)
    found = passk.repeated_runs(table, temperature=0.7)
    assert found.keep == (0, 1, 2)
    assert found.groups == ((0, 3), (1,), (2,))
    assert passk.repeated_runs(fresh, temperature=0.7).note == ""


def test_answers_become_classes_within_their_question() -> None:
    answers = [["4", " 4", None, "5"], ["4", "x", "4", "x"]]
    outcomes = [[1, 1, -1, -3], [0, 0, 0, 0]]
    found = passk.answer_classes(answers, outcomes)
    assert found.tolist() == [[0, 0, -1, -3], [0, 1, 0, 1]]
