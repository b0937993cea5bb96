"""One contrast over several models: their joint errors, random effects, and where a new one falls.

Models of one claim answer the same questions, so their errors are correlated. Treating them as
independent counts the luck of the questions once a model and calls too much certain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import t_cdf, t_ppf
from heartloop.analysis.contrasts import Sample, task_totals

FloatArray = NDArray[np.float64]

LEAST_MODELS = 4
"""Under so many models there is a forest and no summary."""
LEAST_PREDICTED = 5
"""From so many models on, an interval for a new model is given."""


def joint_moments(found: Sample) -> tuple[FloatArray, FloatArray]:
    """Mean of each row over a suite, and the covariance of these means for new questions.

    Rows are models and values are differences of two arms by question. Resampling questions
    (clusters) within tasks, all models together, has this covariance for means exactly (up to the
    factor G / (G - 1)), so no draws are made.

    Args:
        found: ``own`` of shape (models, questions); other fields as everywhere.

    Returns:
        Means of shape (models,) and covariance of shape (models, models).
    """
    blocks = task_totals(found, found.own)
    models, tasks = len(found.own), len(blocks.totals)
    mean, covariance = np.zeros(models), np.zeros((models, models))
    for totals, sizes in zip(blocks.totals, blocks.sizes, strict=True):
        n, groups = sizes.sum(), len(sizes)
        here = totals.sum(axis=1) / n
        rest = totals - here[:, None] * sizes
        scale = groups / (groups - 1) if groups > 1 else 1.0
        mean += here / tasks
        covariance += scale * (rest @ rest.T) / n**2 / tasks**2
    return mean, covariance


@dataclass(frozen=True, slots=True)
class Pooled:
    """A contrast over models like these.

    Attributes:
        estimate: weighted mean over models.
        se: its standard error for new models and new questions; never below that for exactly
            these models.
        low, high: interval, Student's t with models - 1 degrees of freedom.
        p: two-sided, from the same t.
        tau: standard deviation of the true effects of models (may be estimated as 0).
        i2: share of the spread between models that is no noise of their own, 0 to 1.
        weights: of the models; they sum to 1.
        predicted: interval for the true effect in a new model of this kind; None under five models.
        models: how many there are; ``level``: coverage.
    """

    estimate: float
    se: float
    low: float
    high: float
    p: float
    tau: float
    i2: float
    weights: tuple[float, ...]
    predicted: tuple[float, float] | None
    models: int
    level: float


def random_effects(effects: ArrayLike, covariance: ArrayLike, level: float = 0.95) -> Pooled | None:
    """Random-effects mean of correlated effects; None under four models.

    True effects are μ + N(0, τ²); estimates have the covariance V on top. Weights are those of
    inverse variance, ``w ∝ 1 / (v + τ²)`` (never negative, as those of generalised least squares
    may be when errors are correlated), and τ² solves ``Σ w (y - ȳ)² = E[Σ w (y - ȳ)²]``, the
    expectation under V + τ²I: Paule & Mandel (1982, J. Res. NBS 87:377) with correlated errors.
    At that τ² the factor of Hartung & Knapp (2001, Stat. Med. 20:1771) and Sidik & Jonkman (2002,
    Stat. Med. 21:3153) is 1; where τ² is cut off at 0 the factor would be below 1 and is set to 1,
    so that the variance ``w'(V + τ²I)w`` is never below that of a fixed effect (Röver, Knapp &
    Friede 2015, BMC Med. Res. Methodol. 15:99). The quantile is Student's t at k - 1. A new model
    falls within ``μ ± t(k-2) sqrt(τ² + se²)`` (Higgins, Thompson & Spiegelhalter 2009, JRSS A
    172:137).

    Args:
        effects: one a model.
        covariance: of their errors, shape (models, models).
        level: coverage of both intervals.

    Raises:
        ValueError: shapes that do not fit.
    """
    y, v = np.asarray(effects, dtype=float), np.asarray(covariance, dtype=float)
    if y.ndim != 1 or v.shape != (len(y), len(y)):
        raise ValueError(f"{y.shape} effects but a covariance of shape {v.shape}")
    k = len(y)
    if k < LEAST_MODELS:
        return None
    own = np.maximum(np.diag(v), 1e-12)

    def excess(tau2: float) -> tuple[float, FloatArray]:
        """Observed minus expected spread at τ², and the weights."""
        w = 1 / (own + tau2)
        w = w / w.sum()
        spread = float((w * (y - w @ y) ** 2).sum())
        expected = float(w @ own - w @ v @ w + tau2 * (1 - (w**2).sum()))
        return spread - expected, w

    tau2 = 0.0
    if excess(0.0)[0] > 0:
        low, high = 0.0, max(1e-9, float(np.ptp(y)) ** 2 * k)
        for _ in range(200):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if excess(middle)[0] > 0 else (low, middle)
        tau2 = 0.5 * (low + high)
    w = excess(tau2)[1]
    fixed = 1 / own / (1 / own).sum()
    variance = max(float(w @ v @ w + tau2 * (w**2).sum()), float(fixed @ v @ fixed))
    mean, se = float(w @ y), math.sqrt(variance)
    half = t_ppf(0.5 + level / 2, k - 1) * se
    noise = max(0.0, float(w @ own - w @ v @ w)) / max(1e-12, 1 - float((w**2).sum()))
    predicted = None
    if k >= LEAST_PREDICTED:
        reach = t_ppf(0.5 + level / 2, k - 2) * math.sqrt(tau2 + variance)
        predicted = (mean - reach, mean + reach)
    return Pooled(
        estimate=mean,
        se=se,
        low=mean - half,
        high=mean + half,
        p=2 * t_cdf(-abs(mean) / se, k - 1) if se > 1e-9 else float(mean == 0),
        tau=math.sqrt(tau2),
        i2=tau2 / (tau2 + noise) if tau2 > 0 else 0.0,
        weights=tuple(map(float, w)),
        predicted=predicted,
        models=k,
        level=level,
    )
