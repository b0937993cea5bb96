"""Several hypotheses at once: Holm for no false claim at all, Benjamini-Hochberg for few."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _checked(p_values: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or (p.size and not ((p >= 0) & (p <= 1)).all()):
        raise ValueError("p-values must be one row of numbers in [0, 1]")
    return p


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values that keep the chance of any false claim, under any dependence.

    Sorted ascending, ``max over j <= i of (m - j) p_(j)``, j from 0, capped at 1
    (Holm 1979, Scand. J. Stat. 6:65).

    Raises:
        ValueError: not a row of probabilities.
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    out = np.empty_like(p)
    out[order] = np.minimum(1.0, steps)
    return out


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values that keep the expected share of false claims among the claims.

    Sorted ascending, ``min over j >= i of m p_(j) / j``, j from 1, capped at 1 (Benjamini &
    Hochberg 1995, JRSS B 57:289); for independent or positively dependent tests, which arms that
    share a control are.

    Raises:
        ValueError: not a row of probabilities.
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")[::-1]
    ranks = np.arange(len(p), 0, -1)
    steps = np.minimum.accumulate(p[order] * len(p) / np.maximum(ranks, 1))
    out = np.empty_like(p)
    out[order] = np.minimum(1.0, steps)
    return out
