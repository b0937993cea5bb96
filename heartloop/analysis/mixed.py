"""Mixed-effects logistic regression of two arms: a difference in log-odds, questions as random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis import ABSENT, CORRECT
from heartloop.analysis._special import norm_ppf, norm_sf
from heartloop.analysis.proportions import as_matrix

FloatArray = NDArray[np.float64]

_NODES = 80
_SMALLEST_LOG_SD = -4.0


@dataclass(frozen=True, slots=True)
class MixedLogit:
    """A fitted model ``logit P(right) = intercept ± effect/2 + u_question``, u ~ N(0, sd²).

    Attributes:
        effect: log odds ratio of the first arm against the second, for the same question.
        low, high: Wald interval of the effect; None where the fit did not converge.
        p: two-sided likelihood-ratio p-value of effect = 0.
        intercept: mean of both arms for a typical question, in log-odds.
        sd: standard deviation of the questions' difficulty.
        points: the effect averaged over questions, a share: what compares with a difference.
        log_likelihood: at the maximum.
        converged: whether a maximum was found; False where answers are separated (an arm never
            right, or never wrong where the other is) and the estimate has no finite value.
    """

    effect: float
    low: float | None
    high: float | None
    p: float
    intercept: float
    sd: float
    points: float
    log_likelihood: float
    converged: bool


@dataclass(frozen=True, slots=True)
class _Counts:
    """Distinct questions: right and tried in both arms, and how often each occurs."""

    right: FloatArray  # (patterns, 2)
    tried: FloatArray  # (patterns, 2)
    weight: FloatArray  # (patterns,)


_X, _W = np.polynomial.hermite.hermgauss(_NODES)
_LOG_W = np.log(_W) - 0.5 * math.log(math.pi)


def _value_and_slope(theta: FloatArray, data: _Counts) -> tuple[float, FloatArray]:
    """Marginal log-likelihood by Gauss-Hermite quadrature, and its gradient (Fisher's identity)."""
    u = math.sqrt(2.0) * math.exp(theta[2]) * _X
    eta = np.stack([theta[0] + theta[1] / 2 + u, theta[0] - theta[1] / 2 + u])  # (2, nodes)
    joint = data.right @ eta - data.tried @ np.logaddexp(0.0, eta) + _LOG_W
    top = joint.max(axis=1, keepdims=True)
    share = np.exp(joint - top)
    total = share.sum(axis=1, keepdims=True)
    value = float(data.weight @ (np.log(total[:, 0]) + top[:, 0]))
    share = share / total * data.weight[:, None]
    p = 1.0 / (1.0 + np.exp(-eta))
    a = data.right[:, :1] - data.tried[:, :1] * p[0]
    b = data.right[:, 1:] - data.tried[:, 1:] * p[1]
    both = share * (a + b)
    slope = np.array([both.sum(), 0.5 * (share * (a - b)).sum(), float((both @ u).sum())])
    return value, slope


def _curvature(theta: FloatArray, data: _Counts, free: NDArray[np.int64]) -> FloatArray:
    out = np.empty((len(free), len(free)))
    for i, k in enumerate(free.tolist()):
        step = np.zeros(3)
        step[k] = 1e-4
        up, down = (_value_and_slope(theta + s, data)[1] for s in (step, -step))
        out[i] = (up - down)[free] / 2e-4
    return np.asarray((out + out.T) / 2)


def _maximise(
    theta: FloatArray, data: _Counts, free: NDArray[np.int64]
) -> tuple[FloatArray, float, bool]:
    """Newton's method with damping on the free parameters."""
    value, slope = _value_and_slope(theta, data)
    for _ in range(100):
        hessian = _curvature(theta, data, free)
        # a multiple of the unit matrix is added until every direction goes uphill
        shift = max(0.0, float(np.linalg.eigvalsh(hessian).max()) + 1e-3)
        step = np.zeros(3)
        step[free] = np.linalg.solve(shift * np.eye(len(free)) - hessian, slope[free])
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        size = 1.0
        while size > 1e-8:
            trial = theta + size * step
            trial[2] = max(trial[2], _SMALLEST_LOG_SD)
            new, new_slope = _value_and_slope(trial, data)
            if new >= value - 1e-12:
                break
            size /= 2
        gain, theta, value, slope = new - value, trial, new, new_slope
        if abs(gain) < 1e-10 and np.abs(size * step).max() < 1e-5:
            break
        if theta[2] <= _SMALLEST_LOG_SD and abs(gain) < 1e-10:
            break
    else:
        return theta, value, False
    return theta, value, bool(np.abs(theta[:2]).max() < 15 and theta[2] < math.log(30))


def mixed_logit(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> MixedLogit:
    """Fit the model to two arms by maximum likelihood: an extra beside the paired tests.

    The likelihood integrates each question's difficulty out with 80 Gauss-Hermite nodes (Agresti
    2013, ch. 13); draws of a question are independent given its difficulty, and an effect is the
    same for all questions in log-odds. Neither holds exactly: where effects differ between
    questions, the paired tests keep their error rate and this model does not.

    Args:
        a: codes of the first arm, shape (questions,) or (questions, seeds).
        b: codes of the second arm, the same questions; seeds may differ in number.
        level: coverage of the Wald interval.

    Raises:
        ValueError: numbers of questions that differ, or none with both arms tried.
    """
    first, second = as_matrix(a), as_matrix(b)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} questions: the same ones are needed")
    sides = [((m == CORRECT).sum(axis=1), (m != ABSENT).sum(axis=1)) for m in (first, second)]
    table = np.stack([sides[0][0], sides[1][0], sides[0][1], sides[1][1]], axis=1).astype(float)
    table = table[(table[:, 2] > 0) & (table[:, 3] > 0)]
    if not len(table):
        raise ValueError("the arms share no question")
    kinds, counts = np.unique(table, axis=0, return_counts=True)
    data = _Counts(kinds[:, :2], kinds[:, 2:], counts.astype(float))
    mean = (table[:, :2].sum() + 0.5) / (table[:, 2:].sum() + 1)
    start = np.array([math.log(mean / (1 - mean)), 0.0, 0.0])
    null, without, _ = _maximise(start, data, np.array([0, 2]))
    theta, best, converged = _maximise(null, data, np.array([0, 1, 2]))
    low = high = None
    if converged:
        free = np.array([0, 1, 2] if theta[2] > _SMALLEST_LOG_SD else [0, 1])
        covariance = np.linalg.inv(-_curvature(theta, data, free))
        if covariance[1, 1] > 0:
            half = norm_ppf(0.5 + level / 2) * math.sqrt(covariance[1, 1])
            low, high = float(theta[1] - half), float(theta[1] + half)
    sd = math.exp(theta[2]) if theta[2] > _SMALLEST_LOG_SD else 0.0
    u = math.sqrt(2.0) * sd * _X
    up, down = (1 / (1 + np.exp(-(theta[0] + s * theta[1] / 2 + u))) for s in (1, -1))
    return MixedLogit(
        effect=float(theta[1]),
        low=low,
        high=high,
        p=min(1.0, 2 * norm_sf(math.sqrt(max(0.0, 2 * (best - without))))),
        intercept=float(theta[0]),
        sd=sd,
        points=float(np.exp(_LOG_W) @ (up - down)),
        log_likelihood=best,
        converged=converged,
    )
