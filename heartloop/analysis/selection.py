"""Winner's curse: the best of several arms, and what it is worth on questions that did not choose.

The maximum over arms on the very questions that chose it is biased upwards even where no arm
differs from another. It is reported only as the *selected maximum*, next to an estimate on other
questions or other tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import t_ppf
from heartloop.analysis.paired import resample_sums

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HonestEstimate:
    """Gain over the control of the arm that a rule chose, on data that did not choose it.

    Attributes:
        gain: a share.
        low, high: interval, Student's t at clusters - 1; None with fewer than two clusters.
        picks: share of folds or tasks that chose each arm.
        kind: ``held-out``, ``cross-fitted over questions``, ``cross-fitted over tasks``.
    """

    gain: float
    low: float | None
    high: float | None
    picks: tuple[float, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class BestArm:
    """The best of k arms, with and without the winner's curse.

    Attributes:
        arm: index of the best candidate.
        control: index of the control.
        selected_maximum: its gain on the questions that chose it: biased upwards, never to be
            quoted alone.
        noise_maximum: gain of the best arm expected if no arm differed from the control in truth
            (bootstrap of centred differences): what the curse alone gives.
        held_out: chosen on one random half of the questions, measured on the other.
        cross_fitted: chosen on all folds but one, measured on that one, over repeated splits.
        over_tasks: chosen on some tasks, measured on others; None with one task.
        per_task_maximum: mean over tasks of each task's own selected maximum; None with one task.
    """

    arm: int
    control: int
    selected_maximum: float
    noise_maximum: float
    held_out: HonestEstimate
    cross_fitted: HonestEstimate
    over_tasks: HonestEstimate | None
    per_task_maximum: float | None


def _t_interval(
    values: FloatArray, weights: FloatArray, level: float
) -> tuple[float, float | None, float | None]:
    """Weighted mean of clusters and its interval; weights are cluster sizes."""
    mean, se = _weighted(values, weights)
    if len(values) < 2:
        return mean, None, None
    half = t_ppf(0.5 + level / 2, len(values) - 1) * se
    return mean, mean - half, mean + half


def _weighted(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Weighted mean of clusters and its robust standard error."""
    total = float(weights.sum())
    mean = float((values * weights).sum() / total)
    residual = weights * (values - mean)
    scale = len(values) / max(1, len(values) - 1)
    return mean, float(np.sqrt(scale * (residual**2).sum()) / total)


def best_of_arms(
    correct: ArrayLike,
    control: int = 0,
    tasks: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    folds: int = 5,
    repeats: int = 20,
    level: float = 0.95,
    seed: int = 0,
) -> BestArm:
    """The best of several arms, as a selected maximum and as an honest estimate.

    Cross-fitting: questions (or clusters) are dealt into ``folds`` at random; in each fold the arm
    that was best on the others is measured against the control; averaged over ``repeats`` deals.
    It estimates the gain of the *rule* "take the best on (folds - 1)/folds of such a sample". The
    interval is somewhat short where many arms are nearly equal (about 93 % for a nominal 95 %), as
    the folds' choices depend on one another; the held-out one is not. For "use this stimulus in
    general" the unit is the task: the gain of a task with the arm that was best on tasks of other
    folds (tasks weighted equally). Ties go to the first arm.

    Args:
        correct: the metric of each question, mean over seeds, shape (arms, questions).
        control: row of the control; the other rows are the candidates.
        tasks: one label a question; tasks weigh the same.
        clusters: one label a question, where questions are not independent.
        folds: number of folds, at least 2.
        repeats: random deals.
        level: coverage.
        seed: of deals and bootstrap.

    Raises:
        ValueError: fewer than two arms or clusters, or a control that is no row.
    """
    table = np.asarray(correct, dtype=float)
    if table.ndim != 2 or table.shape[0] < 2 or not 0 <= control < table.shape[0]:
        raise ValueError(f"correct has shape {table.shape}: expected (arms, questions), 2+ arms")
    arms, questions = table.shape
    ids = np.arange(questions) if clusters is None else _codes(clusters, questions)
    groups = int(ids.max()) + 1 if questions else 0
    if groups < 2:
        raise ValueError("choosing needs two or more questions (or clusters)")
    gains = table - table[control]
    size = np.bincount(ids, minlength=groups).astype(np.float64)
    labels = None if tasks is None else _codes(tasks, questions)
    weight = np.ones(questions)
    if labels is not None:
        per = np.bincount(labels)
        weight = questions / (len(per) * per)[labels]  # tasks weigh the same
    by_cluster = [np.bincount(ids, row * weight, groups) for row in gains]
    sums = np.asarray(by_cluster, dtype=np.float64)  # (arms, clusters)
    candidates = np.array([a for a in range(arms) if a != control])

    def choose(total: FloatArray) -> int:
        return int(candidates[np.argmax(total[candidates])])

    rng = np.random.default_rng(seed)
    best = choose(sums.sum(axis=1))
    centred = (sums - np.outer(sums.sum(axis=1) / questions, size))[candidates].T
    drawn = resample_sums(centred, 1_000, seed)
    # the second half of a random order is measured with the arm that the first half chose
    order = rng.permutation(groups)
    half = order[: groups // 2]
    rest = order[groups // 2 :]
    picked = choose(sums[:, half].sum(axis=1))
    held = _t_interval(sums[picked, rest] / size[rest], size[rest], level)
    crossed = _cross_fit(sums, size, choose, folds, repeats, level, rng, "questions")
    over_tasks, per_task = None, None
    if labels is not None:
        number = int(labels.max()) + 1
        if number > 1:
            per = np.bincount(labels, minlength=number)
            by_task = [np.bincount(labels, row, number) / per for row in gains]
            means = np.asarray(by_task, dtype=np.float64)
            over_tasks = _cross_fit(
                means, np.ones(number), choose, folds, repeats, level, rng, "tasks"
            )
            per_task = float(means[candidates].max(axis=0).mean())
    chosen = tuple(float(a == picked) for a in range(arms))
    return BestArm(
        arm=best,
        control=control,
        selected_maximum=float(sums[best].sum() / questions),
        noise_maximum=float((drawn / questions).max(axis=1).mean()),
        held_out=HonestEstimate(*held, chosen, "held-out"),
        cross_fitted=crossed,
        over_tasks=over_tasks,
        per_task_maximum=per_task,
    )


def _cross_fit(
    sums: FloatArray,
    size: FloatArray,
    choose: Callable[[FloatArray], int],
    folds: int,
    repeats: int,
    level: float,
    rng: np.random.Generator,
    unit: str,
) -> HonestEstimate:
    """Choose on all folds but one, measure on that one; sums are (arms, units)."""
    arms, units = sums.shape
    picks = np.zeros(arms)
    gained, spread = np.zeros(repeats), np.zeros(repeats)
    count = min(max(2, folds), units)
    for r in range(repeats):
        collected = np.zeros(units)
        fold = rng.permutation(units) % count
        for f in range(count):
            inside = fold == f
            arm = choose(sums[:, ~inside].sum(axis=1))
            picks[arm] += 1
            collected[inside] = sums[arm, inside]
        gained[r], spread[r] = _weighted(collected / size, size)
    # Deals differ in what they choose: their spread is part of the error (Chernozhukov et al.
    # 2018, Econometrics J. 21:C1, section 3.4, with means).
    centre = float(gained.mean())
    se = float(np.sqrt((spread**2 + (gained - centre) ** 2).mean()))
    half = t_ppf(0.5 + level / 2, units - 1) * se
    shares = tuple(float(v) for v in picks / picks.sum())
    return HonestEstimate(centre, centre - half, centre + half, shares, f"cross-fitted over {unit}")


def _codes(labels: ArrayLike, rows: int) -> NDArray[np.int64]:
    found = np.asarray(labels)
    if found.shape != (rows,):
        raise ValueError(f"{rows} questions but labels of shape {found.shape}: give one a question")
    return np.unique(found, return_inverse=True)[1].reshape(rows).astype(np.int64)
