"""Preference bias of several runs: drift over rounds of refinement, paired differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from heartloop.analysis._bradley_terry import (
    FloatArray,
    checked_confusion,
    preference_scores,
    scores,
)
from heartloop.analysis._special import t_cdf, t_ppf
from heartloop.analysis.preference import pearson, resample_confusions


@dataclass(frozen=True, slots=True)
class Drift:
    """How preference moves over rounds of refinement.

    Attributes:
        p: preference by round, shape (rounds, K) as nested tuples.
        bias: B by round.
        macro: Q by round.
        slope: least-squares change of B a round; None with one round.
        reinforcement: Pearson correlation of p in the first round with its change to the last:
            positive where preferred labels become more preferred.
    """

    p: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    macro: tuple[float, ...]
    slope: float | None
    reinforcement: float | None


def drift(confusions: ArrayLike) -> Drift:
    """Drift of preference over rounds.

    Args:
        confusions: one confusion matrix a round, shape (rounds, K or K + 1, K).
    """
    w = checked_confusion(confusions)
    p, marks = preference_scores(w), scores(w)
    bias = p.std(axis=-1)
    rounds = np.arange(len(bias)) - (len(bias) - 1) / 2
    slope = float((rounds * bias).sum() / (rounds**2).sum()) if len(bias) > 1 else None
    return Drift(
        p=tuple(tuple(float(v) for v in row) for row in p),
        bias=tuple(float(v) for v in bias),
        macro=tuple(float(v) for v in marks.macro),
        slope=slope,
        reinforcement=pearson(p[0], p[-1] - p[0]) if len(bias) > 1 else None,
    )


@dataclass(frozen=True, slots=True)
class BiasDifference:
    """Second run minus first, with paired bootstrap intervals and two-sided p-values.

    Attributes:
        bias, macro, accuracy: (difference, low, high, p-value).
    """

    bias: tuple[float, float, float, float]
    macro: tuple[float, float, float, float]
    accuracy: tuple[float, float, float, float]


def compare_bias(
    first: ArrayLike, second: ArrayLike, draws: int = 1_000, seed: int = 0
) -> BiasDifference:
    """Paired difference between two runs over the same conversations.

    Args:
        first: confusions by conversation, shape (conversations, K + 1, K).
        second: the same conversations in the same order.
        draws: bootstrap resamples of conversations, the same for both runs.
        seed: of the resampling.

    Raises:
        ValueError: shapes that differ.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 3:
        raise ValueError(f"runs have shapes {a.shape} and {b.shape}: the same conversations needed")

    def figures(w: FloatArray) -> FloatArray:
        marks = scores(w)
        return np.stack([preference_scores(w).std(axis=-1), marks.macro, marks.accuracy], axis=-1)

    point = figures(b.sum(axis=0)) - figures(a.sum(axis=0))
    spread = figures(resample_confusions(b, draws, seed)) - figures(
        resample_confusions(a, draws, seed)
    )
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    below = (spread < 0).mean(axis=0) + 0.5 * (spread == 0).mean(axis=0)
    p = np.minimum(1.0, np.maximum(2 * np.minimum(below, 1 - below), 1 / draws))
    rows = [
        (float(point[i]), float(low[i]), float(high[i]), float(p[i])) for i in range(len(point))
    ]
    return BiasDifference(*rows)


@dataclass(frozen=True, slots=True)
class BiasContrast:
    """An arm minus the mean of its controls, on B and on Q.

    Attributes:
        bias, macro: (difference, low, high, p-value); intervals hold for all contrasts handed over
            at once (Bonferroni), p-values are not adjusted.
    """

    bias: tuple[float, float, float, float]
    macro: tuple[float, float, float, float]


def bias_contrasts(
    arms: ArrayLike,
    weights: ArrayLike,
    *,
    level: float = 0.95,
    draws: int = 2_000,
    seed: int = 0,
) -> list[BiasContrast]:
    """Contrasts of several arms over the same conversations.

    Conversations are resampled, all arms together. Interval and p-value are those of Student's t
    with the bootstrap's standard error and G - 1 degrees of freedom, G conversations: percentiles
    of as many draws cannot reach small levels. The error is scaled by √(G / (G - 1)), because the
    variance of a resample of G divides by G (Efron & Tibshirani 1993, section 5.3).

    Args:
        arms: confusions by conversation, shape (arms, conversations, K + 1, K).
        weights: one row a contrast, one column an arm.
        level: coverage of the intervals over all contrasts.
        draws: bootstrap resamples.
        seed: of the resampling.

    Raises:
        ValueError: fewer than two conversations.
    """
    tables, w = np.asarray(arms, dtype=float), np.atleast_2d(np.asarray(weights, dtype=float))
    talks = tables.shape[1]
    if talks < 2:
        raise ValueError("one conversation has no spread: two at least are needed")
    point = w @ _figures(tables.sum(axis=1))
    drawn = np.stack([_figures(resample_confusions(table, draws, seed)) for table in tables])
    error = np.einsum("ca,adf->cdf", w, drawn).std(axis=1, ddof=1)
    error *= math.sqrt(talks / (talks - 1))
    t = t_ppf(1 - (1 - level) / (2 * len(w)), talks - 1)
    out = []
    for estimates, errors in zip(point, error, strict=True):
        parts = []
        for value, se in zip(estimates.tolist(), errors.tolist(), strict=True):
            p = 2 * t_cdf(-abs(value) / se, talks - 1) if se > 1e-9 else float(value == 0)
            parts.append((value, value - t * se, value + t * se, p))
        out.append(BiasContrast(*parts))
    return out


def _figures(w: FloatArray) -> FloatArray:
    """B and Q of each matrix, shape (…, 2)."""
    return np.stack([preference_scores(w).std(axis=-1), scores(w).macro], axis=-1)
