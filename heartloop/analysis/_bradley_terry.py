"""Preference strengths and scores of a confusion matrix: the core of ``preference``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

ITERATIONS = 20
"""Steps of the published procedure."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Preference of each label and what may be said of it.

    Attributes:
        p: preference by label, Σ = K; above 1: preferred. Shape (K,).
        bias: B, the population standard deviation of p.
        mle_exists: whether p has a finite maximum-likelihood value: the confusions among all
            labels that take part in one form a strongly connected graph.
        outside: labels without any confusion, left at 1 and out of the scaling.
        never_predicted: labels that were never chosen wrongly though others were chosen for
            them: p = 0.
        never_lost: labels chosen wrongly and never passed over: p takes its limit.
    """

    p: tuple[float, ...]
    bias: float
    mle_exists: bool
    outside: tuple[int, ...]
    never_predicted: tuple[int, ...]
    never_lost: tuple[int, ...]


def confusion_matrix(predicted: ArrayLike, gold: ArrayLike, labels: int) -> NDArray[np.int64]:
    """Counts ``W[predicted, gold]`` with a last row for predictions that could not be read.

    Args:
        predicted: label indices; negative ones are unread.
        gold: label indices, 0 … labels - 1, same length.
        labels: K.

    Returns:
        Shape (K + 1, K).

    Raises:
        ValueError: lengths that differ or indices out of range.
    """
    given, true = np.asarray(predicted, dtype=np.int64), np.asarray(gold, dtype=np.int64)
    if given.shape != true.shape or given.ndim != 1:
        raise ValueError(f"{given.shape} predictions for {true.shape} golds: one a gold is needed")
    if len(true) and (true.min() < 0 or true.max() >= labels or given.max() >= labels):
        raise ValueError(f"a label index is outside of 0 … {labels - 1}")
    row = np.where(given < 0, labels, given)
    return np.bincount(row * labels + true, minlength=(labels + 1) * labels).reshape(
        labels + 1, labels
    )


def checked_confusion(confusion: ArrayLike) -> FloatArray:
    """A confusion matrix as floats, checked for shape and for counts that are no counts."""
    w = np.asarray(confusion, dtype=float)
    if w.ndim < 2 or w.shape[-2] not in (w.shape[-1], w.shape[-1] + 1):
        raise ValueError(f"a confusion matrix is (K, K) or (K + 1, K), not {w.shape}")
    if not np.isfinite(w).all() or (w < 0).any():
        raise ValueError("a confusion matrix holds counts: finite and not negative")
    return w


def _off_diagonal(w: FloatArray) -> FloatArray:
    labels = w.shape[-1]
    return np.asarray(w[..., :labels, :] * (1.0 - np.eye(labels)))


def preference_scores(confusion: ArrayLike, iterations: int = ITERATIONS) -> FloatArray:
    """Preference p of each label.

    ``p_i <- [Σ_j w_ij p_j/(p_i+p_j)] / [Σ_j w_ji/(p_i+p_j)]`` from 1, all labels at once
    (Newman 2023, JMLR 24:238), divided by the geometric mean after each step and scaled to Σp = K
    in the end; w_ij counts i predicted where j is gold, i ≠ j.

    Where that divides by zero: the geometric mean runs over p > 0; a label that is never a wrong
    prediction has p = 0; labels without any confusion keep p = 1 and the others are scaled to
    their own number, so that Σp = K still; labels that win and never lose take the limit: they
    share the whole sum in proportion to their wins and the other labels with confusions go to 0.

    Args:
        confusion: shape (…, K, K) or (…, K + 1, K).
        iterations: steps.

    Returns:
        Shape (…, K).

    Raises:
        ValueError: not a confusion matrix.
    """
    w = _off_diagonal(checked_confusion(confusion))
    labels = w.shape[-1]
    wins, losses = w.sum(axis=-1), w.sum(axis=-2)
    inside = (wins + losses) > 0
    p = np.ones(w.shape[:-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(iterations):
            pair = p[..., :, None] + p[..., None, :]
            each = w / np.where(pair > 0, pair, np.inf)
            won = (each @ p[..., None])[..., 0]
            lost = each.sum(axis=-2)
            step = np.where(lost > 0, won / lost, p)
            p = np.where(inside, step, 1.0)
            used = inside & (p > 0)
            logs = np.where(used, np.log(np.where(used, p, 1.0)), 0.0)
            mean = np.exp(logs.sum(axis=-1) / np.maximum(used.sum(axis=-1), 1))
            p = np.where(inside, p / mean[..., None], 1.0)
        unbeaten = inside & (losses == 0)
        limit = np.where(unbeaten, wins, 0.0)
        p = np.where(unbeaten.any(axis=-1, keepdims=True) & inside, limit, p)
        total = np.where(inside, p, 0.0).sum(axis=-1, keepdims=True)
        scaled = p * inside.sum(axis=-1, keepdims=True) / np.where(total > 0, total, 1.0)
    return np.asarray(np.where(inside, scaled, 1.0)).reshape(*w.shape[:-2], labels)


def strongly_connected(weights: ArrayLike) -> bool:
    """Whether every label that has a confusion can be reached from every other along confusions.

    Ford's condition (1957, Am. Math. Monthly 64:28) for a finite Bradley-Terry maximum.
    """
    w = _off_diagonal(checked_confusion(weights))
    inside = np.flatnonzero((w.sum(axis=0) + w.sum(axis=1)) > 0)
    reach = (w[np.ix_(inside, inside)] > 0) | np.eye(len(inside), dtype=bool)
    for _ in range(max(1, len(inside).bit_length())):
        reach = (reach.astype(np.int64) @ reach.astype(np.int64)) > 0
    return bool(reach.all())


def preference(confusion: ArrayLike, iterations: int = ITERATIONS) -> Preference:
    """Preference and bias of one confusion matrix, with its degenerate cases named.

    Args:
        confusion: shape (K, K) or (K + 1, K).
        iterations: steps of the published procedure.

    Raises:
        ValueError: not a single confusion matrix.
    """
    w = checked_confusion(confusion)
    if w.ndim != 2:
        raise ValueError(f"one confusion matrix is (K, K) or (K + 1, K), not {w.shape}")
    off = _off_diagonal(w)
    wins, losses = off.sum(axis=1), off.sum(axis=0)
    p = preference_scores(w, iterations)
    outside = np.flatnonzero(wins + losses == 0)
    return Preference(
        p=tuple(float(v) for v in p),
        bias=float(p.std()),
        mle_exists=strongly_connected(w),
        outside=tuple(outside.tolist()),
        never_predicted=tuple(np.flatnonzero((wins == 0) & (losses > 0)).tolist()),
        never_lost=tuple(np.flatnonzero((wins > 0) & (losses == 0)).tolist()),
    )


def maximum_likelihood(confusion: ArrayLike) -> tuple[float, ...] | None:
    """Direct maximum-likelihood strengths: Newton's method on log p, scaled like p.

    The likelihood is ``Σ w_ij (λ_i - log(e^λ_i + e^λ_j))`` (Bradley & Terry 1952). None where no
    finite maximum exists. For comparison with the published iteration, which stops after 20 steps.
    """
    w = _off_diagonal(checked_confusion(confusion))
    if not strongly_connected(w):
        return None
    inside = np.flatnonzero(w.sum(axis=0) + w.sum(axis=1))
    out = np.ones(w.shape[-1])
    if len(inside):
        games = w[np.ix_(inside, inside)]
        both = games + games.T

        def value(x: FloatArray) -> float:
            return float((games * (x[:, None] - np.logaddexp(x[:, None], x[None, :]))).sum())

        x = np.zeros(len(inside))
        for _ in range(200):
            share = 1.0 / (1.0 + np.exp(x[None, :] - x[:, None]))
            gradient = games.sum(axis=1) - (both * share).sum(axis=1)
            information = both * share * (1 - share)
            hessian = np.diag(information.sum(axis=1)) - information
            # The likelihood does not see a common shift; the added constant takes it out.
            step = np.linalg.solve(hessian + 1.0, gradient)
            size = 1.0
            while value(x + size * step) < value(x) - 1e-12 and size > 1e-10:
                size /= 2
            x = x + size * step
            if np.abs(gradient).max() < 1e-11 * max(1.0, both.sum()):
                break
        out[inside] = np.exp(x) * len(inside) / np.exp(x).sum()
    return tuple(float(v) for v in out)


def balanced(confusion: ArrayLike) -> FloatArray:
    """The confusions with every gold label counted equally often: each column divided by its sum.

    Its bias is B "adjusted for the gold marginals": predictions that ignore the gold then have
    p_i in proportion to how often i is predicted, so that a uniform predictor has bias 0 whatever
    the mix. Columns without items stay empty; the scale is one item a column.
    """
    w = checked_confusion(confusion)
    total = w.sum(axis=-2, keepdims=True)
    return np.asarray(w / np.where(total > 0, total, 1.0))


@dataclass(frozen=True, slots=True)
class Scores:
    """How well labels were predicted; shapes with the batch axes of the input.

    Attributes:
        f1: by label (…, K); 0 for a label that is never predicted rightly.
        macro: Q, the mean F1 over labels that occur as gold or as prediction.
        weighted: mean F1 weighted by gold counts.
        accuracy: share right of all items, unread ones included.
    """

    f1: FloatArray
    macro: FloatArray
    weighted: FloatArray
    accuracy: FloatArray


def scores(confusion: ArrayLike) -> Scores:
    """F1 by label, macro, weighted, and accuracy: ``F1 = 2 right / (predicted + gold)``.

    An empty matrix scores 0 everywhere. Unread predictions count among the gold's items only.

    Args:
        confusion: shape (…, K, K) or (…, K + 1, K).
    """
    w = checked_confusion(confusion)
    labels = w.shape[-1]
    right = np.diagonal(w[..., :labels, :], axis1=-2, axis2=-1)
    predicted, gold = w[..., :labels, :].sum(axis=-1), w.sum(axis=-2)
    seen = (predicted + gold) > 0
    f1 = np.where(seen, 2 * right / np.where(seen, predicted + gold, 1.0), 0.0)
    items = gold.sum(axis=-1)
    safe = np.where(items > 0, items, 1.0)
    return Scores(
        f1=f1,
        macro=np.asarray(f1.sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)),
        weighted=np.asarray((f1 * gold).sum(axis=-1) / safe),
        accuracy=np.asarray(right.sum(axis=-1) / safe),
    )
