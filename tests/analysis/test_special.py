"""Distribution functions against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heartloop.analysis import _special


def test_t_quantiles_agree_with_scipy() -> None:
    for df in (1, 2, 3, 7, 20, 49, 199, 999, 12345):
        for q in (0.001, 0.025, 0.05, 0.3, 0.5, 0.9, 0.975, 0.995):
            assert _special.t_ppf(q, df) == pytest.approx(stats.t.ppf(q, df), rel=1e-9, abs=1e-12)


def test_t_and_normal_tails_agree_with_scipy() -> None:
    for x in (-8.0, -2.5, -0.1, 0.0, 0.7, 3.0):
        assert _special.norm_cdf(x) == pytest.approx(stats.norm.cdf(x), rel=1e-12)
        assert _special.norm_sf(x) == pytest.approx(stats.norm.sf(x), rel=1e-12)
        for df in (1.0, 4.5, 30.0, 500.0):
            assert _special.t_cdf(x, df) == pytest.approx(stats.t.cdf(x, df), rel=1e-9)


def test_binomial_agrees_with_scipy() -> None:
    for n, p in ((1, 0.5), (17, 0.03), (200, 0.5), (5000, 0.2)):
        k = np.arange(n + 1)
        np.testing.assert_allclose(
            _special.binom_pmf(n, p), stats.binom.pmf(k, n, p), rtol=1e-9, atol=1e-300
        )


def test_certain_events_have_all_the_mass() -> None:
    assert _special.binom_pmf(5, 0.0).tolist() == [1, 0, 0, 0, 0, 0]
    assert _special.binom_pmf(5, 1.0).tolist() == [0, 0, 0, 0, 0, 1]
