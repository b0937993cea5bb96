"""Measures of a trajectory through a bad stretch and a recovery.

Definitions are heartloop's own (those of Subaharan 2026, arXiv 2601.16087, are not published).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

BACK = 0.1
"""Recovered: within this share of the depth from the level before."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What one trajectory did; NaN where it cannot be said.

    Attributes:
        coherence: lag-1 autocorrelation of the path: 1 moves smoothly, 0 jumps at random.
        delay: turns from the beginning of the bad stretch until half of the way down is gone.
        recovery: turns from the beginning of the recovery until the path is back within a tenth
            of the depth from its level before; inf where it never is.
        overshoot: how far the path goes beyond everything that was heard, up or down.
        hysteresis: area of the loop that the path draws over what was heard, from the last quiet
            turn to the end of the recovery; 0 for a path without memory.
    """

    coherence: float
    delay: float
    recovery: float
    overshoot: float
    hysteresis: float


def measures(path: ArrayLike, heard: ArrayLike, negative: int, recovery: int, end: int) -> Measures:
    """The measures of one path.

    Args:
        path: valence by turn, shape (turns,).
        heard: valence of what moved it, by turn.
        negative: first turn of the bad stretch.
        recovery: first turn of the recovery.
        end: first turn behind the recovery.

    Raises:
        ValueError: shapes that differ, or stretches out of order.
    """
    s, a = np.asarray(path, float), np.asarray(heard, float)
    if s.shape != a.shape or s.ndim != 1:
        raise ValueError(f"path {s.shape} and what was heard {a.shape} differ")
    if not 0 < negative < recovery < end <= len(s):
        raise ValueError(f"stretches {negative}, {recovery}, {end} of {len(s)} turns")
    base = float(s[:negative].mean())
    depth = base - float(s[negative:end].min())
    delay = back = math.nan
    if depth > 1e-9:
        down = np.flatnonzero(s[negative:end] <= base - depth / 2)
        delay = float(down[0])
        up = np.flatnonzero(s[recovery:] >= base - BACK * depth)
        back = float(up[0]) if len(up) else math.inf
    return Measures(
        coherence=lag_one(s),
        delay=delay,
        recovery=back,
        overshoot=max(0.0, float(s.max() - a.max()), float(a.min() - s.min())),
        hysteresis=loop_area(a[negative - 1 : end], s[negative - 1 : end]),
    )


def lag_one(path: ArrayLike) -> float:
    """Lag-1 autocorrelation; NaN for a path that does not move."""
    values = np.asarray(path, float)
    centred = values - values.mean()
    size = float((centred**2).sum())
    return float((centred[:-1] * centred[1:]).sum()) / size if size > 1e-12 else math.nan


def loop_area(x: ArrayLike, y: ArrayLike) -> float:
    """Area inside of the closed path through the points (shoelace formula), turns counted once."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    return abs(float((a * np.roll(b, -1) - np.roll(a, -1) * b).sum())) / 2
