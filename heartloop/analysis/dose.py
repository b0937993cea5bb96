"""Dose and response: does an outcome rise or fall with the strength of what was said?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heartloop.analysis.frames import Mean, mean_over


def slope_over(doses: ArrayLike, outcomes: ArrayLike, level: float = 0.95) -> Mean:
    """Mean over items of each item's least-squares slope on the dose, with a t interval.

    Every item is its own control: what is easy or hard about it is in its own level and not in
    its slope. Items without at least two different doses are left out.

    Args:
        doses: shape (doses,).
        outcomes: shape (items, doses) or (items, doses, seeds), NaN where there is none; the seeds
            of an item are averaged dose by dose.
        level: coverage.

    Returns:
        The slope, in outcome per step of dose.

    Raises:
        ValueError: shapes that differ.
    """
    x, y = np.asarray(doses, float), np.asarray(outcomes, float)
    if y.ndim == 3:
        with np.errstate(invalid="ignore"):
            counts = (~np.isnan(y)).sum(axis=2)
            y = np.where(counts > 0, np.nansum(y, axis=2) / np.maximum(counts, 1), np.nan)
    if y.ndim != 2 or y.shape[1] != len(x):
        raise ValueError(f"outcomes {y.shape} do not fit {len(x)} doses")
    slopes = []
    for row in y:
        there = ~np.isnan(row)
        spread = x[there] - x[there].mean() if there.any() else x[:0]
        size = float((spread**2).sum())
        slopes.append(float(spread @ row[there]) / size if size > 0 else np.nan)
    return mean_over(slopes, level)
