"""Where uncertainty sits: between tasks, between questions, between draws of a question."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of the parts of an answer's value; None where they cannot be told apart.

    Attributes:
        tasks: between the true means of tasks; None with one task.
        questions: between the true rates of questions of a task (with one draw a question: draws
            included).
        draws: between draws (run seeds) of one question; None with one draw.
        se_questions: standard error of the suite's mean that only more questions shrink (with one
            draw: all of it).
        se_draws: the part that more draws shrink; None with one draw.
        count: tasks, questions and draws a question.
    """

    tasks: float | None
    questions: float
    draws: float | None
    se_questions: float
    se_draws: float | None
    count: tuple[int, int, int]


def spread(values: ArrayLike, tasks: ArrayLike | None = None) -> Spread | None:
    """Variance components of draws in questions in tasks (nested random effects).

    Moments: the mean square within questions estimates σ_d²; the variance of question means
    within a task σ_q² + σ_d²/S; that of task means σ_t² plus their mean error variance (Searle,
    Casella & McCulloch 1992, ch. 3; unequal tasks by their own error variances). Negative
    estimates are 0.

    Args:
        values: shape (questions, draws), without gaps.
        tasks: one label a question; default one task.

    Returns:
        None with fewer than two questions in every task.
    """
    y = np.asarray(values, dtype=float)
    n, s = y.shape
    labels = np.zeros(n, int) if tasks is None else np.unique(tasks, return_inverse=True)[1]
    labels = labels.reshape(-1)
    k = int(labels.max()) + 1
    draw = float(y.var(axis=1, ddof=1).mean()) if s > 1 else None
    means, between, errors, noise = [], [], [], []
    for task in range(k):
        rows = y[labels == task].mean(axis=1)
        means.append(float(rows.mean()))
        if len(rows) > 1:
            own = float(rows.var(ddof=1))
            between.append((len(rows) - 1, own))
            errors.append(own / len(rows))
            noise.append((draw or 0.0) / (s * len(rows)))
    if not between:
        return None
    pooled = sum(w * v for w, v in between) / sum(w for w, _ in between)
    question = max(0.0, pooled - (draw or 0.0) / s)
    task_sd = None
    if k > 1:
        task_sd = math.sqrt(max(0.0, float(np.var(means, ddof=1)) - float(np.mean(errors))))
    whole, part = sum(errors) / k**2, sum(noise) / k**2
    return Spread(
        tasks=task_sd,
        questions=math.sqrt(question),
        draws=None if draw is None else math.sqrt(draw),
        se_questions=math.sqrt(max(0.0, whole - part)),
        se_draws=None if draw is None else math.sqrt(part),
        count=(k, n, s),
    )
