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
        hysteresis: area between the falling and the rising branch of the path over what was heard;
            0 for a path without memory, NaN where the branches share nothing that was heard.
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
        hysteresis=branch_area(
            a[negative - 1 : recovery],
            s[negative - 1 : recovery],
            a[recovery - 1 : end],
            s[recovery - 1 : end],
        ),
    )


def lag_one(path: ArrayLike) -> float:
    """Lag-1 autocorrelation; NaN for a path that does not move."""
    values = np.asarray(path, float)
    centred = values - values.mean()
    size = float((centred**2).sum())
    return float((centred[:-1] * centred[1:]).sum()) / size if size > 1e-12 else math.nan


def branch_area(
    fall_x: ArrayLike, fall_y: ArrayLike, rise_x: ArrayLike, rise_y: ArrayLike
) -> float:
    """Area between two branches of a path over what drove it.

    ``∫ |y_fall(x) − y_rise(x)| dx`` over the x that both branches pass, each branch interpolated
    between its points in order of x. The difference of the branches' integrals is the index of
    Zuecco et al. 2016 (doi 10.1002/hyp.10681), there with its sign and of normalised curves; here
    parts of either sign add up, so that a path that crosses itself does not cancel. Noise of y adds
    to it, too: read it of a noisy path beside that of one without memory.

    Returns:
        At least 0; NaN where the branches share no x.
    """
    (fx, fy), (rx, ry) = _curve(fall_x, fall_y), _curve(rise_x, rise_y)
    low, high = max(fx[0], rx[0]), min(fx[-1], rx[-1])
    if high <= low:
        return math.nan
    x = np.unique(np.concatenate([np.linspace(low, high, 201), fx, rx]))
    x = x[(x >= low) & (x <= high)]
    gap = np.abs(np.interp(x, fx, fy) - np.interp(x, rx, ry))
    return float((np.diff(x) * (gap[1:] + gap[:-1]) / 2).sum())


def _curve(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Points in order of x; those with one x are averaged."""
    places, which = np.unique(np.asarray(x, float), return_inverse=True)
    return places, np.bincount(which, np.asarray(y, float)) / np.bincount(which)
