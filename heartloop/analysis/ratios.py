"""Figures that are a ratio of two sums over questions, F and shares of the judged among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of sums and its difference to another arm's; None where it is not defined.

    Attributes:
        value, low, high: of the arm.
        difference, difference_low, difference_high: arm minus control, paired by question.
    """

    value: float | None
    low: float | None
    high: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None


def ratios(
    tops: ArrayLike,
    bottoms: ArrayLike,
    control: int,
    clusters: ArrayLike,
    level: float = 0.95,
    draws: int = 2_000,
    seed: int = 0,
) -> list[Ratio]:
    """Ratios of sums for several arms, with paired percentile-bootstrap intervals.

    F, the harmonic mean of correct / attempted and correct / all, is 2 C / (all + attempted), so
    it is such a ratio, too. Questions (clusters) are resampled, all arms together.

    Args:
        tops: what each question adds to the upper sum, shape (arms, questions).
        bottoms: the same for the lower sum.
        control: row of the control.
        clusters: one label a question.
        level: coverage.
        draws: resamples.
        seed: of the resampling.

    Returns:
        One an arm; the control's own difference is None.
    """
    top, bottom = np.asarray(tops, dtype=float), np.asarray(bottoms, dtype=float)
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
    groups = int(codes.max()) + 1
    sums = [np.stack([np.bincount(codes, row, groups) for row in table]) for table in (top, bottom)]
    rng = np.random.default_rng(seed)
    times = rng.multinomial(groups, np.full(groups, 1 / groups), draws).astype(float)
    drawn = _ratio(times @ sums[0].T, times @ sums[1].T)  # (draws, arms)
    point = _ratio(top.sum(axis=1), bottom.sum(axis=1))
    tails = [50 * (1 - level), 50 * (1 + level)]

    def limits(values: FloatArray) -> tuple[float | None, float | None]:
        known = values[~np.isnan(values)]
        if len(known) < draws / 2:
            return None, None
        low, high = np.percentile(known, tails)
        return float(low), float(high)

    out = []
    for i in range(len(top)):
        value = None if np.isnan(point[i]) else float(point[i])
        gap = point[i] - point[control]
        if i == control or np.isnan(gap):
            out.append(Ratio(value, *limits(drawn[:, i]), None, None, None))
            continue
        spread = limits(drawn[:, i] - drawn[:, control])
        out.append(Ratio(value, *limits(drawn[:, i]), float(gap), *spread))
    return out


def _ratio(top: FloatArray, bottom: FloatArray) -> FloatArray:
    safe = np.where(bottom > 0, bottom, 1.0)
    return np.asarray(np.where(bottom > 0, top / safe, np.nan))
