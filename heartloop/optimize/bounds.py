"""Bounds of paired differences: always-valid for the search, exact for the held-out test.

All inputs are paired differences in [-1, 1]: the score of an arm minus the score of its partner on
the same question. Nothing here reads a file or asks a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BETS: Floats = np.geomspace(0.02, 0.95, 14)
_STEPS = 40


def normal_quantile(probability: float) -> float:
    """The standard normal quantile.

    Raises:
        statistics.StatisticsError: the probability is not inside (0, 1).
    """
    return NormalDist().inv_cdf(probability)


def normal_cdf(value: float) -> float:
    """The standard normal distribution function."""
    return NormalDist().cdf(value)


def _log_wealth(shifted: Floats, counts: Floats, mean: Floats) -> Floats:
    """Log of the mixed wealth of bets that the mean of ``shifted`` is above ``mean``, per arm."""
    ratio = shifted[None, None, :] / mean[:, None, None]
    growth = np.log1p(-_BETS[None, :, None] + _BETS[None, :, None] * ratio)
    each = np.einsum("kv,kbv->kb", counts, growth)
    top = each.max(axis=1)
    mixed: Floats = top + np.log(np.exp(each - top[:, None]).mean(axis=1))
    return mixed


def lower_bounds(values: Floats, counts: Floats, error: float) -> Floats:
    """Always-valid lower bounds of the means of variables in [-1, 1], one an arm.

    For a mean m, each bet c in (0, 1) multiplies its wealth by ``1 - c + c (1 + x) / (1 + m)``
    on every observation x: a non-negative martingale when the mean is m, and a supermartingale
    when it is smaller. The average over a fixed grid of bets is one, too, so by Ville's inequality
    it reaches 1 / error with probability at most ``error``, at whatever moment one looks
    (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting";
    the grid of constant bets needs counts only). The bound is the smallest mean not yet refuted.

    Args:
        values: shape (v,), the distinct values of the differences, each in [-1, 1].
        counts: shape (k, v), how often each arm saw each value.
        error: probability that any one arm's bound is ever wrong, over all time.

    Returns:
        Shape (k,), each in [-1, 1]; -1 for an arm without observations.
    """
    shifted = np.clip(values + 1.0, 0.0, 2.0)
    target = math.log(1.0 / error)
    low = np.full(len(counts), 1e-9)
    totals = counts.sum(axis=1)
    high = np.where(totals > 0, counts @ shifted / np.maximum(totals, 1) + 1e-9, 1e-9)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        refuted = _log_wealth(shifted, counts, middle) >= target
        low = np.where(refuted, middle, low)
        high = np.where(refuted, high, middle)
    bounds: Floats = np.clip(low - 1.0, -1.0, 1.0)
    return bounds


def always_valid(values: Floats, counts: Floats, error: float) -> tuple[Floats, Floats]:
    """Two-sided always-valid bounds: each side may fail with probability ``error / 2``.

    Args:
        values: shape (v,), distinct differences in [-1, 1].
        counts: shape (k, v).
        error: two-sided error of one arm's interval over all time.

    Returns:
        Lower and upper bounds, each of shape (k,).
    """
    low = lower_bounds(values, counts, error / 2)
    high = -lower_bounds(-values, counts, error / 2)
    return low, high


def tabulate(differences: list[Floats]) -> tuple[Floats, Floats]:
    """Distinct values and counts of several arms' differences, as the bounds take them."""
    everything = np.concatenate(differences) if differences else np.zeros(0)
    values = np.unique(everything)
    if not len(values):
        return np.zeros(1), np.zeros((len(differences), 1))
    counts = np.zeros((len(differences), len(values)))
    for row, one in enumerate(differences):
        if len(one):
            found, times = np.unique(one, return_counts=True)
            counts[row, np.searchsorted(values, found)] = times
    return values, counts


@dataclass(frozen=True, slots=True)
class PairedEstimate:
    """A paired difference on questions that were fixed before anything was asked.

    Attributes:
        difference: mean of the differences, in [-1, 1]; unbiased.
        low, high: two-sided interval at 1 - error.
        p_value: one-sided, against "not better": exact for right/wrong scores.
        wins, losses: questions on which only one of the two was better.
        questions: pairs used.
        error: the error rate of the interval.
    """

    difference: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int
    questions: int
    error: float


def sign_test(wins: int, losses: int) -> float:
    """One-sided exact McNemar test: P(Bin(wins + losses, 1/2) >= wins)."""
    n = wins + losses
    if not n:
        return 1.0
    return min(1.0, sum(math.comb(n, k) for k in range(wins, n + 1)) / 2**n)


def paired_estimate(differences: Floats, error: float = 0.05) -> PairedEstimate:
    """Estimate, interval and one-sided test of a mean paired difference.

    Differences in {-1, 0, 1} get the adjusted Wald interval of Bonett and Price (2012), which adds
    one win and one loss, and the exact sign test on the discordant pairs. Other scores get the
    normal interval and test of the mean.

    Args:
        differences: shape (n,), each in [-1, 1].
        error: two-sided error of the interval.

    Returns:
        The estimate; without a pair the interval is [-1, 1] and the p-value 1.
    """
    n = len(differences)
    if not n:
        return PairedEstimate(0.0, -1.0, 1.0, 1.0, 0, 0, 0, error)
    z = normal_quantile(1 - error / 2)
    mean = float(differences.mean())
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    if np.isin(differences, (-1.0, 0.0, 1.0)).all():
        up, down = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
        half = z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
        centre, p_value = up - down, sign_test(wins, losses)
    else:
        spread = float(differences.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
        half, centre = z * spread, mean
        p_value = 1 - normal_cdf(mean / spread) if spread > 0 else (0.0 if mean > 0 else 1.0)
    return PairedEstimate(
        mean, max(-1.0, centre - half), min(1.0, centre + half), p_value, wins, losses, n, error
    )


def mean_discordance(scores: Floats) -> float:
    """Mean share of questions on which two of several arms differ, over all pairs of arms.

    For right/wrong scores this is twice the mean variance within a question; for other scores
    that same quantity stands in for it, since it is what the noise of a difference depends on.

    Args:
        scores: shape (arms, questions); NaN where an answer is missing.

    Returns:
        In [0, 1]; NaN with fewer than two arms.
    """
    whole = scores[:, ~np.isnan(scores).any(axis=0)]
    if whole.shape[0] < 2 or whole.shape[1] == 0:
        return math.nan
    return float(2 * whole.var(axis=0, ddof=1).mean())
