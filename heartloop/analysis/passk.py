"""What n draws a question say about k: pass@k, maj@k, best@k, pass^k, and where variance sits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis import ABSENT, CORRECT
from heartloop.analysis._special import log_factorial
from heartloop.analysis.proportions import as_matrix

FloatArray = NDArray[np.float64]


def _counts(outcomes: ArrayLike, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    matrix = as_matrix(outcomes)
    n = (matrix != ABSENT).sum(axis=1)
    if k < 1 or (len(n) and k > int(n.min())):
        raise ValueError(f"k = {k}: must be from 1 to the fewest draws of a question")
    return n, (matrix == CORRECT).sum(axis=1)


def _subset_ratio(part: NDArray[np.int64], n: NDArray[np.int64], k: int) -> FloatArray:
    """C(part, k) / C(n, k), 0 where part < k."""
    if not len(n):
        return np.zeros(0)
    f = log_factorial(int(n.max()))
    usable = np.maximum(part, k)
    log_ratio = f[usable] - f[usable - k] - f[n] + f[n - k]
    return np.asarray(np.where(part >= k, np.exp(log_ratio), 0.0))


def pass_at_k(outcomes: ArrayLike, k: int) -> FloatArray:
    """Probability that at least one of k draws is right, per question, unbiased.

    ``1 - C(n - c, k) / C(n, k)`` for c right of n (Chen et al. 2021, arXiv 2107.03374, eq. 1).
    Unscored answers and errors are not right; ABSENT draws are not counted. The mean over
    questions is pass@k; its error comes from questions: see ``proportions`` and ``suites``.

    Args:
        outcomes: codes, shape (questions, draws).
        k: 1 … the fewest draws of any question.

    Returns:
        Shape (questions,).

    Raises:
        ValueError: k out of range.
    """
    n, c = _counts(outcomes, k)
    return 1.0 - _subset_ratio(n - c, n, k)


def pass_hat_k(outcomes: ArrayLike, k: int) -> FloatArray:
    """Probability that all k draws are right (pass^k), per question, unbiased: C(c,k) / C(n,k).

    Source: Yao et al. 2024 (tau-bench), arXiv 2406.12045. Same arguments as :func:`pass_at_k`.
    """
    n, c = _counts(outcomes, k)
    return _subset_ratio(c, n, k)


def best_at_k(values: ArrayLike, k: int, by: ArrayLike | None = None) -> FloatArray:
    """Expected value of the best of k draws, per question, unbiased.

    Over all subsets of k of the n draws, the draw with the i-th smallest key is the best of
    C(i-1, k-1) of the C(n, k) subsets. Ties of the key are broken at random, so that tied draws
    share their mean value.

    Args:
        values: what the chosen draw is worth (score, correctness), shape (questions, draws).
        k: 1 … draws.
        by: the key that chooses (log-probability, a judge's score), same shape; default: values
            themselves, which gives the expected maximum (with 0/1 values: pass@k).

    Returns:
        Shape (questions,).

    Raises:
        ValueError: k out of range or shapes that differ.
    """
    worth = np.asarray(values, dtype=float)
    key = worth if by is None else np.asarray(by, dtype=float)
    if worth.ndim != 2 or key.shape != worth.shape:
        raise ValueError(f"values {worth.shape} and by {key.shape} must be (questions, draws)")
    questions, n = worth.shape
    if not 1 <= k <= n:
        raise ValueError(f"k = {k}: must be from 1 to the {n} draws")
    order = np.argsort(key, axis=1, kind="stable")
    key = np.take_along_axis(key, order, axis=1)
    worth = np.take_along_axis(worth, order, axis=1)
    fresh = np.ones((questions, n), dtype=bool)
    fresh[:, 1:] = key[:, 1:] != key[:, :-1]
    group = (np.cumsum(fresh, axis=1) - 1 + np.arange(questions)[:, None] * n).ravel()
    size = np.bincount(group, minlength=questions * n)
    mean = np.bincount(group, worth.ravel(), questions * n) / np.maximum(size, 1)
    total = math.comb(n, k)
    weights = np.array([math.comb(i, k - 1) / total if i >= k - 1 else 0.0 for i in range(n)])
    return np.asarray(mean[group].reshape(questions, n) @ weights)


@lru_cache(maxsize=65_536)
def _majority(classes: tuple[tuple[int, float], ...], silent: int, k: int) -> float:
    """Expected worth of the plurality of k draws; classes = ((count, worth), …), sorted."""
    n = silent + sum(count for count, _ in classes)
    won = 0.0
    for index, (count, worth) in enumerate(classes):
        if worth == 0.0:
            continue
        others = [c for i, (c, _) in enumerate(classes) if i != index]
        for votes in range(1, min(count, k) + 1):
            rest = k - votes
            # ways[(draws used, classes tied with ours)] over the other classes, exact integers
            ways: dict[tuple[int, int], int] = {(0, 0): 1}
            for other in others:
                step: dict[tuple[int, int], int] = {}
                for (used, tied), number in ways.items():
                    for take in range(min(other, votes, rest - used) + 1):
                        to = (used + take, tied + (take == votes))
                        step[to] = step.get(to, 0) + number * math.comb(other, take)
                ways = step
            total = 0.0
            for (used, tied), number in ways.items():
                if rest - used <= silent:
                    total += number * math.comb(silent, rest - used) / (tied + 1)
            won += worth * math.comb(count, votes) * total
    return won / math.comb(n, k)


def maj_at_k(classes: ArrayLike, outcomes: ArrayLike, k: int) -> FloatArray:
    """Probability that the most frequent answer of k draws is right, per question, unbiased.

    The plurality vote over equivalence classes of answers (Wang et al. 2023, arXiv 2203.11171),
    averaged exactly over all C(n, k) subsets of the n draws; a tie is broken at random among the
    tied classes. A draw without an answer casts no vote; a subset without votes is not right.

    Args:
        classes: class of each draw's answer, integers, shape (questions, draws); -1 casts no vote.
        outcomes: codes, same shape. A class is worth the mean correctness of its draws (all
            equal, where the verifier agrees with itself). ABSENT draws are not counted.
        k: 1 … the fewest draws of any question.

    Returns:
        Shape (questions,).

    Raises:
        ValueError: k out of range or shapes that differ.
    """
    matrix, labels = as_matrix(outcomes), np.asarray(classes)
    if labels.shape != matrix.shape:
        raise ValueError(f"classes {labels.shape} and outcomes {matrix.shape} differ in shape")
    _counts(matrix, k)
    out = np.zeros(matrix.shape[0])
    for q in range(matrix.shape[0]):
        votes: dict[int, list[int]] = {}
        silent = 0
        for label, code in zip(labels[q].tolist(), matrix[q].tolist(), strict=True):
            if code == ABSENT:
                continue
            if label < 0:
                silent += 1
                continue
            tally = votes.setdefault(label, [0, 0])
            tally[0] += 1
            tally[1] += code == CORRECT
        pattern = tuple(sorted((size, right / size) for size, right in votes.values()))
        out[q] = _majority(pattern, silent, k)
    return out


def answer_classes(answers: ArrayLike, outcomes: ArrayLike) -> NDArray[np.int64]:
    """Classes of equal answers within each question, for :func:`maj_at_k` and flips.

    Answers are equal as text after surrounding space is dropped; where a verifier's equivalence is
    known, hand its classes over instead.

    Args:
        answers: extracted answers, None where there is none, shape (questions, attempts).
        outcomes: codes, same shape.

    Returns:
        0 or above for an answer, -1 for none, ABSENT where no attempt was made; same shape.

    Raises:
        ValueError: shapes that differ.
    """
    table, codes = np.asarray(answers, dtype=object), np.asarray(outcomes)
    if table.shape != codes.shape or table.ndim != 2:
        raise ValueError(
            f"answers {table.shape} and outcomes {codes.shape} must be the same tables"
        )
    out = np.full(table.shape, ABSENT, dtype=np.int64)
    for q, (row, here) in enumerate(zip(table.tolist(), codes.tolist(), strict=True)):
        seen: dict[str, int] = {}
        for column, (answer, code) in enumerate(zip(row, here, strict=True)):
            if code != ABSENT:
                text = None if answer is None else str(answer).strip()
                out[q, column] = -1 if text is None else seen.setdefault(text, len(seen))
    return out


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """Where the uncertainty of a mean accuracy comes from.

    Attributes:
        mean: accuracy over all questions and draws.
        between_questions: variance of the questions' true rates (may be estimated as 0).
        within_questions: variance of a draw around its question's rate.
        intraclass: between / (between + within): how alike the draws of a question are.
        se: standard error for new questions and new draws.
        se_questions: its part that only more questions shrink.
        se_draws: its part that more draws of the same questions shrink.
        seed_means: accuracy by column.
        seed_sd: standard deviation of those; None with one column.
    """

    mean: float
    between_questions: float
    within_questions: float | None
    intraclass: float | None
    se: float
    se_questions: float | None
    se_draws: float | None
    seed_means: tuple[float, ...]
    seed_sd: float | None


def variance_components(outcomes: ArrayLike) -> VarianceComponents:
    """Variance over seeds apart from variance over questions (one-way random effects).

    With S draws a question, the mean square between questions estimates S σ_q² + σ_w², that
    within estimates σ_w² (Searle, Casella & McCulloch 1992, ch. 3); the standard error of the
    mean is ``sqrt(σ_q²/n + σ_w²/(nS))`` = sd of question means / sqrt(n). With one draw the two
    cannot be told apart and the parts are None.

    Args:
        outcomes: codes, shape (questions, draws), no ABSENT.

    Raises:
        ValueError: fewer than two questions, or ragged rows.
    """
    matrix = as_matrix(outcomes)
    if matrix.shape[0] < 2 or (matrix == ABSENT).any():
        raise ValueError("variance components need two or more questions with all draws made")
    right = (matrix == CORRECT).astype(float)
    n, s = right.shape
    means = right.mean(axis=1)
    se = float(means.std(ddof=1) / math.sqrt(n))
    seeds = tuple(float(v) for v in right.mean(axis=0))
    if s == 1:
        return VarianceComponents(
            float(right.mean()), float(means.var(ddof=1)), None, None, se, None, None, seeds, None
        )
    within = float(right.var(axis=1, ddof=1).mean())
    between = max(0.0, float(means.var(ddof=1)) - within / s)
    whole = between + within
    return VarianceComponents(
        mean=float(right.mean()),
        between_questions=between,
        within_questions=within,
        intraclass=between / whole if whole > 0 else None,
        se=se,
        se_questions=math.sqrt(between / n),
        se_draws=math.sqrt(within / (n * s)),
        seed_means=seeds,
        seed_sd=float(np.std(seeds, ddof=1)),
    )


@dataclass(frozen=True, slots=True)
class Replicates:
    """Which columns of a run count as replicates.

    Attributes:
        keep: indices of the columns that bring something new.
        groups: columns that are copies of one another.
        identical: share of equal answers in the most alike pair of columns; None with one column.
        note: one sentence for the report; empty where every column counts.
    """

    keep: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    identical: float | None
    note: str


def repeated_runs(
    answers: Sequence[Sequence[Any]] | NDArray[Any],
    temperature: float | None = None,
    threshold: float = 0.99,
) -> Replicates:
    """Find repeated greedy runs, which must never be counted as replicates.

    Columns drawn at temperature 0 are one run, whatever small differences floating-point noise
    made. At other temperatures, columns whose full texts agree on a share ``threshold`` of the
    questions are copies (a server that ignores the temperature, a cache in between).

    Args:
        answers: full texts, or hashes of them, shape (questions, columns).
        temperature: what was asked for; None if unknown.
        threshold: share of identical texts from which columns are copies.
    """
    table = np.asarray(answers, dtype=object)
    if table.ndim != 2:
        raise ValueError(f"answers have shape {table.shape}: expected (questions, columns)")
    codes = np.unique(table.astype(str).ravel(), return_inverse=True)[1].reshape(table.shape)
    columns = table.shape[1]
    alike = 0.0
    home = list(range(columns))
    for j in range(columns):
        for i in range(j):
            share = float((codes[:, i] == codes[:, j]).mean()) if len(codes) else 0.0
            alike = max(alike, share)
            if home[j] == j and home[i] == i and (temperature == 0 or share >= threshold):
                home[j] = i
    groups = tuple(
        tuple(j for j in range(columns) if home[j] == i) for i in range(columns) if home[i] == i
    )
    keep = tuple(group[0] for group in groups)
    note = ""
    if len(keep) < columns:
        why = "drawn at temperature 0" if temperature == 0 else f"{alike:.0%} identical"
        note = f"{columns} runs count as {len(keep)}: {why}, so they are not replicates"
    return Replicates(keep, groups, alike if columns > 1 else None, note)
