"""Carry-over: how much of what was said stands in the answers, now and some turns later."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import t_ppf
from heartloop.analysis.proportions import cluster_ids

LEAST_CLUSTERS = 10
"""Under so many clusters no slope is given."""


@dataclass(frozen=True, slots=True)
class Slope:
    """How much of a cue's value stands in an answer some turns later.

    Attributes:
        lag: turns between cue and answer; 0 is the answer to the cue itself.
        estimate: change of the answer's value for a change of one in the cue's.
        low, high: interval at the level asked for, one slope by itself.
        answers: how many pairs of answers it rests on.
    """

    lag: int
    estimate: float
    low: float
    high: float
    answers: int


def carry_over(
    answers: ArrayLike, cues: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95
) -> list[Slope]:
    """Least-squares slopes of answers on the cues of this turn and the turns before.

    Both are differences to a control that was asked the same question in the same turn, so that
    neither the question nor the turn is in the slope. One regression with a constant for all lags;
    intervals by the cluster-robust variance of Liang & Zeger (1986, Biometrika 73:13) with
    G/(G − 1) and Student's t on G − 1 degrees of freedom.

    Args:
        answers: value of each answer minus its control's, shape (answers,); NaN is left out.
        cues: shape (answers, lags); column k is the cue k turns before, minus the control's.
        clusters: one label an answer: its question.
        level: coverage of each interval.

    Returns:
        One slope a lag; lags whose cue never varies, and everything under ten clusters, are left
        out.

    Raises:
        ValueError: shapes that do not fit.
    """
    y, x = np.asarray(answers, dtype=float), np.asarray(cues, dtype=float)
    if x.ndim != 2 or len(x) != len(y):
        raise ValueError(f"answers {y.shape} and cues {x.shape}: expected (n,) and (n, lags)")
    keep = ~(np.isnan(y) | np.isnan(x).any(axis=1))
    group = cluster_ids(clusters, len(y))[keep]
    y, x = y[keep], x[keep]
    if not len(y):
        return []
    labels, group = np.unique(group, return_inverse=True)
    lags = [k for k in range(x.shape[1]) if np.ptp(x[:, k]) > 1e-9]
    if len(labels) < LEAST_CLUSTERS or not lags:
        return []
    design = np.column_stack([np.ones(len(y)), x[:, lags]])
    inverse = np.linalg.pinv(design.T @ design)
    beta = inverse @ design.T @ y
    scores = _by_group(design * (y - design @ beta)[:, None], group.reshape(-1), len(labels))
    scale = len(labels) / (len(labels) - 1)
    variance = scale * inverse @ scores.T @ scores @ inverse
    reach = t_ppf(0.5 + level / 2, len(labels) - 1)
    out = []
    for place, lag in enumerate(lags, start=1):
        half = reach * math.sqrt(max(0.0, float(variance[place, place])))
        estimate = float(beta[place])
        out.append(Slope(lag, estimate, estimate - half, estimate + half, len(y)))
    return out


def _by_group(
    rows: NDArray[np.float64], group: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    return np.stack([np.bincount(group, column, count) for column in rows.T], axis=1)
