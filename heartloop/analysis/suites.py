"""Suites of tasks and classes of stimuli: what holds beyond the tasks and wordings at hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import norm_ppf, t_cdf, t_ppf

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Normalised:
    """A normalised preferred metric: 0 is chance, 100 is perfect.

    Attributes:
        value: on the scale of 0 to 100; under 0 is below chance.
        se: its standard error, on the same scale.
        below_chance: whether value < 0.
    """

    value: float
    se: float
    below_chance: bool


def normalise(
    raw: float, se: float, low: float, high: float = 1.0, low_se: float = 0.0
) -> Normalised:
    """Normalised preferred metric of BIG-bench with its propagated error.

    ``N = 100 (raw - low) / (high - low)`` (Srivastava et al. 2022, arXiv 2206.04615). First-order
    error: ``(100 / (high - low))² (se² + (1 - N/100)² low_se²)``; chance computed from the items'
    own choices has ``low_se`` = 0.

    Args:
        raw: measured value.
        se: its standard error.
        low: value of chance.
        high: value of a perfect answer.
        low_se: standard error of ``low`` where it was measured.

    Raises:
        ValueError: high not above low.
    """
    if high <= low:
        raise ValueError(f"high {high:g} must be above low {low:g}")
    scale = 100.0 / (high - low)
    value = scale * (raw - low)
    error = scale * math.hypot(se, (1 - value / 100) * low_se)
    return Normalised(value, error, value < 0)


@dataclass(frozen=True, slots=True)
class SuiteEffect:
    """An average over tasks, as a statement about these tasks and about tasks like them.

    Attributes:
        estimate: plain mean over tasks.
        se_fixed: error of the mean for exactly these tasks (new questions); None if not given.
        low_fixed, high_fixed: its interval.
        se: error for tasks of this kind (tasks are the sample).
        low, high: its interval, Student's t at G - 1.
        p: two-sided p-value of estimate = 0, from the same t.
        tasks: G.
        level: coverage.
    """

    estimate: float
    se_fixed: float | None
    low_fixed: float | None
    high_fixed: float | None
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    tasks: int
    level: float


def suite_effect(
    effects: ArrayLike, errors: ArrayLike | None = None, level: float = 0.95
) -> SuiteEffect:
    """Mean effect over the tasks of a suite, clustered by task.

    A task bootstrap of a mean of G effects has variance Σ(e - ē)²/G²; that is known exactly, so no
    draws are made. It is too small by (G-1)/G and its percentiles are normal-like, so the error is
    corrected by G/(G-1) and the quantile is Student's t at G - 1 (Cameron, Gelbach & Miller 2008,
    REStat 90:414, section 3). The fixed-task error is ``sqrt(Σ se²)/G``.

    Args:
        effects: one an task: a difference between two arms, or a normalised score.
        errors: standard error of each within its task.
        level: coverage.

    Raises:
        ValueError: no task, or shapes that differ.
    """
    e = np.asarray(effects, dtype=float)
    if e.ndim != 1 or not len(e):
        raise ValueError("effects must be one number a task, at least one")
    groups, mean = len(e), float(e.mean())
    fixed: float | None = None
    if errors is not None:
        s = np.asarray(errors, dtype=float)
        if s.shape != e.shape:
            raise ValueError(f"{len(e)} effects but errors of shape {s.shape}")
        fixed = float(np.sqrt((s**2).sum()) / groups)
    z = norm_ppf(0.5 + level / 2)
    if groups == 1:
        se = low = high = p = None
    else:
        se = float(e.std(ddof=1) / math.sqrt(groups))
        half = t_ppf(0.5 + level / 2, groups - 1) * se
        low, high, p = mean - half, mean + half, _t_p(mean, se, groups - 1)
    return SuiteEffect(
        estimate=mean,
        se_fixed=fixed,
        low_fixed=None if fixed is None else mean - z * fixed,
        high_fixed=None if fixed is None else mean + z * fixed,
        se=se,
        low=low,
        high=high,
        p=p,
        tasks=groups,
        level=level,
    )


def _t_p(mean: float, se: float, df: float) -> float:
    if se == 0:
        return 1.0 if mean == 0 else 0.0
    return 2.0 * t_cdf(-abs(mean) / se, df)


@dataclass(frozen=True, slots=True)
class ClassEffect:
    """Effect of a class of stimuli, its wordings taken as a sample of what might be said.

    Attributes:
        estimate: mean over wordings and groups.
        se: its standard error for new wordings and new groups.
        low, high: interval with Student's t at min(wordings, groups) - 1.
        p: two-sided, from the same t.
        by_wording: mean effect of each wording.
        wording_sd: standard deviation of those (noise included).
        wordings, groups: sizes of both samples.
        level: coverage.
    """

    estimate: float
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    by_wording: tuple[float, ...]
    wording_sd: float | None
    wordings: int
    groups: int
    level: float


def stimulus_class_effect(
    effects: ArrayLike, level: float = 0.95, draws: int = 2_000, seed: int = 0
) -> ClassEffect:
    """Effect of a stimulus class: its paraphrases are resampled as its sample.

    Wordings (rows) and groups (columns: tasks, or questions of one task) are crossed, and both are
    resampled with replacement at once: the pigeonhole bootstrap (Owen 2007, Ann. Appl. Stat.
    1:386), which errs on the safe side. Its standard error goes with Student's t at the smaller
    sample less one. With one wording or one group nothing can be said about the class: no error.

    Args:
        effects: effect of wording i in group j against the control, shape (wordings, groups).
        level: coverage.
        draws: resamples.
        seed: of the resampling.

    Raises:
        ValueError: not a table.
    """
    table = np.asarray(effects, dtype=float)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"effects have shape {table.shape}: expected (wordings, groups)")
    wordings, groups = table.shape
    mean, rows = float(table.mean()), table.mean(axis=1)
    spread = float(rows.std(ddof=1)) if wordings > 1 else None
    by_wording = tuple(float(v) for v in rows)
    if min(wordings, groups) < 2:
        return ClassEffect(
            mean, None, None, None, None, by_wording, spread, wordings, groups, level
        )
    rng = np.random.default_rng(seed)
    step = max(1, 4_000_000 // groups)
    means = np.empty(draws)
    for start in range(0, draws, step):
        height = min(step, draws - start)
        by_row = rng.multinomial(wordings, np.full(wordings, 1 / wordings), height)
        by_column = rng.multinomial(groups, np.full(groups, 1 / groups), height)
        means[start : start + height] = ((by_row @ table) * by_column).sum(axis=1)
    smaller = min(wordings, groups)
    # each factor's bootstrap variance is short by (size - 1) / size; the smaller one's covers both
    se = float(means.std(ddof=1) / (wordings * groups)) * math.sqrt(smaller / (smaller - 1))
    half = t_ppf(0.5 + level / 2, smaller - 1) * se
    p = _t_p(mean, se, smaller - 1)
    return ClassEffect(
        mean, se, mean - half, mean + half, p, by_wording, spread, wordings, groups, level
    )
