"""Power against simulation of the very test that is reported."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis.design import claim_power, equivalence_power, power_plan
from heartloop.analysis.paired import cluster_differences, mcnemar, permutation_test
from heartloop.analysis.power import (
    paired_power,
    pilot_noise,
    smallest_detectable,
)


def simulated(n: int, d: float, delta: float, exact: bool) -> float:
    rng = np.random.default_rng(n)
    tables = rng.multinomial(n, [(d + delta) / 2, (d - delta) / 2, 1 - d], 40_000)[:, :2]
    kinds, counts = np.unique(tables, axis=0, return_counts=True)
    p = [mcnemar(b, c) for b, c in kinds.tolist()]
    hit = np.array([(v.p if exact else v.mid_p) <= 0.05 for v in p])
    return float((hit * counts).sum() / counts.sum())


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "delta"),
    [(50, 0.1, 0.08), (100, 0.1, 0.08), (200, 0.1, 0.05), (500, 0.2, 0.05), (4500, 0.1, 0.013)],
)
def test_power_is_within_a_point_of_simulation(n: int, d: float, delta: float, exact: bool) -> None:
    assert paired_power(n, delta, d, exact=exact) == pytest.approx(
        simulated(n, d, delta, exact), abs=0.01
    )


def test_without_an_effect_power_is_the_size_of_the_test() -> None:
    # exact McNemar at 10 % discordance: far below 5 %
    for n, size in ((50, 0.009), (200, 0.029), (1000, 0.040)):
        assert paired_power(n, 0.0, 0.1, exact=True) == pytest.approx(size, abs=0.0015)


def test_power_over_seeds_agrees_with_simulation() -> None:
    rng = np.random.default_rng(0)
    n, s, reps = 300, 3, 1500
    # a question's difference is drawn anew each seed: correlation by a shared tilt of the sign
    found, rho = 0, []
    for _ in range(reps):
        tilt = np.where(rng.random(n) < 0.5, 0.45, -0.45) + 0.2
        u = rng.random((n, s))
        differs = rng.random((n, s)) < 0.15
        sign = np.where(u < (1 + tilt[:, None]) / 2, 1, -1)
        d = np.where(differs, sign, 0)
        found += permutation_test(d.sum(axis=1)).mid_p <= 0.05
        c = np.cov(d.T)
        rho.append((c.sum() - np.trace(c)) / (s - 1) / np.trace(c))
    planned = paired_power(n, 0.2 * 0.15, 0.15, seeds=s, correlation=float(np.mean(rho)))
    assert planned == pytest.approx(found / reps, abs=0.03)


def test_planning_figures_of_the_design() -> None:
    # the plain normal formula gives 8.9 and 1.9 points; the exact one is no larger
    at_100, at_2156 = smallest_detectable(100), smallest_detectable(2156)
    assert at_100 is not None and 0.080 < at_100 < 0.090
    assert at_2156 is not None and at_2156 == pytest.approx(0.019, abs=0.0005)


def test_a_difference_above_the_discordance_is_all_one_way() -> None:
    # with n = 30 and 10 % discordant only a difference that raises the discordance can be seen
    found = smallest_detectable(30)
    assert found is not None and 0.2 < found < 0.3
    assert paired_power(30, found, found) == pytest.approx(0.8, abs=0.005)
    rng = np.random.default_rng(0)
    b = rng.binomial(30, found, 20_000)
    hit = np.mean([mcnemar(int(k), 0).mid_p <= 0.05 for k in range(31)] @ np.eye(31)[b].T)
    assert hit == pytest.approx(0.8, abs=0.012)


def test_four_questions_can_detect_nothing() -> None:
    assert smallest_detectable(4) is None
    assert "no difference" in power_plan(4).sentence


def test_more_arms_and_more_alike_seeds_need_more() -> None:
    assert power_plan(500, treatments=5).smallest > power_plan(500).smallest  # type: ignore[operator]
    one = smallest_detectable(500, seeds=1)
    assert smallest_detectable(500, seeds=3, correlation=1.0) == one
    assert smallest_detectable(500, seeds=3, correlation=0.0) < one  # type: ignore[operator]


def test_tokens_follow_from_needed_questions() -> None:
    plan = power_plan(500, 2, seeds=2, target=0.03, tokens_per_question=600)
    assert plan.tokens == 500 * 2 * 600
    assert plan.needed is not None and plan.needed_tokens == plan.needed * 2 * 600


def test_pilot_gives_discordance_and_correlation() -> None:
    rng = np.random.default_rng(1)
    a = rng.random(400) < 0.6
    b = a ^ (rng.random(400) < 0.2)
    noise = pilot_noise(a, b)
    assert noise.discordance == pytest.approx(0.2, abs=0.05)
    copied = pilot_noise(np.repeat(a[:, None], 3, 1), np.repeat(b[:, None], 3, 1))
    assert copied.correlation == pytest.approx(1.0, abs=0.02)
    assert power_plan(400, pilot=noise).source == "pilot"


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="discordance"):
        paired_power(100, 0.2, 0.1)
    with pytest.raises(ValueError, match="no question"):
        pilot_noise(np.ones(2), np.ones(2), np.zeros(2))


def test_cluster_differences_feed_the_same_test() -> None:
    a, b = np.array([[1, 1], [0, 1]]), np.array([[0, 1], [0, 0]])
    assert cluster_differences(a, b).tolist() == [1, 1]


def test_sentence_of_a_few_questions_promises_nothing_it_cannot_hold() -> None:
    assert "can show no difference" in power_plan(3).sentence
    few = power_plan(10, 5)
    assert few.smallest is not None and few.smallest > few.discordance
    assert "10 questions are few" in few.sentence and "10%" not in few.sentence
    many = power_plan(675, 5, placebos=0).sentence
    assert "4.1 points, if the arms differ on 10% of the questions (assumed)" in many
    assert power_plan(1).sentence.startswith("1 question can")


def test_both_contrasts_need_a_little_more_than_one() -> None:
    alone = power_plan(600, 11, placebos=0, target=0.08)
    both = power_plan(600, 11, target=0.08)
    assert alone.needed is not None and both.needed is not None
    assert alone.needed < both.needed < 1.4 * alone.needed
    assert "against the plain prompt and the placebos" in both.sentence
    assert f"8 points: {both.needed:,} questions" in both.sentence


def test_both_contrasts_are_found_as_often_as_simulated() -> None:
    # independent answers: half of all pairs differ, the mean of two placebos has 3/4 the variance
    rng = np.random.default_rng(2)
    n, reps, hits = 400, 4000, 0
    for _ in range(reps):
        y = (rng.random((4, n)) < np.array([[0.5], [0.5], [0.5], [0.62]])).astype(float)
        pair = (y[3] - y[0], y[3] - y[1:3].mean(axis=0))
        hits += min(d.mean() / (d.std() / np.sqrt(n)) for d in pair) > 2.2414  # .05 / 2, two-sided
    assert claim_power(n, 0.12, 0.5, treatments=2) == pytest.approx(hits / reps, abs=0.03)


def test_power_to_show_equivalence_rises_with_questions_and_falls_with_treatments() -> None:
    assert equivalence_power(200) == 0
    assert equivalence_power(2000) > 0.8
    assert equivalence_power(1500, treatments=11) < equivalence_power(1500)
    assert power_plan(100).needed_equivalence == pytest.approx(1000, rel=0.35)
