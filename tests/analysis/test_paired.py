"""Paired tests and intervals against independent implementations."""

from __future__ import annotations

import itertools
import time
import tracemalloc

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.proportion import proportion_effectsize

from heartloop.analysis import paired, score


def arms_from(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    sizes = [both, only_a, only_b, neither]
    return np.repeat([1, 1, 0, 0], sizes), np.repeat([1, 0, 1, 0], sizes)


def test_exact_mcnemar_agrees_with_statsmodels_and_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        b, c = rng.integers(0, 150, 2).tolist()
        found = paired.mcnemar(b, c)
        assert found.p == pytest.approx(sm_mcnemar([[10, b], [c, 10]], exact=True).pvalue, abs=1e-9)
        if b + c:
            assert found.p == pytest.approx(stats.binomtest(b, b + c).pvalue, abs=1e-9)
        if b != c:
            assert found.mid_p == pytest.approx(
                found.p - stats.binom.pmf(min(b, c), b + c, 0.5), abs=1e-9
            )


def test_no_discordant_pair_is_no_evidence() -> None:
    assert paired.mcnemar(0, 0) == paired.PValues(1.0, 1.0)
    assert paired.permutation_test(np.zeros(10)) == paired.PValues(1.0, 1.0)


def test_permutation_of_single_pairs_is_mcnemar() -> None:
    for b, c in ((5, 2), (3, 3), (0, 7), (40, 21), (900, 1000)):
        d = np.concatenate([np.ones(b), -np.ones(c), np.zeros(11)])
        found, table = paired.permutation_test(d), paired.mcnemar(b, c)
        assert found.p == pytest.approx(table.p, abs=1e-9)
        assert found.mid_p == pytest.approx(table.mid_p, abs=1e-9)


def test_permutation_is_the_full_enumeration_of_sign_flips() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        d = rng.integers(-3, 4, 10)
        sums = np.array([np.dot(d, s) for s in itertools.product([-1, 1], repeat=10)])
        beyond = (np.abs(sums) > abs(d.sum())).mean()
        equal = (np.abs(sums) == abs(d.sum())).mean()
        found = paired.permutation_test(d)
        assert found.p == pytest.approx(beyond + equal, abs=1e-12)
        if d.sum():
            assert found.mid_p == pytest.approx(beyond + equal / 2, abs=1e-12)


def test_permutation_of_large_samples_uses_the_same_distribution() -> None:
    rng = np.random.default_rng(2)
    d = rng.integers(-3, 4, 40_000)
    found = paired.permutation_test(d)
    z = abs(d.sum()) / np.sqrt((d**2).sum())
    assert found.mid_p == pytest.approx(2 * stats.norm.sf(z), abs=2e-3)


def test_scores_that_are_no_counts_are_flipped_at_random() -> None:
    rng = np.random.default_rng(3)
    d = rng.normal(0.25, 1, 60)
    found = paired.permutation_test(d, draws=20_000)
    expected = stats.permutation_test(
        (d, np.zeros(60)),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        random_state=0,
    ).pvalue
    assert found.p == pytest.approx(expected, abs=0.015)


def test_cohens_h_agrees_with_statsmodels() -> None:
    for p, q in np.random.default_rng(4).random((50, 2)).tolist():
        assert paired.cohens_h(p, q) == pytest.approx(proportion_effectsize(p, q), abs=1e-9)


def test_score_interval_inverts_its_test() -> None:
    table = paired.pair_table(*arms_from(40, 12, 5, 43))
    low, high = score.score_interval(table)
    assert low < table.difference < high
    for limit in (low, high):
        assert abs(score._score_z(table, limit)) == pytest.approx(stats.norm.ppf(0.975), abs=1e-6)
    # at 0 the statistic is McNemar's without correction
    assert score._score_z(table, 0.0) ** 2 == pytest.approx(
        sm_mcnemar([[40, 12], [5, 43]], exact=False, correction=False).statistic, abs=1e-9
    )


def test_score_interval_reproduces_a_published_example() -> None:
    # Tango 1998, example of 44 crossed-over patients (b, c) = (1, 0): 95 % interval -.060 to .118
    table = paired.PairTable(43, 1, 0, 0, 44, 1.0)
    low, high = score.score_interval(table)
    assert low == pytest.approx(-0.060, abs=0.003)
    assert high == pytest.approx(0.118, abs=0.003)


def test_bootstrap_by_pattern_is_the_bootstrap_by_index() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random((400, 2)) < 0.6, rng.random((400, 2)) < 0.55
    found = paired.paired_bootstrap(a, b, draws=20_000)
    d = a.mean(axis=1) - b.mean(axis=1)
    means = d[rng.integers(0, 400, (20_000, 400))].mean(axis=1)
    assert found.se == pytest.approx(means.std(), rel=0.03)
    assert found.low == pytest.approx(np.quantile(means, 0.025), abs=0.003)
    assert found.high == pytest.approx(np.quantile(means, 0.975), abs=0.003)


def test_bootstrap_of_clusters_keeps_them_together() -> None:
    rng = np.random.default_rng(6)
    topic = rng.normal(0, 0.15, 50)
    clusters = np.repeat(np.arange(50), 20)
    a = rng.random(1000) < np.clip(0.5 + topic[clusters], 0, 1)
    b = rng.random(1000) < 0.5
    alone = paired.paired_bootstrap(a, b, draws=4000)
    together = paired.paired_bootstrap(a, b, clusters=clusters, draws=4000)
    assert together.se > 1.15 * alone.se
    table = paired.pair_table(a, b, clusters=clusters)
    assert table.design_effect > 1.3 and table.clusters == 50
    low, high = score.score_interval(table)
    assert high - low == pytest.approx(together.high - together.low, rel=0.15)


def test_rows_too_varied_for_patterns_give_the_same_distribution() -> None:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(300, 1))
    sums = paired.resample_sums(rows, 8000) / 300
    assert sums.std() == pytest.approx(rows.std() / np.sqrt(300), rel=0.04)


def test_same_seed_same_draws() -> None:
    a, b = arms_from(30, 9, 4, 20)
    assert paired.paired_bootstrap(a, b, seed=3) == paired.paired_bootstrap(a, b, seed=3)


def test_a_hundred_thousand_pairs_take_seconds_and_little_memory() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.random((100_000, 3)) < 0.6, rng.random((100_000, 3)) < 0.6
    tracemalloc.start()
    start = time.perf_counter()
    paired.paired_bootstrap(a, b, draws=10_000)
    paired.permutation_test(paired.cluster_differences(a, b))
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
    assert seconds < 20


def test_equal_arms_are_equivalent_and_different_ones_are_not() -> None:
    same = score.tost(paired.pair_table(*arms_from(500, 40, 40, 420)))
    assert same.equivalent and -0.03 < same.low < same.high < 0.03
    apart = score.tost(paired.pair_table(*arms_from(500, 80, 20, 400)))
    assert not apart.equivalent and apart.p > 0.9


def test_few_questions_prove_no_equivalence_even_when_all_answers_agree() -> None:
    found = score.tost(paired.pair_table(np.ones(50), np.ones(50)))
    assert not found.equivalent
    assert score.tost(paired.pair_table(np.ones(1000), np.ones(1000))).equivalent


def test_copied_seeds_add_nothing() -> None:
    a, b = arms_from(100, 30, 12, 58)
    once = paired.pair_table(a, b)
    copied = paired.pair_table(np.repeat(a[:, None], 4, 1), np.repeat(b[:, None], 4, 1))
    assert copied.design_effect == pytest.approx(4, rel=0.02)
    np.testing.assert_allclose(score.score_interval(copied), score.score_interval(once), atol=2e-3)
    d = paired.cluster_differences(np.repeat(a[:, None], 4, 1), np.repeat(b[:, None], 4, 1))
    assert paired.permutation_test(d).p == pytest.approx(paired.mcnemar(30, 12).p, abs=1e-9)


def test_arms_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="same questions"):
        paired.pair_table(np.ones(3), np.ones(4))


def test_no_pair_at_all_gives_no_claim() -> None:
    a = np.ones((3, 1))
    mask = np.zeros((3, 1))
    table = paired.pair_table(a, a, mask)
    assert table.n == 0 and np.isnan(table.difference)
    assert score.score_interval(table) == (-1.0, 1.0)
    assert not score.tost(table).equivalent
    assert np.isnan(paired.paired_bootstrap(a, a, mask).low)
