"""ROPE: the posterior share within the margin is calibrated, and stands beside every contrast."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis.contrasts import contrasts, sample
from heartloop.analysis.rope import share_within


def test_of_the_tables_that_say_seventy_percent_seventy_are_within() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform(-0.3, 0.3, 4_000)  # a flat prior, wide beside the error
    data = truth[:, None] + rng.normal(0, 0.2, (4_000, 30))
    said = np.array([
        share_within(row.mean(), row.std(ddof=1) / 30**0.5, 29, 0.05) for row in data
    ])  # fmt: skip
    inside = np.abs(truth) <= 0.05
    for low in (0.0, 0.2, 0.4, 0.6):
        here = (said >= low) & (said < low + 0.2)
        assert here.sum() > 100
        assert inside[here].mean() == pytest.approx(said[here].mean(), abs=0.08), low


def test_it_is_one_less_both_tails_of_tost() -> None:
    assert share_within(0.0, 0.01, np.inf, 0.0196) == pytest.approx(0.95, abs=1e-4)
    assert share_within(0.1, 0.01, 50, 0.03) < 1e-6
    assert share_within(0.03, 0.001, 50, 0.03) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("planted, low, high", [(0.0, 0.8, 1.0), (0.12, 0.0, 0.01)])
def test_every_contrast_has_it(planted: float, low: float, high: float) -> None:
    rng = np.random.default_rng(5)
    luck = rng.random(1500)
    other = np.where(rng.random(1500) < 0.9, luck, rng.random(1500))
    arms = np.stack([luck < 0.5, other < 0.5 + planted]).astype(float)
    (found,) = contrasts(sample(arms), [[-1, 1]], flips=1000)
    assert found.within is not None and low <= found.within <= high


def test_one_pair_says_nothing_and_no_difference_is_never_sure() -> None:
    (alone,) = contrasts(sample([[1.0], [1.0]]), [[-1, 1]], flips=1000)
    assert alone.within is None
    (same,) = contrasts(sample(np.ones((2, 30))), [[-1, 1]], flips=1000)
    assert same.within is not None and same.within < 0.75


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="se 0"):
        share_within(0.0, 0.0, 9, 0.03)
