"""Looking at a running comparison as often as one likes, without losing the error rate.

The pairs of both arms come in the plan's fixed order. After any number of them, :func:`look` may
be asked whether the comparison is decided; the chance that it *ever* wrongly says "different" is at
most alpha, likewise that it ever wrongly says "equivalent". No number of looks has to be planned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis.proportions import cluster_ids

FloatArray = NDArray[np.float64]

PRIOR = 5.0  # both parameters of the Beta prior of the discordant questions' rate

Decision = Literal["different", "equivalent", "open"]


@dataclass(frozen=True, slots=True)
class Look:
    """State of a comparison after some questions.

    Attributes:
        decision: ``different``, ``equivalent`` or ``open``.
        p: always-valid p-value of "no difference": may be looked at any time.
        difference: mean difference so far, a share.
        low, high: always-valid confidence sequence of the difference.
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


@lru_cache(maxsize=16)
def _log_gamma(size: int, shift: float) -> FloatArray:
    return np.array([math.lgamma(k + shift) for k in range(size)])


def log_evidence(wins: ArrayLike, losses: ArrayLike) -> FloatArray:
    """Logarithm of the e-value against "a discordant question favours either arm equally".

    ``E = 2^m B(w + 5, l + 5) / B(5, 5)``, m = w + l: the likelihood ratio of a Bernoulli rate drawn
    from Beta(5, 5) against 1/2; that prior needs the fewest questions over the effects that such
    experiments meet. Under equality E is a non-negative martingale with mean 1 over the discordant
    questions, so that it ever reaches 1/alpha with probability at most alpha (Ville 1939; Robbins
    1970; Ramdas et al. 2023, Stat. Sci. 38:576).

    Args:
        wins: questions in favour of the first arm, any shape.
        losses: questions in favour of the second, same shape.
    """
    w, lost = np.asarray(wins, dtype=float), np.asarray(losses, dtype=float)
    most = int(max(w.max(initial=0), lost.max(initial=0)))
    # in powers of two, so that a run that is looked at often builds few tables
    size = 1 << max(8, (2 * most + 1).bit_length())
    table, whole = _log_gamma(size, PRIOR), _log_gamma(size, 2 * PRIOR)
    m = w + lost
    return np.asarray(
        m * math.log(2.0)
        + table[w.astype(int)]
        + table[lost.astype(int)]
        - whole[m.astype(int)]
        + math.lgamma(2 * PRIOR)
        - 2 * math.lgamma(PRIOR)
    )


def confidence_sequence(
    differences: ArrayLike, alpha: float = 0.05
) -> tuple[FloatArray, FloatArray]:
    """Confidence sequence of a mean difference: holds at all times at once, for any distribution.

    Predictable plug-in empirical-Bernstein sequence of Waudby-Smith & Ramdas (2024, JRSS B 86:1,
    theorem 2) on (d + 1)/2 in [0, 1]: with λ_t = min(sqrt(2 log(2/α) / (σ̂²_{t-1} t log(1+t))), 1/2)
    and ψ(λ) = (-log(1-λ) - λ)/4, the mean lies within ``Σλx/Σλ ± (log(2/α) + Σ 4(x - μ̂_{t-1})²
    ψ(λ))/Σλ`` for all t with probability 1 - α. Limits are intersected over time.

    Args:
        differences: one a question in the plan's order, each in [-1, 1] (mean over seeds of right
            in the first arm minus right in the second), shape (questions,) or (runs, questions).
        alpha: error over all times together.

    Returns:
        Lower and upper limits after each question, same shape.
    """
    d = np.asarray(differences, dtype=float)
    x = (d + 1) / 2
    t = np.arange(1, x.shape[-1] + 1)
    mean = (0.5 + np.cumsum(x, axis=-1)) / (t + 1)
    spread = (0.25 + np.cumsum((x - mean) ** 2, axis=-1)) / (t + 1)
    before_mean = np.concatenate([np.full((*x.shape[:-1], 1), 0.5), mean[..., :-1]], axis=-1)
    before = np.concatenate([np.full((*x.shape[:-1], 1), 0.25), spread[..., :-1]], axis=-1)
    bar = math.log(2 / alpha)
    bet = np.minimum(np.sqrt(2 * bar / (before * t * np.log1p(t))), 0.5)
    psi = (-np.log1p(-bet) - bet) / 4
    total = np.cumsum(bet, axis=-1)
    centre = np.cumsum(bet * x, axis=-1) / total
    half = (bar + np.cumsum(4 * (x - before_mean) ** 2 * psi, axis=-1)) / total
    low = np.maximum.accumulate(np.maximum(2 * (centre - half) - 1, -1.0), axis=-1)
    high = np.minimum.accumulate(np.minimum(2 * (centre + half) - 1, 1.0), axis=-1)
    return low, high


def look(differences: ArrayLike, margin: float = 0.03, alpha: float = 0.05) -> Look:
    """Whether a comparison is decided by the questions seen so far: ``--stop-when decided``.

    *different*: the e-value on the signs of the questions' differences has ever reached 1/alpha.
    *equivalent*: the confidence sequence lies within ± margin. Both keep their error at alpha
    however often and whenever one looks, also with several seeds (a question is one observation).
    A task whose questions are clustered must be handed over as one difference a cluster.

    Args:
        differences: as in :func:`confidence_sequence`, shape (questions,).
        margin: half-width of the region of equivalence.
        alpha: error of either decision.

    Raises:
        ValueError: a difference outside of [-1, 1].
    """
    d = np.asarray(differences, dtype=float)
    if d.ndim != 1 or (d.size and (np.abs(d) > 1).any()):
        raise ValueError("differences must be one row of numbers in [-1, 1]")
    if not d.size:
        return Look("open", 1.0, 0.0, -1.0, 1.0, 0)
    evidence = log_evidence(np.cumsum(d > 0), np.cumsum(d < 0))
    p = math.exp(-max(0.0, float(evidence.max())))
    low, high = confidence_sequence(d, alpha)
    decision: Decision = "open"
    if p <= alpha:
        decision = "different"
    elif -margin < low[-1] and high[-1] < margin:
        decision = "equivalent"
    return Look(decision, p, float(d.mean()), float(low[-1]), float(high[-1]), d.size)
