"""Preference bias: the published test vector, degenerate cases, convergence, speed."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest

from heartloop.analysis import preference as pb
from heartloop.analysis import preference_runs

FIXTURES = Path(__file__).parent.parent / "fixtures" / "preference_bias"


@pytest.fixture(scope="module")
def vector() -> np.ndarray:
    with (FIXTURES / "confusion.csv").open() as lines:
        return np.array([[int(v) for v in row[1:]] for row in list(csv.reader(lines))[1:]])


def test_test_vector_to_six_digits(vector: np.ndarray) -> None:
    expected = json.loads((FIXTURES / "expected.json").read_text())
    assert vector.sum() == 1611
    found = pb.preference_bias(vector, simulations=10)
    np.testing.assert_allclose(found.preference.p, expected["p"], atol=1e-6)
    assert found.preference.bias == pytest.approx(expected["B"], abs=1e-6)
    assert found.macro == pytest.approx(expected["Q"], abs=1e-6)
    assert found.weighted == pytest.approx(expected["weighted_f1"], abs=1e-6)
    assert found.accuracy == pytest.approx(expected["accuracy"], abs=1e-6)
    np.testing.assert_allclose(found.f1, expected["f1"], atol=1e-6)
    assert found.preference.mle_exists


def test_twenty_steps_have_converged_to_the_maximum_likelihood(vector: np.ndarray) -> None:
    p = pb.preference_scores(vector)
    np.testing.assert_allclose(p, pb.preference_scores(vector, 1000), atol=1e-6)
    np.testing.assert_allclose(p, pb.maximum_likelihood(vector), atol=1e-6)


def test_random_connected_matrices_reach_the_maximum_likelihood() -> None:
    rng = np.random.default_rng(0)
    checked = 0
    for _ in range(60):
        w = rng.poisson(rng.uniform(0.5, 20), (6, 6))
        direct = pb.maximum_likelihood(w)
        if direct is None:
            continue
        checked += 1
        np.testing.assert_allclose(pb.preference_scores(w, 1000), direct, atol=1e-6)
    assert checked > 30


def test_two_labels_have_the_closed_form() -> None:
    # p1/p2 = w12/w21
    p = pb.maximum_likelihood(np.array([[5, 6], [2, 9]]))
    assert p == pytest.approx((2 * 6 / 8, 2 * 2 / 8), abs=1e-9)


def constant(gold: np.ndarray, label: int) -> np.ndarray:
    w = np.zeros((len(gold), len(gold)))
    w[label] = gold
    return w


def test_degenerate_cases_are_finite_and_named(vector: np.ndarray) -> None:
    gold = vector.sum(axis=0)
    perfect = pb.preference(np.diag(gold))
    assert perfect.bias == 0 and set(perfect.p) == {1.0}

    one = pb.preference(constant(gold, 2))
    assert one.p[2] == pytest.approx(8) and one.bias == pytest.approx(7**0.5)
    assert not one.mle_exists and one.never_lost == (2,)

    two_never = vector.copy()
    two_never[[1, 6]] = 0
    found = pb.preference(two_never)
    assert found.p[1] == found.p[6] == 0 and found.never_predicted == (1, 6)
    assert sum(found.p) == pytest.approx(8) and not found.mle_exists

    empty = pb.preference_bias(np.zeros((8, 8)), simulations=10)
    assert empty.preference.bias == 0 and empty.macro == 0 and empty.accuracy == 0
    assert np.isfinite(empty.uniform.mean)

    absent = vector.copy()
    absent[:, 3] = 0
    found = pb.preference(absent)
    assert found.never_lost == (3,) and found.p[3] == pytest.approx(8)

    for case in (np.diag(gold), constant(gold, 0), two_never, np.zeros((8, 8)), absent):
        report = pb.preference_bias(case, simulations=20)
        assert np.isfinite(report.preference.p).all() and np.isfinite(report.bias_balanced)
        assert report.notes


def test_a_label_without_confusions_stays_at_one() -> None:
    w = np.array([[9, 4, 0], [2, 9, 0], [0, 0, 9]])
    found = pb.preference(w)
    assert found.p[2] == 1.0 and found.outside == (2,)
    assert sum(found.p) == pytest.approx(3)
    assert found.mle_exists


def test_bias_is_zero_when_predicted_counts_equal_gold_counts() -> None:
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 8, 2000)
    w = pb.confusion_matrix(rng.permutation(gold), gold, 8)
    assert pb.preference(w).bias == pytest.approx(0, abs=1e-9)


def test_independent_predictions_have_p_in_proportion_to_predicted_over_gold(
    vector: np.ndarray,
) -> None:
    gold = vector.sum(axis=0) / 1611
    predicted = np.array([0.3, 0.1, 0.1, 0.05, 0.2, 0.1, 0.1, 0.05])
    p = pb.preference_scores(np.outer(predicted, gold) * 1000, 1000)
    ratio = predicted / gold
    np.testing.assert_allclose(p, 8 * ratio / ratio.sum(), atol=1e-6)


def test_references_of_predictors_without_knowledge(vector: np.ndarray) -> None:
    report = pb.preference_bias(vector)
    assert 0.38 < report.uniform.mean < 0.5
    assert report.gold_marginal.mean < 0.1
    rare = np.array([205, 60, 80, 93, 190, 160, 120, 24])
    assert pb.reference_bias(rare).mean == pytest.approx(0.91, abs=0.12)


def test_balancing_removes_the_gold_marginals_from_a_uniform_predictor(
    vector: np.ndarray,
) -> None:
    w = np.outer(np.full(8, 1 / 8), vector.sum(axis=0))
    assert pb.preference(w).bias > 0.3
    assert pb.preference_scores(pb.balanced(w)).std() == pytest.approx(0, abs=1e-9)


def test_unread_predictions_cost_accuracy_but_are_no_preference() -> None:
    rng = np.random.default_rng(2)
    gold, given = rng.integers(0, 8, 500), rng.integers(0, 8, 500)
    some = given.copy()
    some[:100] = -1
    full = pb.confusion_matrix(some, gold, 8)
    assert full.shape == (9, 8) and full[8].sum() == 100
    assert pb.preference(full).p == pb.preference(full[:8]).p
    report = pb.preference_bias(full, simulations=10)
    assert report.unread == 100
    assert report.accuracy == pytest.approx((some == gold).mean())


def test_scores_agree_with_a_plain_count() -> None:
    rng = np.random.default_rng(3)
    gold, given = rng.integers(0, 5, 300), rng.integers(0, 5, 300)
    found = pb.scores(pb.confusion_matrix(given, gold, 5))
    for label in range(5):
        right = ((gold == label) & (given == label)).sum()
        precision, recall = right / (given == label).sum(), right / (gold == label).sum()
        assert found.f1[label] == pytest.approx(2 * precision * recall / (precision + recall))
    assert found.weighted == pytest.approx(np.average(found.f1, weights=np.bincount(gold)))


def conversations(seed: int, count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(count), 8)
    gold = np.random.default_rng(0).integers(0, 8, len(ids))
    given = np.where(rng.random(len(ids)) < 0.4, gold, rng.integers(-1, 6, len(ids)))
    return pb.conversation_confusions(given, gold, ids, 8)


def test_a_thousand_resamples_take_under_five_seconds_and_hold_the_estimate() -> None:
    by = conversations(1)
    start = time.perf_counter()
    report = pb.preference_bias(by_conversation=by, draws=1000)
    assert time.perf_counter() - start < 5
    assert report.bias_interval is not None and report.p_interval is not None
    assert report.bias_interval[0] < report.preference.bias < report.bias_interval[1]
    assert report.macro_interval[0] < report.macro < report.macro_interval[1]  # type: ignore[index]


def test_runs_are_compared_on_the_same_resampled_conversations() -> None:
    a, b = conversations(1), conversations(2)
    same = preference_runs.compare_bias(a, a)
    assert same.bias == (0.0, 0.0, 0.0, 1.0)
    found = preference_runs.compare_bias(a, b)
    assert found.accuracy[0] == pytest.approx(
        float(pb.scores(b.sum(axis=0)).accuracy - pb.scores(a.sum(axis=0)).accuracy)
    )
    assert found.accuracy[1] < found.accuracy[0] < found.accuracy[2]


def test_drift_shows_reinforcement(vector: np.ndarray) -> None:
    gold = vector.sum(axis=0) / 1611
    start = pb.scores(vector).f1 * 0 + vector.sum(axis=1) / 1611
    rounds = []
    for power in (1.0, 1.3, 1.6):
        share = gold * (start / gold) ** power
        rounds.append(np.outer(share / share.sum(), gold) * 1000)
    found = preference_runs.drift(np.array(rounds))
    assert found.bias[0] < found.bias[1] < found.bias[2]
    assert found.slope is not None and found.slope > 0
    assert found.reinforcement is not None and found.reinforcement > 0.9


def test_labels_and_stages_are_those_of_the_paper() -> None:
    assert len(pb.LABELS) == 8 and {s for names in pb.STAGES.values() for s in names} == set(
        pb.LABELS[:7]
    )


def test_wrong_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="confusion matrix"):
        pb.preference(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="counts"):
        pb.preference(-np.ones((3, 3)))
    with pytest.raises(ValueError, match="8 labels"):
        pb.preference_bias(np.ones((3, 3)))
    with pytest.raises(ValueError, match="index"):
        pb.confusion_matrix([9], [0], 8)


def test_plain_data_has_every_figure_by_label(vector: np.ndarray) -> None:
    report = pb.preference_bias(vector, simulations=10)
    found = json.loads(json.dumps(pb.preference_dict(report)))
    assert found["p"]["Affirmation and Reassurance"] == pytest.approx(2.535954, abs=1e-6)
    assert found["B"] == pytest.approx(0.766576, abs=1e-6)
    assert set(found["f1"]) == set(pb.LABELS) and len(found["published"]) == 11
    other = pb.preference_bias(np.eye(2) + 1, ("yes", "no"), simulations=10)
    assert pb.preference_dict(other)["published"] == []
