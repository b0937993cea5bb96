"""Score intervals and equivalence of paired shares: how far apart, and is that close enough?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from heartloop.analysis._special import norm_ppf, norm_sf, t_cdf, t_ppf
from heartloop.analysis.paired import PairTable


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests against a region around 0.

    Attributes:
        margin: half-width of the region, a share.
        p: the larger of both one-sided p-values.
        equivalent: p <= alpha.
        low, high: the 1 - 2 alpha interval that goes with it (without continuity correction).
        alpha: level of each one-sided test.
    """

    margin: float
    p: float
    equivalent: bool
    low: float
    high: float
    alpha: float


def _design_effect(table: PairTable) -> float:
    """The design effect, drawn towards its largest value while few pairs differ.

    Without discordant pairs the clustering cannot be seen: three pairs of full clustering are added
    to what was observed, so that 50 questions run three times are not taken for 150.
    """
    different = table.only_a + table.only_b
    size = table.n / table.clusters
    return (different * table.design_effect + 3 * size) / (different + 3)


def _score_z(table: PairTable, delta: float, correction: float = 0.0) -> float:
    """Tango's score statistic for H0: difference = delta, over the root of the design effect."""
    n, b, c = table.n, table.only_a, table.only_b
    linear = -b - c + (2 * n - b + c) * delta
    constant = -c * delta * (1 - delta)
    root = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * root + delta * (1 - delta))
    top = b - c - n * delta
    top = math.copysign(max(0.0, abs(top) - correction * _design_effect(table)), top)
    if variance <= 1e-12:
        return 0.0 if abs(top) < 1e-9 else math.copysign(math.inf, top)
    return top / math.sqrt(variance * _design_effect(table))


def _freedom(table: PairTable) -> float:
    return math.inf if table.clusters >= table.n else max(1, table.clusters - 1)


def score_interval(table: PairTable, level: float = 0.95) -> tuple[float, float]:
    """Score interval for a paired difference (Tango 1998, Stat. Med. 17:891).

    All Δ whose score statistic ``(b - c - NΔ) / sqrt(N (2q + Δ(1-Δ)))`` stays within the quantile,
    q the restricted maximum-likelihood share of pairs right in the second arm only. Never empty,
    right also where no pair is discordant. Pairs alike within clusters: the variance is multiplied
    by the design effect (Rao & Scott 1981) and the quantile is Student's at G - 1.

    Returns:
        Lower and upper limit; (-1, 1) without pairs or with a single cluster.
    """
    if table.n == 0 or table.clusters < 2:
        return -1.0, 1.0
    q = _quantile(0.5 + level / 2, _freedom(table))
    return _solve(table, q, -1.0), _solve(table, -q, 1.0)


def _quantile(level: float, df: float) -> float:
    return norm_ppf(level) if math.isinf(df) else t_ppf(level, df)


def _solve(table: PairTable, target: float, outer: float) -> float:
    inner = table.difference
    if abs(inner - outer) < 1e-12:
        return outer
    for _ in range(60):
        middle = 0.5 * (inner + outer)
        if abs(_score_z(table, middle)) > abs(target):
            outer = middle
        else:
            inner = middle
    return 0.5 * (inner + outer)


def tost(table: PairTable, margin: float = 0.03, alpha: float = 0.05) -> Equivalence:
    """Equivalence of two arms: is the difference within ± margin? "No effect" as a finding.

    Two one-sided score tests against -margin and +margin (Schuirmann 1987; Tango 1998), each with
    a continuity correction of half a pair, which keeps the error under alpha also where few pairs
    are discordant (a plain Wald test calls 50 equal answers equivalence). Clusters as in
    :func:`score_interval`. p = 1 without pairs or with a single cluster.

    Args:
        table: counts of pairs.
        margin: half-width of the region, a share; 0.03 after Chun & Elkins 2026
            (arXiv 2601.21439).
        alpha: level of each one-sided test.

    Raises:
        ValueError: margin not in (0, 1).
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin = {margin}: must be a share between 0 and 1")
    if table.n == 0 or table.clusters < 2:
        return Equivalence(margin, 1.0, False, -1.0, 1.0, alpha)
    df = _freedom(table)
    worst = min(_score_z(table, -margin, 0.5), -_score_z(table, margin, 0.5))
    p = norm_sf(worst) if math.isinf(df) else t_cdf(-worst, df)
    low, high = score_interval(table, 1 - 2 * alpha)
    return Equivalence(margin, p, p <= alpha, low, high, alpha)
