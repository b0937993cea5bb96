"""How much of a difference on a task's own metric is content, and how much is form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import norm_ppf
from heartloop.analysis.contrasts import Sample, TaskTotals, moments, task_totals

FloatArray = NDArray[np.float64]


_CELLS = 4_000_000  # questions drawn at once
LEAST_RIGHT = 20
"""Under so many right answers in an arm, content and form are not split."""


@dataclass(frozen=True, slots=True)
class Split:
    """How much of a difference to a control is content, and how much is form; shares.

    Attributes:
        content, form: the two contributions; they add up to the difference on the own metric.
        content_low, content_high, form_low, form_high: intervals by the paired bootstrap, for all
            arms that were split together (Bonferroni).
        right: difference in the share right by content itself, C1 - C0 ("right less often").
        right_low, right_high: its interval.
    """

    content: float
    content_low: float
    content_high: float
    form: float
    form_low: float
    form_high: float
    right: float
    right_low: float
    right_high: float


def split(
    found: Sample,
    arms: Sequence[int],
    control: int,
    *,
    level: float = 0.95,
    draws: int = 2_000,
    seed: int = 0,
) -> list[Split | None]:
    """Contributions of content and of form to the difference of each arm to one control.

    With C the share right by content, S the own metric and f = S / C (means over tasks): content
    ``(C1 - C0)(f1 + f0)/2``, form ``(f1 - f0)(C1 + C0)/2``. Their sum is S1 - S0. Intervals are
    estimate ± z times the bootstrap's standard error, z at (1 - level) / arms, so that they hold
    for all arms together; questions (clusters) are resampled within tasks, both arms together.

    Args:
        found: the arms' results.
        arms: rows of the arms.
        control: row of the control.
        level: coverage over all arms.
        draws: resamples.
        seed: of the resampling.

    Returns:
        One an arm; None where it or the control has under 20 right answers by content.
    """
    rows = [control, *arms]
    both = np.concatenate([found.own[rows], found.content[rows]])
    blocks = task_totals(found, both)
    means = moments(blocks)[0].mean(axis=1)
    drawn = _resampled(blocks, draws, seed)
    count = len(rows)
    right = (found.content[rows] > 0).sum(axis=1)
    out: list[Split | None] = []
    z = norm_ppf(1 - (1 - level) / (2 * max(1, len(arms))))
    for i in range(1, count):
        if min(right[0], right[i]) < LEAST_RIGHT:
            out.append(None)
            continue
        content, form = _parts(means[0], means[count], means[i], means[count + i])
        c, f = _parts(drawn[:, 0], drawn[:, count], drawn[:, i], drawn[:, count + i])
        gap = drawn[:, count + i] - drawn[:, count]
        parts = []
        for value, spread in ((content, c), (form, f), (means[count + i] - means[count], gap)):
            half = z * float(spread.std(ddof=1))
            parts += [float(value), float(value) - half, float(value) + half]
        out.append(Split(*parts))
    return out


def _parts(s0: ArrayLike, c0: ArrayLike, s1: ArrayLike, c1: ArrayLike) -> tuple[FloatArray, ...]:
    own0, own1, right0, right1 = (np.asarray(x, dtype=float) for x in (s0, s1, c0, c1))
    f0 = own0 / np.maximum(right0, 1e-12)
    f1 = own1 / np.maximum(right1, 1e-12)
    return (right1 - right0) * (f1 + f0) / 2, (f1 - f0) * (right1 + right0) / 2


def _resampled(blocks: TaskTotals, draws: int, seed: int) -> FloatArray:
    """Suite means of every column in every resample within tasks, shape (draws, columns)."""
    rng = np.random.default_rng(seed)
    out = np.zeros((draws, len(blocks.totals[0])))
    for totals, m in zip(blocks.totals, blocks.sizes, strict=True):
        groups = len(m)
        step = max(1, _CELLS // groups)
        for start in range(0, draws, step):
            height = min(step, draws - start)
            picks = rng.integers(0, groups, (height, groups))
            picks += np.arange(height)[:, None] * groups
            times = np.bincount(picks.ravel(), minlength=height * groups).reshape(height, groups)
            times = times.astype(np.float32)
            sums = (times @ totals.T.astype(np.float32)).astype(float)
            out[start : start + height] += sums / (times @ m)[:, None]
    return out / len(blocks.totals)
