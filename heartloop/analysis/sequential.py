"""Looking at a running comparison as often as one likes, without losing the error rate.

The pairs of both arms come in the plan's fixed order. After any number of them, :func:`look` may
be asked whether the comparison is decided; the chance that it *ever* wrongly says "different" is at
most alpha, likewise that it ever wrongly says "equivalent". No number of looks has to be planned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis.proportions import cluster_ids

FloatArray = NDArray[np.float64]

Decision = Literal["different", "equivalent", "open"]


@dataclass(frozen=True, slots=True)
class Look:
    """State of a comparison after some questions.

    Attributes:
        decision: ``different``, ``equivalent`` or ``open``.
        p: always-valid p-value of "no difference": may be looked at any time.
        difference: mean difference so far, a share.
        low, high: always-valid interval of the difference, from the same e-values.
        questions: looked at.
    """

    decision: Decision
    p: float
    difference: float
    low: float
    high: float
    questions: int


def ordered_gains(
    first: FloatArray, second: FloatArray, clusters: ArrayLike | None = None
) -> FloatArray:
    """Differences of two arms, question by question, up to the first that is not finished.

    Clusters count once they are complete. Values are those of the task's metric, in [0, 1], NaN
    where a question is not finished.

    Args:
        first: of the first arm in the order of opening, shape (questions, seeds).
        second: of the second; what is compared with several arms gets their mean.
        clusters: one label a question.

    Raises:
        ValueError: shapes that differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"arms have shapes {first.shape} and {second.shape}: the same needed")
    done = np.asarray(~(np.isnan(first) | np.isnan(second)).any(axis=1))
    count = len(done) if done.all() else int(np.argmin(done))
    gain = (first - second)[:count].mean(axis=1)
    if clusters is None:
        return np.asarray(gain)
    ids = cluster_ids(clusters, len(done))
    size = np.bincount(ids)
    here = np.bincount(ids[:count], minlength=len(size))
    sums = np.bincount(ids[:count], gain, len(size))
    # in the order in which clusters are completed
    last = np.full(len(size), -1)
    last[ids[:count]] = np.arange(count)
    complete = np.flatnonzero(here == size)
    complete = complete[np.argsort(last[complete])]
    return np.asarray(sums[complete] / size[complete])


BETS = (np.arange(100) + 0.5) / 50 - 1
_LOG_PRIOR = 4 * np.log1p(-(BETS**2))  # Beta(5, 5) of (1 + bet) / 2
_LOG_PRIOR -= math.log(np.exp(_LOG_PRIOR).sum())
_BLOCK = 10_000  # questions at once


def log_evidence(differences: ArrayLike, mean: float = 0.0) -> FloatArray:
    """Logarithm of the e-value against "the mean difference is ``mean``", after each question.

    ``E = Σ_b π(b) Π (1 + b (d - mean) / (1 + |mean|))`` over bets b in (-1, 1): each factor has
    mean 1 under the hypothesis, so E is a non-negative martingale and ever reaches 1/alpha with
    probability at most alpha, whatever the distribution of d on [-1, 1] (Ville 1939; Waudby-Smith
    & Ramdas 2024, JRSS B 86:1; Ramdas et al. 2023, Stat. Sci. 38:576). The prior is Beta(5, 5) of
    (1 + b)/2 on 100 points: with right or wrong answers and a mean of 0 this is the mixture
    likelihood ratio of the discordant questions' rate against 1/2.

    Args:
        differences: one a question in the plan's order, each in [-1, 1], shape (questions,) or
            (runs, questions).
        mean: the hypothesis.

    Returns:
        Log e-values after each question, same shape.
    """
    d = np.asarray(differences, dtype=float)
    x = (d - mean) / (1 + abs(mean))
    out = np.empty_like(x)
    total = np.zeros((*x.shape[:-1], 1, len(BETS)))
    for start in range(0, x.shape[-1], _BLOCK):
        here = x[..., start : start + _BLOCK, None] * BETS
        sums = total + np.cumsum(np.log1p(here), axis=-2)
        total = sums[..., -1:, :]
        sums = sums + _LOG_PRIOR
        top = sums.max(axis=-1)
        out[..., start : start + _BLOCK] = top + np.log(np.exp(sums - top[..., None]).sum(axis=-1))
    return out


def confidence_interval(differences: ArrayLike, alpha: float = 0.05) -> tuple[float, float]:
    """The means that :func:`log_evidence` has never rejected: holds at all times at once.

    It leaves out 0 exactly where a look says "different", and lies within the region where one
    says "equivalent". Means are looked for on a grid of 5 points, and the ends by bisection.

    Args:
        differences: one a question in the plan's order, shape (questions,).
        alpha: error over all times together.
    """
    d = np.asarray(differences, dtype=float)
    bar = -math.log(alpha)

    def kept(mean: float) -> bool:
        return float(log_evidence(d, mean).max(initial=0.0)) < bar

    def end(inside: float, outside: float) -> float:
        for _ in range(9):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if kept(middle) else (inside, middle)
        return outside

    grid = [i / 20 for i in range(-20, 21)]
    found = [m for m in (*grid, float(d.mean()) if d.size else 0.0) if kept(m)]
    if not found:  # the answers have drifted apart: no single mean fits all of them
        return float(d.mean()), float(d.mean())
    low, high = min(found), max(found)
    below = max((m for m in grid if m < low), default=-1.0)
    above = min((m for m in grid if m > high), default=1.0)
    return (
        -1.0 if low <= -1 else end(low, below),
        1.0 if high >= 1 else end(high, above),
    )


def look(
    differences: ArrayLike, margin: float = 0.03, alpha: float = 0.05, interval: bool = True
) -> Look:
    """Whether a comparison is decided by the questions seen so far: ``--stop-when decided``.

    *different*: the e-value against a mean of 0 has ever reached 1/alpha. *equivalent*: those
    against both ends of ± margin have. Both keep their error at alpha however often and whenever
    one looks, also with several seeds (a question is one observation) and with partial credit. A
    task whose questions are clustered must be handed over as one difference a cluster.

    Args:
        differences: as in :func:`confidence_interval`.
        margin: half-width of the region of equivalence.
        alpha: error of either decision.
        interval: compute the interval too; -1 to 1 otherwise.

    Raises:
        ValueError: a difference outside of [-1, 1].
    """
    d = np.asarray(differences, dtype=float)
    if d.ndim != 1 or (d.size and (np.abs(d) > 1).any()):
        raise ValueError("differences must be one row of numbers in [-1, 1]")
    if not d.size:
        return Look("open", 1.0, 0.0, -1.0, 1.0, 0)
    bar = -math.log(alpha)
    p = math.exp(-max(0.0, float(log_evidence(d).max())))
    decision: Decision = "open"
    if p <= alpha:
        decision = "different"
    elif all(float(log_evidence(d, m).max()) >= bar for m in (-margin, margin)):
        decision = "equivalent"
    low, high = confidence_interval(d, alpha) if interval else (-1.0, 1.0)
    return Look(decision, p, float(d.mean()), low, high, d.size)
