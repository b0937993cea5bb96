"""Several hypotheses at once: Holm for no false claim at all, Benjamini-Hochberg for few."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class MaxT:
    """Step-down max-T results of several arms against one control.

    Attributes:
        p: p-value of each arm alone, from the same flips.
        adjusted: adjusted for all arms, dependence included.
        flips: random flips used.
    """

    p: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    flips: int


def max_t(totals: ArrayLike, flips: int = 10_000, seed: int = 0) -> MaxT:
    """Step-down max-T: keeps the chance of any false claim and uses how alike the arms are.

    Every cluster's differences of all arms change sign together, which leaves their dependence as
    it is; T is each arm's sum over the root of its sum of squares (Westfall & Young 1993,
    algorithm 4.1; Ge, Dudoit & Speed 2003, Test 12:1). Valid where, without an effect, the sign of
    a cluster's whole row of differences is arbitrary; arms that share a control meet this in good
    approximation. The observed arrangement is counted as one of the flips, so that no p-value is
    below 1/(flips + 1).

    Args:
        totals: difference from the control of each arm in each cluster, shape (arms, clusters).
        flips: random flips.
        seed: of the flips.

    Raises:
        ValueError: not a table.
    """
    table = np.asarray(totals, dtype=float)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"totals have shape {table.shape}: expected (arms, clusters)")
    scale = np.sqrt((table**2).sum(axis=1))
    unit = table / np.where(scale > 0, scale, 1.0)[:, None]
    observed = np.abs(unit.sum(axis=1))
    order = np.argsort(-observed, kind="stable")
    rng = np.random.default_rng(seed)
    alone = np.ones(len(table))
    beyond = np.ones(len(table))
    step = max(1, 4_000_000 // table.shape[1])
    for start in range(0, flips, step):
        signs = rng.integers(0, 2, (min(step, flips - start), table.shape[1])) * 2.0 - 1.0
        drawn = np.abs(signs @ unit.T)
        alone += (drawn >= observed - 1e-12).sum(axis=0)
        # maxima over an arm and all arms that were less significant
        rest = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]
        beyond += (rest >= observed[order] - 1e-12).sum(axis=0)
    adjusted = np.empty(len(table))
    adjusted[order] = np.maximum.accumulate(beyond / (flips + 1))
    return MaxT(alone / (flips + 1), adjusted, flips)
