"""One item in several frames: does the way it is told change what is decided?

Arrays are (items, frames, seeds); the frames and seeds of an item are one cluster. A frame is held
against the base frame on the same item and seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import t_ppf
from heartloop.analysis.paired import cohens_h, pair_table, paired_bootstrap
from heartloop.analysis.proportions import Interval, cluster_interval
from heartloop.analysis.score import Equivalence, score_interval, tost

HUMAN_H = 0.3
"""The low end of what Chun & Elkins 2026 (arXiv 2601.21439) give for people, h in [0.3, 0.8]."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over clusters with a t interval; NaN limits with fewer than two clusters."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Shift:
    """A share in a frame against the same share in the base frame.

    Attributes:
        base, share: the two shares of the same pairs.
        pairs: items × seeds that count in both.
        difference, low, high: share minus base, with its score interval.
        h, h_low, h_high: Cohen's h with its bootstrap interval (over items).
        equivalence: two one-sided tests against the margin.
    """

    base: float
    share: float
    pairs: int
    difference: float
    low: float
    high: float
    h: float
    h_low: float
    h_high: float
    equivalence: Equivalence

    @property
    def verdict(self) -> str:
        """``moved``: the interval excludes 0; ``same``: equivalent; ``both``; ``open``: neither."""
        moved = self.low > 0 or self.high < 0
        if moved and self.equivalence.equivalent:
            return "both"
        return "moved" if moved else "same" if self.equivalence.equivalent else "open"


@dataclass(frozen=True, slots=True)
class FrameEffect:
    """What one frame does.

    Attributes:
        frame: its name.
        flips: share of pairs whose decision differs from that in the base frame.
        again: share of pairs whose decision differs when the base prompt is asked again: what
            flips without any frame; None where nothing was asked again.
        right: the share of right decisions, of all that were asked.
        toward: the share of decisions of one kind (granted; the person's own), of pairs that are
            decided in both frames; None where the task names no kind.
        confidence: mean change of the stated confidence, 0 to 1; None where none is stated.
        robustness: ``reference / |h|`` of ``toward`` (else of ``right``); inf where h is 0.
        robustness_low: the same with the end of h's interval that is farther from 0: at least this.
        level: coverage of each interval, such that all frames hold together (Bonferroni).
    """

    frame: str
    flips: Interval
    again: Interval | None
    right: Shift
    toward: Shift | None
    confidence: Mean | None
    robustness: float
    robustness_low: float
    level: float


def frame_effects(
    decisions: ArrayLike,
    right: ArrayLike,
    frames: Sequence[str],
    *,
    base: int = 0,
    toward: ArrayLike | None = None,
    confidence: ArrayLike | None = None,
    again: ArrayLike | None = None,
    margin: float = 0.03,
    level: float = 0.95,
    reference: float = HUMAN_H,
    draws: int = 4000,
    seed: int = 0,
) -> tuple[FrameEffect, ...]:
    """What each frame does, against the base frame.

    Args:
        decisions: object array (items, frames, seeds): what was decided; None where nothing was.
        right: codes of `heartloop.analysis`, same shape.
        frames: names, in the order of the second axis.
        base: which of them the others are held against.
        toward: bool, same shape: the decision is of the kind that a frame may pull towards.
        confidence: float, same shape, 0 to 1, NaN where none was stated.
        again: decisions of the same prompts asked once more, same shape.
        margin: half-width of equivalence, a share.
        level: coverage that all frames' intervals have together.
        reference: the effect size that robustness is counted in.
        draws: bootstrap resamples.
        seed: of the resampling.

    Raises:
        ValueError: shapes that differ, or fewer than two frames.
    """
    made = np.asarray(decisions, object)
    codes = np.asarray(right, np.int8)
    if made.shape != codes.shape or made.ndim != 3 or made.shape[1] != len(frames):
        raise ValueError(f"decisions {made.shape}, right {codes.shape}, {len(frames)} frames")
    if len(frames) < 2:
        raise ValueError("a frame is held against another: at least two are needed")
    each = 1 - (1 - level) / (len(frames) - 1)
    decided = _given(made)
    asked = codes > -2
    noise = None
    if again is not None:
        other = np.asarray(again, object)
        both = (decided & _given(other))[:, base]
        noise = _share(both & (made[:, base] != other[:, base]), both, each)
    effects = []
    for f, name in enumerate(frames):
        if f == base:
            continue
        pairs = decided[:, f] & decided[:, base]
        keep = asked[:, f] & asked[:, base]
        gained = _shift(codes[:, f] == 1, codes[:, base] == 1, keep, margin, each, draws, seed)
        pulled = None
        if toward is not None:
            kind = np.asarray(toward, bool)
            pulled = _shift(kind[:, f], kind[:, base], pairs, margin, each, draws, seed)
        drift = None
        if confidence is not None:
            stated = np.asarray(confidence, float)
            drift = mean_over(stated[:, f] - stated[:, base], each)
        told = pulled if pulled is not None else gained
        farthest = max(abs(told.h), abs(told.h_low), abs(told.h_high))
        effects.append(
            FrameEffect(
                frame=name,
                flips=_share(pairs & (made[:, f] != made[:, base]), pairs, each),
                again=noise,
                right=gained,
                toward=pulled,
                confidence=drift if drift is not None and drift.n else None,
                robustness=reference / abs(told.h) if told.h else math.inf,
                robustness_low=reference / farthest if farthest else math.inf,
                level=each,
            )
        )
    return tuple(effects)


def _given(decisions: NDArray[np.object_]) -> NDArray[np.bool_]:
    return np.array([one is not None for one in decisions.flat], bool).reshape(decisions.shape)


def _share(hits: NDArray[np.bool_], of: NDArray[np.bool_], level: float) -> Interval:
    return cluster_interval(hits.sum(axis=1), of.sum(axis=1), level)[0]


def _shift(
    there: NDArray[np.bool_],
    here: NDArray[np.bool_],
    keep: NDArray[np.bool_],
    margin: float,
    level: float,
    draws: int,
    seed: int,
) -> Shift:
    table = pair_table(there, here, keep)
    low, high = score_interval(table, level)
    nan = math.nan
    share = (table.both + table.only_a) / table.n if table.n else nan
    base = (table.both + table.only_b) / table.n if table.n else nan
    boot = paired_bootstrap(there, here, keep, draws=draws, seed=seed, level=level)
    h_low, h_high = boot.h_low, boot.h_high
    if table.n and not table.only_a + table.only_b:
        # Nothing differs, so a bootstrap sees no spread: take the h of the score limits instead.
        h_low = cohens_h(max(0.0, base + low), base)
        h_high = cohens_h(min(1.0, base + high), base)
    return Shift(
        base=base,
        share=share,
        pairs=table.n,
        difference=table.difference,
        low=low,
        high=high,
        h=cohens_h(share, base) if table.n else nan,
        h_low=h_low,
        h_high=h_high,
        equivalence=tost(table, margin),
    )


def mean_over(values: ArrayLike, level: float = 0.95) -> Mean:
    """Mean of the items' means with a t interval; NaN cells are left out.

    Args:
        values: shape (items,) or (items, seeds).
        level: coverage.
    """
    matrix = np.asarray(values, float)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    rows = [row[~np.isnan(row)] for row in matrix]
    means = np.array([row.mean() for row in rows if row.size])
    if means.size < 2:
        value = float(means[0]) if means.size else math.nan
        return Mean(value, math.nan, math.nan, int(means.size))
    half = t_ppf(0.5 + level / 2, means.size - 1) * means.std(ddof=1) / math.sqrt(means.size)
    value = float(means.mean())
    return Mean(value, value - half, value + half, int(means.size))
