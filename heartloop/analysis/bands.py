"""Simultaneous bands for many differences that are only described: no p-values, no words.

Where `contrasts` tests a task's own metric, these bands carry measures of every kind (tokens,
shares, moods), and a measure may be missing on some questions: an answer of five words has no mood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import t_ppf
from heartloop.analysis.proportions import cluster_ids

FloatArray = NDArray[np.float64]

FLIPS = 2_000
_CELLS = 4_000_000  # signs drawn at once


@dataclass(frozen=True, slots=True)
class Band:
    """One difference with an interval that holds for all that were handed over together.

    Attributes:
        estimate: mean over tasks of the mean over the questions that have it; NaN where none has.
        low, high: the band.
        questions: how many questions have it.
    """

    estimate: float
    low: float
    high: float
    questions: int

    @property
    def apart(self) -> bool:
        """Whether the band leaves out zero."""
        return self.low > 0 or self.high < 0


def bands(
    differences: ArrayLike,
    tasks: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    *,
    unit: float = 0.0,
    level: float = 0.95,
    flips: int = FLIPS,
    seed: int = 0,
) -> list[Band]:
    """Means of several differences by question, with bands that hold for all of them at once.

    estimate ± c se, c the level's quantile of the largest studentised deviation, from random signs
    of the centred cluster totals (the wild bootstrap of `contrasts`; Romano & Wolf 2005,
    Econometrica 73:1237), never under Student's for a single one. Clusters lie within tasks.

    Args:
        differences: shape (differences, questions); NaN where a question has none.
        tasks: one label a question; tasks weigh the same. Default one task.
        clusters: one label a question, of what dependent questions share.
        unit: what one more pair that differs would add, so that a band has a width where nothing
            differs: 1 for shares, 0 for measures without such a unit.
        level: coverage of all bands together.
        flips: random signs drawn.
        seed: of the signs.

    Raises:
        ValueError: not a table, or labels that do not fit it.
    """
    d = np.atleast_2d(np.asarray(differences, dtype=float))
    if d.ndim != 2:
        raise ValueError(f"differences have shape {d.shape}: expected (differences, questions)")
    count = d.shape[1]
    task = cluster_ids(np.zeros(count) if tasks is None else tasks, count)
    group = cluster_ids(clusters, count)
    there = ~np.isnan(d)
    blocks = []
    estimate, kept = np.zeros(len(d)), np.zeros(len(d))
    for k in range(int(task.max()) + 1 if count else 0):
        here = np.flatnonzero(task == k)
        n = there[:, here].sum(axis=1)
        mean = np.where(n > 0, np.nansum(d[:, here], axis=1) / np.maximum(n, 1), 0.0)
        rest = np.where(there[:, here], d[:, here] - mean[:, None], 0.0)
        inside = np.unique(group[here], return_inverse=True)[1].reshape(-1)
        blocks.append(_block(rest / np.maximum(n, 1)[:, None], there[:, here], inside))
        estimate += mean
        kept += n > 0
    n = there.sum(axis=1)
    freedom = np.maximum(sum(used for _, used in blocks) - kept, 1)
    variance = np.sum([_spread(rows, used) for rows, used in blocks], axis=0)
    se = np.sqrt(variance) / np.maximum(kept, 1)
    known = {int(f): t_ppf(0.5 + level / 2, int(f)) for f in set(freedom.tolist())}
    single = [known[int(f)] for f in freedom]
    critical = np.maximum(_largest(blocks, level, flips, seed), single)
    half = critical * np.hypot(se, unit / np.maximum(n, 1))
    out = []
    for i in range(len(d)):
        if not n[i]:
            out.append(Band(math.nan, math.nan, math.nan, 0))
            continue
        middle = float(estimate[i] / kept[i])
        reach = float(half[i]) if n[i] > 1 else math.inf
        out.append(Band(middle, middle - reach, middle + reach, int(n[i])))
    return out


def _block(
    share: FloatArray, there: NDArray[np.bool_], inside: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """What each cluster of a task adds to the deviation of its mean, and how many clusters are."""
    groups = int(inside.max()) + 1
    if groups == len(inside):
        return share, there.sum(axis=1).astype(float)
    rows = np.stack([np.bincount(inside, row, groups) for row in share]).astype(float)
    used = np.stack([np.bincount(inside, row, groups) > 0 for row in there])
    return rows, used.sum(axis=1).astype(float)


def _spread(rows: FloatArray, used: FloatArray) -> FloatArray:
    scale = used / np.maximum(used - 1, 1)
    return np.asarray((rows**2).sum(axis=1) * scale)


def _largest(
    blocks: list[tuple[FloatArray, FloatArray]], level: float, flips: int, seed: int
) -> float:
    """Quantile of the largest studentised deviation over rows that vary; 0 where none does."""
    rng = np.random.default_rng(seed)
    clusters = sum(rows.shape[1] for rows, _ in blocks)
    step = max(1, _CELLS // max(1, clusters))
    largest = []
    for start in range(0, flips, step):
        height = min(step, flips - start)
        total, spread = 0.0, 0.0
        for rows, used in blocks:
            width = rows.shape[1]
            bits = rng.integers(0, 256, (height, (width + 7) // 8), dtype=np.uint8)
            signs = np.unpackbits(bits, axis=1, count=width).astype(np.float32) * 2 - 1
            here = (signs @ rows.T.astype(np.float32)).astype(float)
            # Each flip has its own standard error, about its own mean (Romano & Wolf 2005).
            left = (rows**2).sum(axis=1) - here**2 / np.maximum(used, 1)
            total = total + here
            spread = spread + np.maximum(left, 0.0) * used / np.maximum(used - 1, 1)
        safe = np.sqrt(np.maximum(spread, 1e-24))
        largest.append(np.where(np.abs(total) < 1e-12, 0.0, np.abs(total) / safe).max(axis=1))
    reach = np.concatenate(largest) if largest else np.zeros(1)
    return float(np.quantile(reach, level))
