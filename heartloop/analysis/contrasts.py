"""Contrasts of arms on a task's own metric: p-values, simultaneous intervals, equivalence.

The statistics under the sentence. Every arm answered the same questions, so a contrast is a
difference by question: an arm minus a control, or minus the mean of several controls that are taken
as fixed. A suite is the mean over its tasks, and tasks weigh the same. Two statements are kept
apart: *on these tasks* (questions, or what dependent questions share, are the sample, within each
task) and *over tasks like these* (tasks are the sample).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import norm_ppf, t_cdf, t_ppf
from heartloop.analysis.proportions import wilson_limits
from heartloop.analysis.rope import share_within

FloatArray = NDArray[np.float64]

FLIPS = 10_000
LEAST_TASKS = 6
"""Under so many tasks nothing is said over tasks like these."""
EDGE = 0.02
"""A control within so much of the metric's lowest or highest value leaves nothing to be seen."""
CELLS = 20_000_000  # signs drawn at once
_EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class Sample:
    """What several arms scored on the questions that all of them have.

    Attributes:
        own: the task's own metric on a scale of 0 to 1, mean over seeds, shape (arms, questions).
        content: the same metric on the span that a tolerant reader finds, same shape.
        tasks: index of each question's task, 0 to K - 1, shape (questions,).
        clusters: index of what dependent questions share, unique over tasks, shape (questions,).
        low, high: value of ``own`` at which each task's metric is 0 and 1, shape (K,). A
            normalised metric is handed over as raw value / (perfect - chance), so that content
            and form stay shares of right answers; ``low`` is then chance on that scale.
    """

    own: FloatArray
    content: FloatArray
    tasks: NDArray[np.int64]
    clusters: NDArray[np.int64]
    low: FloatArray
    high: FloatArray


def sample(
    own: ArrayLike,
    content: ArrayLike | None = None,
    tasks: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    bounds: Mapping[Any, tuple[float, float]] | None = None,
) -> Sample:
    """A `Sample` from plain tables and labels of any kind.

    Args:
        own: shape (arms, questions); NaN where an arm has no result, and then the question is
            left out for all arms.
        content: same shape; default ``own``.
        tasks: one label a question; default one task.
        clusters: one label a question; default every question by itself.
        bounds: task label -> (chance, perfect) where the metric is normalised; ``own`` and
            ``content`` are handed over raw.

    Raises:
        ValueError: shapes that differ, or no question that every arm has.
    """
    y = np.asarray(own, dtype=float)
    c = y if content is None else np.asarray(content, dtype=float)
    if y.ndim != 2 or c.shape != y.shape:
        raise ValueError(f"own {y.shape} and content {c.shape}: expected (arms, questions) twice")
    keep = ~(np.isnan(y) | np.isnan(c)).any(axis=0)
    if not keep.any():
        raise ValueError("no question that every arm has")
    count = y.shape[1]
    labels = np.zeros(count, int) if tasks is None else np.asarray(tasks)
    if len(labels) != count:
        raise ValueError(f"{count} questions but {len(labels)} task labels: give one a question")
    names, task = np.unique(labels[keep], return_inverse=True)
    task = task.reshape(-1).astype(np.int64)
    inside = np.arange(count) if clusters is None else _codes(clusters, count)
    limits = np.array([(bounds or {}).get(name, (0.0, 1.0)) for name in names.tolist()])
    scale = 1.0 / (limits[:, 1] - limits[:, 0])
    groups = _codes(inside[keep] * len(names) + task, len(task))
    return Sample(
        y[:, keep] * scale[task],
        c[:, keep] * scale[task],
        task,
        groups,
        limits[:, 0] * scale,
        limits[:, 1] * scale,
    )


def _codes(labels: ArrayLike, count: int) -> NDArray[np.int64]:
    found = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    if len(found) != count:
        raise ValueError(f"{count} questions but {len(found)} labels: give one a question")
    return found.astype(np.int64)


@dataclass(frozen=True, slots=True)
class TaskTotals:
    """Cluster totals task by task: (columns, clusters of the task), and the clusters' sizes."""

    totals: tuple[FloatArray, ...]
    sizes: tuple[FloatArray, ...]

    @property
    def questions(self) -> float:
        """How many questions there are."""
        return float(sum(m.sum() for m in self.sizes))

    @property
    def clusters(self) -> int:
        """How many clusters, over all tasks."""
        return sum(len(m) for m in self.sizes)


def task_totals(found: Sample, values: FloatArray) -> TaskTotals:
    """Totals of every cluster, task by task, for rows of values by question."""
    totals, sizes = [], []
    for task in range(int(found.tasks.max()) + 1):
        here = np.flatnonzero(found.tasks == task)
        inside = np.unique(found.clusters[here], return_inverse=True)[1].reshape(-1)
        groups = int(inside.max()) + 1
        sizes.append(np.bincount(inside, minlength=groups).astype(float))
        if groups == len(here):
            order = np.argsort(inside)
            totals.append(values[:, here[order]])
        else:
            totals.append(np.stack([np.bincount(inside, row, groups) for row in values[:, here]]))
    return TaskTotals(tuple(totals), tuple(sizes))


def moments(blocks: TaskTotals) -> tuple[FloatArray, FloatArray]:
    """Mean of each task (columns, K) and its variance for new questions, (columns, K)."""
    means, variances = [], []
    for totals, m in zip(blocks.totals, blocks.sizes, strict=True):
        n, groups = m.sum(), len(m)
        mean = totals.sum(axis=1) / n
        rest = totals - mean[:, None] * m
        scale = groups / (groups - 1) if groups > 1 else 1.0
        means.append(mean)
        variances.append(scale * (rest**2).sum(axis=1) / n**2)
    return np.stack(means, axis=1), np.stack(variances, axis=1)


@dataclass(frozen=True, slots=True)
class OverTasks:
    """A contrast as a statement over tasks like these: t over task means, K - 1 degrees of freedom.

    Attributes:
        low, high: interval at the level asked for, not adjusted for several contrasts.
        p: two-sided.
        tasks: K.
    """

    low: float
    high: float
    p: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One contrast; shares, arm minus control.

    Attributes:
        estimate: mean over tasks of the mean over questions.
        se: standard error for new questions of these tasks.
        low, high: interval that holds for all contrasts handed over at once (max-t).
        p: two-sided p-value, not adjusted.
        p_equal: TOST against the margin, not adjusted; 1 with fewer than two clusters.
        within: posterior probability that the difference lies within the margin (ROPE, flat
            prior); None with fewer than two clusters.
        over: the same over tasks like these; None with fewer than six tasks.
        by_task: mean difference in each task, in the tasks' order.
        discordance: share of questions on which the two differ.
    """

    estimate: float
    se: float
    low: float
    high: float
    p: float
    p_equal: float
    within: float | None
    over: OverTasks | None
    by_task: tuple[float, ...]
    discordance: float


def contrasts(
    found: Sample,
    weights: ArrayLike,
    *,
    margin: float = 0.03,
    level: float = 0.95,
    flips: int = FLIPS,
    seed: int = 0,
) -> list[Difference]:
    """Estimate and test contrasts of arms together.

    *p* is that of a studentised bootstrap with the hypothesis imposed: the differences of each
    cluster change sign at random (the wild bootstrap with Rademacher weights; Wu 1986, Ann. Stat.
    14:1261; Davidson & Flachaire 2008, J. Econometrics 146:162), all contrasts at once, and every
    mean is divided by its own standard error within tasks. Where arm and control are exchangeable
    this is an exact permutation test (with one task McNemar's), whatever the sample; otherwise,
    as for a mean of two controls or tasks whose effects differ, it holds asymptotically (Janssen
    1997, Stat. Prob. Lett. 36:9). Ties count half (mid-p).

    *Intervals* hold simultaneously: estimate ± c se, c the level's quantile of the largest
    studentised deviation over all contrasts, from the same flips of the residuals (Romano & Wolf
    2005, Econometrica 73:1237). The standard error of an interval counts one more pair (cluster)
    that differs, so that it has a length where nothing differs (Agresti & Min 2005, Biometrics
    61:515).

    *Equivalence* is TOST by Student's t with half a pair as continuity correction; the variance is
    not taken below that of a binary metric at the margin, where at least that share must differ.

    Args:
        found: the arms' results.
        weights: one row a contrast, one column an arm: 1 for the arm, -1 in all over controls.
        margin: half-width of the region of equivalence.
        level: coverage of the intervals.
        flips: random flips; fewer where there are very many questions.
        seed: of the flips.

    Raises:
        ValueError: weights that do not fit the arms.
    """
    w = np.atleast_2d(np.asarray(weights, dtype=float))
    if w.shape[1] != len(found.own):
        raise ValueError(f"weights for {w.shape[1]} arms, but there are {len(found.own)}")
    values = w @ found.own
    blocks = task_totals(found, values)
    by_task, variance = moments(blocks)
    tasks = by_task.shape[1]
    estimate, se = by_task.mean(axis=1), np.sqrt(variance.sum(axis=1)) / tasks
    p, critical = _flip(blocks, by_task, estimate, se, level, flips, seed)
    n, groups = blocks.questions, blocks.clusters
    pair = _one_more(blocks) / n
    wide = np.hypot(se, pair)
    floor = math.sqrt(margin * (1 - margin) / n)
    reach_of_metric = max(1.0, float(np.ptp(found.own)))
    out = []
    for i in range(len(w)):
        half = critical * wide[i]
        equal, within = 1.0, None
        if groups > tasks:
            error = max(float(se[i]), floor, float(pair[i]))
            within = share_within(float(estimate[i]), error, groups - tasks, margin)
            reach = margin - abs(estimate[i]) - 0.5 * pair[i]
            equal = t_cdf(-reach / max(se[i], floor), groups - tasks)
        out.append(
            Difference(
                estimate=float(estimate[i]),
                se=float(se[i]),
                low=max(-reach_of_metric, float(estimate[i] - half)),
                high=min(reach_of_metric, float(estimate[i] + half)),
                p=float(p[i]),
                p_equal=float(equal),
                within=within,
                over=over_tasks(by_task[i], level),
                by_task=tuple(map(float, by_task[i])),
                discordance=float((np.abs(values[i]) > 1e-9).mean()),
            )
        )
    return out


def _one_more(blocks: TaskTotals) -> FloatArray:
    """Questions that one more cluster with a difference would bring, for each contrast.

    Its own size (1) where questions are independent. A cluster of many is taken to differ as much
    as those that differ do (root mean square), by at least one question and at most its size;
    where none differs, by its whole size.
    """
    size = float(np.mean([m.mean() for m in blocks.sizes]))
    every = np.concatenate(blocks.totals, axis=1)
    count = (np.abs(every) > 1e-9).sum(axis=1)
    usual = np.sqrt((every**2).sum(axis=1) / np.maximum(count, 1))
    return np.asarray(np.where(count > 0, np.clip(usual, 1.0, max(1.0, size)), size))


def over_tasks(by_task: ArrayLike, level: float = 0.95) -> OverTasks | None:
    """Student's t over task means with K - 1 degrees of freedom; None under six tasks."""
    d = np.asarray(by_task, dtype=float)
    if len(d) < LEAST_TASKS:
        return None
    mean, se = float(d.mean()), float(d.std(ddof=1)) / math.sqrt(len(d))
    half = t_ppf(0.5 + level / 2, len(d) - 1) * se
    if se > 0:
        p = 2 * t_cdf(-abs(mean) / se, len(d) - 1)
    else:
        p = 1.0 if mean == 0 else 0.0
    return OverTasks(mean - half, mean + half, p, len(d))


def _flip(
    blocks: TaskTotals,
    by_task: FloatArray,
    estimate: FloatArray,
    se: FloatArray,
    level: float,
    flips: int,
    seed: int,
) -> tuple[FloatArray, float]:
    """P-values of all contrasts, and the critical value of their simultaneous intervals."""
    columns, tasks = by_task.shape
    rng = np.random.default_rng(seed)
    flips = max(1000, min(flips, int(2e9 / max(1.0, blocks.questions * columns))))
    step = max(100, int(CELLS / max(1, blocks.clusters)))
    observed = np.abs(_ratio(estimate, se))
    beyond, ties = np.zeros(columns), np.zeros(columns)
    largest = []
    for start in range(0, flips, step):
        height = min(step, flips - start)
        mean = np.zeros((height, 2 * columns))
        spread = np.zeros((height, 2 * columns))
        for k, (totals, m) in enumerate(zip(blocks.totals, blocks.sizes, strict=True)):
            n, groups = float(m.sum()), len(m)
            rest = totals - by_task[:, k, None] * m
            both = np.concatenate([totals, rest]).astype(np.float32)
            bits = rng.integers(0, 256, (height, (groups + 7) // 8), dtype=np.uint8)
            signs = np.unpackbits(bits, axis=1, count=groups).astype(np.float32)
            signs *= 2
            signs -= 1
            here = (signs @ both.T).astype(float)
            here /= n
            # Squared residuals of the clusters: sum (s x)^2 - 2 mean sum (s x m) + mean^2 sum m^2.
            if (m == m[0]).all():
                left = here * here
                left *= -n * float(m[0])
            else:
                left = here * float((m**2).sum())
                left -= 2 * (signs @ (both * m.astype(np.float32)).T)
                left *= here
            left += (both.astype(float) ** 2).sum(axis=1)
            np.maximum(left, 0.0, out=left)
            left *= (groups / (groups - 1) if groups > 1 else 1.0) / n**2
            mean += here
            spread += left
        ratio = np.abs(_ratio(mean / tasks, np.sqrt(spread) / tasks))
        null, rest_t = ratio[:, :columns], ratio[:, columns:]
        near = _EPSILON * (1 + observed)
        beyond += (null > observed + near).sum(axis=0)
        ties += (np.abs(null - observed) <= near).sum(axis=0)
        largest.append(rest_t.max(axis=1))
    p = (beyond + 0.5 * ties + 0.5) / (flips + 1)
    p[observed == 0] = 1.0
    reach = np.concatenate(largest)
    critical = float(np.quantile(reach[np.isfinite(reach)], level)) if flips else math.inf
    # Never below Student's for a single contrast: with few clusters flips take few values.
    return np.minimum(p, 1.0), max(
        critical, t_ppf(0.5 + level / 2, max(1, blocks.clusters - tasks))
    )


def _ratio(mean: FloatArray, se: FloatArray) -> FloatArray:
    """Studentised means; 0 where nothing differs, a very large number where only all agree."""
    safe = np.where(se > 1e-12, se, 1e-12)
    return np.asarray(np.where(np.abs(mean) < 1e-12, 0.0, mean / safe))


@dataclass(frozen=True, slots=True)
class Edges:
    """Tasks whose control leaves nothing to be seen.

    Attributes:
        floor, ceiling: indices of tasks whose control is within two points of the metric's lowest
            or highest value.
        tasks: how many there are.
    """

    floor: tuple[int, ...]
    ceiling: tuple[int, ...]
    tasks: int

    @property
    def blind(self) -> bool:
        """Whether so many tasks are at an edge (over a third) that equivalence says nothing."""
        return 3 * (len(self.floor) + len(self.ceiling)) > self.tasks


def edges(found: Sample, control: int) -> Edges:
    """Floor and ceiling of the control, task by task."""
    means = task_levels(found, control)
    floor = tuple(int(k) for k in np.flatnonzero(means <= EDGE))
    ceiling = tuple(int(k) for k in np.flatnonzero(means >= 1 - EDGE))
    return Edges(floor, ceiling, len(means))


def level_of(found: Sample, arm: int) -> float:
    """An arm's own metric, tasks weighing the same."""
    return float(task_levels(found, arm).mean())


def level_interval(found: Sample, arm: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of an arm's own metric on these tasks, for new questions.

    Wilson's, at the sample size that gives a share of this height this variance (never more than
    there are questions); a metric that leaves [0, 1] gets estimate ± z se.
    """
    blocks = task_totals(found, found.own[[arm]])
    means, variances = moments(blocks)
    mean = float((means[0] - found.low).mean())
    variance = float(variances[0].sum()) / len(found.low) ** 2
    if not 0 <= mean <= 1 or found.low.any():
        half = norm_ppf(0.5 + level / 2) * math.sqrt(variance)
        return mean - half, mean + half
    n = blocks.questions
    if variance > 0:
        n = min(n, mean * (1 - mean) / variance)
    low, high = wilson_limits(mean, n, norm_ppf(0.5 + level / 2))
    return float(low), float(high)


def task_levels(found: Sample, arm: int) -> FloatArray:
    """An arm's own metric in each task, on its scale of 0 to 1, shape (K,)."""
    return moments(task_totals(found, found.own[[arm]]))[0][0] - found.low
