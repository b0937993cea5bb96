"""Mixed-effects logistic regression against direct integration and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from heartloop.analysis.mixed import mixed_logit


def simulate(seed: int, n: int, s: int, effect: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    u = 0.3 + rng.normal(0, sd, n)[:, None]
    a, b = (rng.random((n, s)) < 1 / (1 + np.exp(-(u + x * effect / 2))) for x in (1, -1))
    return a.astype(np.int8), b.astype(np.int8)


def test_likelihood_and_maximum_agree_with_numerical_integration() -> None:
    a, b = simulate(0, 120, 3, 0.5, 1.2)
    found = mixed_logit(a, b)
    kinds, counts = np.unique(np.stack([a.sum(1), b.sum(1)], 1), axis=0, return_counts=True)

    def minus(theta: np.ndarray) -> float:
        total = 0.0
        for (x, y), count in zip(kinds.tolist(), counts.tolist(), strict=True):

            def density(u: float, x: int = x, y: int = y) -> float:
                p = 1 / (1 + math.exp(-(theta[0] + theta[1] / 2 + u)))
                q = 1 / (1 + math.exp(-(theta[0] - theta[1] / 2 + u)))
                return float(
                    p**x * (1 - p) ** (3 - x) * q**y * (1 - q) ** (3 - y)
                    * stats.norm.pdf(u, 0, math.exp(theta[2]))
                )  # fmt: skip

            total += count * math.log(integrate.quad(density, -12, 12, epsabs=1e-11)[0])
        return -total

    here = np.array([found.intercept, found.effect, math.log(found.sd)])
    assert found.log_likelihood == pytest.approx(-minus(here), abs=1e-6)
    slope = optimize.approx_fprime(here, minus, 1e-4)
    assert np.abs(slope).max() < 0.02  # the curvature is about 30: off by less than 0.001


def test_effects_are_recovered_and_covered() -> None:
    found = [mixed_logit(*simulate(seed, 500, 3, 0.4, 1.5)) for seed in range(60)]
    effects = np.array([f.effect for f in found])
    assert effects.mean() == pytest.approx(0.4, abs=3 * effects.std() / math.sqrt(60))
    covered = [f.low is not None and f.high is not None and f.low < 0.4 < f.high for f in found]
    assert np.mean(covered) > 0.85
    assert np.mean([f.sd for f in found]) == pytest.approx(1.5, abs=0.06)


def test_points_are_the_marginal_difference() -> None:
    a, b = simulate(2, 4000, 2, 0.6, 1.0)
    assert mixed_logit(a, b).points == pytest.approx(a.mean() - b.mean(), abs=0.01)


def test_without_an_effect_it_rejects_about_five_percent() -> None:
    wrong = sum(mixed_logit(*simulate(seed, 150, 2, 0.0, 1.0)).p <= 0.05 for seed in range(200))
    assert wrong / 200 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_alike_questions_have_no_spread() -> None:
    found = mixed_logit(*simulate(3, 400, 2, 0.5, 0.0))
    assert found.sd < 0.5 and found.low is not None


def test_separated_arms_are_said_to_have_no_estimate() -> None:
    found = mixed_logit(np.ones((40, 2), dtype=np.int8), np.zeros((40, 2), dtype=np.int8))
    assert not found.converged and found.low is None
    assert math.isfinite(found.effect) and found.p < 0.001
    with pytest.raises(ValueError, match="share no question"):
        mixed_logit(np.array([-3], dtype=np.int8), np.array([1], dtype=np.int8))
