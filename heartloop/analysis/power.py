"""Power before the run: what this design can see, and what it would take to see a given effect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import binom_pmf, log_factorial, norm_cdf, norm_ppf
from heartloop.analysis.paired import pair_table

DISCORDANCE = 0.10
"""Share of questions on which two arms differ, where no pilot says better."""

CORRELATION = 0.1
"""How alike the differences of one question are over seeds, where no pilot says better. Without
any effect it is 0, with an effect that sits in a few questions it is large."""

_EXACT = 400.0  # n x discordance up to which power is summed exactly (the demand is 100)


@lru_cache(maxsize=64)
def _critical(largest: int, alpha: float, exact: bool) -> NDArray[np.int64]:
    """For m = 0 … largest discordant pairs: the largest smaller count that is significant, or -1.

    Significant means mid-p <= alpha (or exact p, if ``exact``), two-sided, as in ``mcnemar``.
    """
    out = np.full(largest + 1, -1, dtype=np.int64)
    for m in range(1, largest + 1):
        pmf = binom_pmf(m, 0.5)[: (m - 1) // 2 + 1]
        p = 2 * np.cumsum(pmf) - (0 if exact else pmf)
        out[m] = int(np.searchsorted(p > alpha, True)) - 1
    return out


def paired_power(
    n: int,
    difference: float,
    discordance: float = DISCORDANCE,
    alpha: float = 0.05,
    seeds: int = 1,
    correlation: float = CORRELATION,
    exact: bool = False,
) -> float:
    """Probability that ``compare`` finds a true paired difference (two-sided mid-p test).

    The number of discordant pairs is M ~ Binomial(N, d); of them, X ~ Binomial(M, (d + Δ) / 2d)
    favour the better arm. The power is summed over both, exactly, while N x d is at most 400;
    beyond, ``Φ((sqrt(N)|Δ| - z sqrt(d)) / sqrt(d - Δ²))`` (Miettinen 1968, Biometrics 24:339; with
    a continuity correction of one pair for the exact test).
    Seeds: N = n S / (1 + (S-1) ρ) effective pairs, ρ the correlation of a question's differences
    over seeds.

    Args:
        n: questions.
        difference: true difference, a share; its sign does not matter.
        discordance: share of pairs that differ, >= |difference|.
        alpha: two-sided level.
        seeds: runs of each question.
        correlation: ρ in [0, 1].
        exact: power of the exact McNemar test in place of the mid-p test.

    Raises:
        ValueError: a difference larger than the discordance, or values out of range.
    """
    delta = abs(difference)
    if not 0 < discordance <= 1 or delta > discordance + 1e-12:
        raise ValueError(
            f"discordance {discordance:g} must be in (0, 1] and at least the difference {delta:g}"
        )
    if n < 1 or seeds < 1 or not 0 <= correlation <= 1 or not 0 < alpha < 1:
        raise ValueError("n and seeds must be at least 1, correlation and alpha shares")
    pairs = max(1, round(n * seeds / (1 + (seeds - 1) * correlation)))
    share = min(1.0, (discordance + delta) / (2 * discordance))
    if pairs * discordance > _EXACT:
        z = norm_ppf(1 - alpha / 2)
        spread = math.sqrt(max(discordance - delta * delta, 1e-300))
        bar = z * math.sqrt(discordance) + (1 / math.sqrt(pairs) if exact else 0.0)
        near = (math.sqrt(pairs) * delta - bar) / spread
        far = (-math.sqrt(pairs) * delta - bar) / spread
        return norm_cdf(near) + norm_cdf(far)
    middle = pairs * discordance
    width = 8 * math.sqrt(middle * (1 - discordance) + 1) + 10
    first, last = max(0, int(middle - width)), min(pairs, int(middle + width))
    m = np.arange(first, last + 1)
    weight = binom_pmf(pairs, discordance)[first : last + 1]
    # The table is made in steps of 128, so that neighbouring designs share it.
    limit = _critical((last // 128 + 1) * 128, alpha, exact)[m]
    # P(X <= limit) + P(X >= m - limit) for all m at once
    k = np.arange(last + 1)
    f = log_factorial(last)
    inside = k[None, :] <= m[:, None]
    left = np.where(inside, m[:, None] - k[None, :], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_q = math.log(share), (math.log(1 - share) if share < 1 else -math.inf)
        log_pmf = f[m][:, None] - f[k][None, :] - f[left] + k[None, :] * log_q[0]
        # 0 x -inf is 0: no failure has to happen
        log_pmf = log_pmf + np.where(left > 0, left * log_q[1], 0.0)
    pmf = np.where(inside, np.exp(log_pmf), 0.0)
    reject = (k[None, :] <= limit[:, None]) | (k[None, :] >= (m - limit)[:, None])
    return float(weight @ np.where(reject & (limit >= 0)[:, None], pmf, 0.0).sum(axis=1))


def smallest_detectable(
    n: int,
    discordance: float = DISCORDANCE,
    power: float = 0.8,
    alpha: float = 0.05,
    seeds: int = 1,
    correlation: float = CORRELATION,
    exact: bool = False,
) -> float | None:
    """Smallest true difference that is found with the given power, a share.

    Bisection on :func:`paired_power` (to 0.01 points). A difference cannot be larger than the share
    of pairs that differ: above the assumed discordance, every pair that differs is taken to favour
    one arm. None where even a difference of all pairs would be missed too often (a few questions).

    Args:
        n: as in :func:`paired_power`; likewise the others.
        discordance: share of pairs that differ, or the difference where that is larger.
        power: wanted probability of finding it.
        alpha: two-sided level.
        seeds: runs of each question.
        correlation: of a question's differences over seeds.
        exact: for the exact test in place of mid-p.
    """

    def reached(delta: float) -> bool:
        d = max(discordance, delta)
        return paired_power(n, delta, d, alpha, seeds, correlation, exact) >= power

    if not reached(1.0):
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a pilot run says about the noise of a paired comparison.

    Attributes:
        discordance: share of pairs that differ, with half a pair added at both ends so that a
            small pilot never says 0 (Laplace).
        correlation: of a question's differences over seeds; the default with one seed.
        questions: behind the figures.
        difference: observed; shown, never planned with.
    """

    discordance: float
    correlation: float
    questions: int
    difference: float


def pilot_noise(a: ArrayLike, b: ArrayLike, mask: ArrayLike | None = None) -> Pilot:
    """Discordance and seed correlation from two arms of a pilot.

    Args:
        a: whether the first arm was right, shape (questions,) or (questions, seeds).
        b: the second arm.
        mask: pairs to count.

    Raises:
        ValueError: shapes that differ, or no pair.
    """
    table = pair_table(a, b, mask)
    if table.n == 0:
        raise ValueError("the pilot has no question that both arms answered")
    seeds = np.asarray(a).reshape(len(np.asarray(a)), -1).shape[1]
    correlation = CORRELATION
    if seeds > 1:
        correlation = min(1.0, max(0.0, (table.design_effect - 1) / (seeds - 1)))
    different = table.only_a + table.only_b
    return Pilot((different + 0.5) / (table.n + 1), correlation, table.clusters, table.difference)
