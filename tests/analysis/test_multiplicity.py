"""Several hypotheses, against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from heartloop.analysis.multiplicity import benjamini_hochberg, holm, max_t


def test_both_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(8):
        p = rng.random(rng.integers(1, 60)) ** 2
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-9)
        np.testing.assert_allclose(
            benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-9
        )


def test_nothing_in_nothing_out_and_bad_input_refused() -> None:
    assert holm([]).shape == (0,) and benjamini_hochberg([]).shape == (0,)
    with pytest.raises(ValueError, match="p-values"):
        holm([1.2])


def test_max_t_agrees_with_the_full_enumeration_for_one_arm() -> None:
    rng = np.random.default_rng(1)
    d = rng.integers(-2, 3, (1, 60))
    from heartloop.analysis.paired import permutation_test

    found = max_t(d, 20_000)
    assert found.adjusted[0] == found.p[0]
    assert found.p[0] == pytest.approx(permutation_test(d[0]).p, abs=0.012)


def test_max_t_is_sharper_than_holm_where_arms_are_alike() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(0.25, 1, 200)
    arms = shared + rng.normal(0, 0.1, (10, 200))
    found = max_t(arms, 4000)
    assert (found.adjusted <= holm(found.p) + 1e-12).all()
    assert found.adjusted.max() < 0.5 * holm(found.p).max()


def test_max_t_keeps_its_error_rate_without_an_effect() -> None:
    rng = np.random.default_rng(3)
    wrong = 0
    for seed in range(300):
        rate = rng.beta(0.3, 0.3, 120)
        table = (rng.random((7, 120)) < rate).astype(int)
        wrong += max_t(table[1:] - table[0], 300, seed).adjusted.min() <= 0.05
    assert wrong / 300 < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_adjusted_max_t_follows_the_order_of_the_statistics() -> None:
    rng = np.random.default_rng(4)
    arms = rng.normal(0, 1, (6, 80)) + np.linspace(0, 0.5, 6)[:, None]
    found = max_t(arms, 1000)
    t = np.abs(arms.sum(axis=1)) / np.sqrt((arms**2).sum(axis=1))
    assert (np.diff(found.adjusted[np.argsort(-t)]) >= 0).all()
    assert (found.adjusted >= found.p - 1e-12).all()
