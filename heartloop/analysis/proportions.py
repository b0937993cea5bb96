"""Accuracy with intervals: Wilson for independent answers, cluster-robust for the others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis import ABSENT, CORRECT, ERROR, INCORRECT, UNSCORED
from heartloop.analysis._special import norm_ppf, t_ppf

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its uncertainty.

    Attributes:
        estimate: the share in [0, 1]; None where nothing was counted.
        low: lower limit.
        high: upper limit.
        n: what was counted.
        method: how the limits were found: ``wilson``, ``cluster-wilson``, ``none``.
        level: nominal coverage.
    """

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy of one arm, read both ways, with the counts of all four outcomes.

    Attributes:
        of_all: correct / everything attempted.
        of_scored: correct / (correct + incorrect).
        correct: count over questions and draws; likewise the next three.
        clusters: number of independent groups behind the intervals.
        design_effect: variance of ``of_all`` over that of as many independent answers.
    """

    of_all: Interval
    of_scored: Interval
    correct: int
    incorrect: int
    unscored: int
    error: int
    clusters: int
    design_effect: float

    @property
    def total(self) -> int:
        """Everything attempted."""
        return self.correct + self.incorrect + self.unscored + self.error

    @property
    def unscored_rate(self) -> float:
        """Share of attempts without a verdict."""
        return self.unscored / self.total if self.total else 0.0

    @property
    def error_rate(self) -> float:
        """Share of attempts whose call failed."""
        return self.error / self.total if self.total else 0.0


def wilson_limits(p: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's limits of a share p of n trials, n not necessarily whole, at the quantile z."""
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At 0 and 1 the limits are exact; rounding must not push them off.
    low = 0.0 if p <= 0 else max(0.0, centre - half)
    high = 1.0 if p >= 1 else min(1.0, centre + half)
    return low, high


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval for a share of independent trials.

    ``(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)`` (Wilson 1927, JASA 22:209). Its
    coverage averaged over p is close to the level; at single p it may be lower.

    Args:
        successes: count, 0 … n.
        n: trials; with 0 the result has no estimate.
        level: coverage.
    """
    if n <= 0:
        return Interval(None, None, None, 0, "none", level)
    p = successes / n
    low, high = wilson_limits(p, n, norm_ppf(0.5 + level / 2))
    return Interval(p, low, high, n, "wilson", level)


def cluster_ids(clusters: ArrayLike | None, rows: int) -> IntArray:
    """Integer cluster of each row, 0 … G - 1; every row its own where ``clusters`` is None.

    Raises:
        ValueError: the number of labels is not the number of rows.
    """
    if clusters is None:
        return np.arange(rows)
    labels = np.asarray(clusters)
    if labels.shape != (rows,):
        raise ValueError(f"{rows} rows but clusters has shape {labels.shape}: give one a row")
    return np.unique(labels, return_inverse=True)[1].reshape(rows).astype(np.int64)


def as_matrix(outcomes: ArrayLike) -> NDArray[np.int8]:
    """Outcomes as (questions, draws), checked.

    Raises:
        ValueError: more than two dimensions, or a code that is not an outcome.
    """
    matrix = np.asarray(outcomes)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2:
        raise ValueError(f"outcomes have shape {matrix.shape}: expected (questions, draws)")
    if matrix.size and (matrix.min() < ABSENT or matrix.max() > CORRECT):
        raise ValueError("outcomes hold a code other than 1, 0, -1, -2, -3")
    return matrix.astype(np.int8, copy=False)


def cluster_interval(
    hits: ArrayLike, counts: ArrayLike, level: float = 0.95
) -> tuple[Interval, float]:
    """Interval for a share of trials that are alike within clusters.

    The share is a ratio of cluster totals, p = Σx/Σm; its sandwich variance is
    ``G/(G-1) Σ(x_g - p m_g)² / (Σm)²`` (Cochran 1977, 6.4; the CR1 form of Liang & Zeger 1986).
    The limits are Wilson's at the effective size ``n / design effect`` with the t quantile at
    G - 1 (Dean & Pagano 2015, Surv. Methodol. 41:27), so they stay in [0, 1]. The design effect is
    taken as at least 1; where p is 0 or 1 no variance can be seen, and the number of clusters is
    the effective size.

    Args:
        hits: successes by cluster, shape (G,).
        counts: trials by cluster, shape (G,); clusters without trials are left out.
        level: coverage.

    Returns:
        The interval and the design effect.
    """
    x, m = np.asarray(hits, dtype=float), np.asarray(counts, dtype=float)
    x, m = x[m > 0], m[m > 0]
    groups, n = len(m), float(m.sum())
    if groups == 0:
        return Interval(None, None, None, 0, "none", level), 1.0
    p = float(x.sum() / n)
    if groups == 1:
        return Interval(p, 0.0, 1.0, int(n), "cluster-wilson", level), n
    if p <= 0.0 or p >= 1.0:
        deff = n / groups
    else:
        variance = groups / (groups - 1) * float(((x - p * m) ** 2).sum()) / n**2
        deff = min(max(1.0, variance / (p * (1 - p) / n)), n)
    low, high = wilson_limits(p, n / deff, t_ppf(0.5 + level / 2, groups - 1))
    return Interval(p, low, high, int(n), "cluster-wilson", level), deff


def accuracy(
    outcomes: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95
) -> Accuracy:
    """Accuracy of one arm, of all and of scored.

    Wilson where every answer is independent (one draw a question, no shared clusters), otherwise
    :func:`cluster_interval` by question or by the clusters given.

    Args:
        outcomes: codes, shape (questions,) or (questions, draws); ABSENT is not counted.
        clusters: one label a question, or None.
        level: coverage of the intervals.

    Raises:
        ValueError: codes or shapes that do not fit.
    """
    matrix = as_matrix(outcomes)
    ids = cluster_ids(clusters, matrix.shape[0])
    groups = int(ids.max()) + 1 if len(ids) else 0
    right = (matrix == CORRECT).sum(axis=1)
    scored = right + (matrix == INCORRECT).sum(axis=1)
    every = (matrix != ABSENT).sum(axis=1)
    independent = groups == matrix.shape[0] and bool((every <= 1).all())

    def interval(counts: NDArray[np.int64]) -> tuple[Interval, float]:
        if independent:
            return wilson(int(right.sum()), int(counts.sum()), level), 1.0
        return cluster_interval(
            np.bincount(ids, right, groups), np.bincount(ids, counts, groups), level
        )

    of_all, deff = interval(every)
    return Accuracy(
        of_all=of_all,
        of_scored=interval(scored)[0],
        correct=int(right.sum()),
        incorrect=int((matrix == INCORRECT).sum()),
        unscored=int((matrix == UNSCORED).sum()),
        error=int((matrix == ERROR).sum()),
        clusters=groups,
        design_effect=deff,
    )
