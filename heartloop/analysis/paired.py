"""Paired comparison of two arms on the questions they share: counts, tests, bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis._special import binom_pmf, norm_cdf, norm_ppf, t_cdf, t_ppf
from heartloop.analysis.proportions import cluster_ids

FloatArray = NDArray[np.float64]

_CHUNK = 4_000_000  # cells of the largest temporary array: 32 MB of doubles


@dataclass(frozen=True, slots=True)
class PairTable:
    """Counts of pairs by outcome, and how alike pairs within a cluster are.

    Attributes:
        both: right in both arms.
        only_a: right in the first arm only.
        only_b: right in the second arm only.
        neither: right in none.
        clusters: number of independent groups.
        design_effect: variance of the difference over that of independent pairs, at least 1.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    clusters: int
    design_effect: float

    @property
    def n(self) -> int:
        """Number of pairs."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Share right in the first arm minus that in the second; NaN without pairs."""
        return (self.only_a - self.only_b) / self.n if self.n else math.nan

    @property
    def discordance(self) -> float:
        """Share of pairs that differ; NaN without pairs."""
        return (self.only_a + self.only_b) / self.n if self.n else math.nan


@dataclass(frozen=True, slots=True)
class PValues:
    """Two-sided p-values of a test that conditions on what was discordant.

    Attributes:
        p: the exact p-value, P(|T| >= |t|): never too small, often too large.
        mid_p: counts the observed value half: close to its nominal level.
    """

    p: float
    mid_p: float


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Percentile intervals and a p-value from resampled clusters.

    Attributes:
        low, high: limits of the difference.
        p: two-sided, from the share of draws beyond 0 (draws at 0 count half, none counts as 1).
        se: standard deviation of the draws.
        h_low, h_high: limits of Cohen's h.
        draws: number of resamples.
    """

    low: float
    high: float
    p: float
    se: float
    h_low: float
    h_high: float
    draws: int


def pair_table(
    a: ArrayLike, b: ArrayLike, mask: ArrayLike | None = None, clusters: ArrayLike | None = None
) -> PairTable:
    """Count pairs and their clustering.

    The design effect is the cluster-robust variance of the difference (Σ of squared centred
    cluster totals, G/(G-1)) over ``b + c - (b-c)²/N``; at least 1, and 1 where nothing differs.

    Args:
        a: whether the first arm was right, shape (questions,) or (questions, seeds).
        b: the same for the second arm.
        mask: pairs to count, same shape; default all.
        clusters: one label a question; default each question its own.

    Raises:
        ValueError: shapes that differ.
    """
    totals, counts, x, y, keep = _cluster_totals(a, b, mask, clusters)
    only_a, only_b = int((x & ~y & keep).sum()), int((y & ~x & keep).sum())
    both, n = int((x & y & keep).sum()), int(keep.sum())
    groups, disc = len(counts), only_a + only_b
    deff = 1.0
    if 1 < groups < n and disc:
        mean = (only_a - only_b) / n
        robust = groups / (groups - 1) * float(((totals - mean * counts) ** 2).sum())
        plain = disc - (only_a - only_b) ** 2 / n
        deff = max(1.0, robust / plain) if plain > 0 else n / groups
    return PairTable(both, only_a, only_b, n - both - disc, groups, deff)


def _pairs(
    a: ArrayLike, b: ArrayLike, mask: ArrayLike | None, clusters: ArrayLike | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64], int]:
    x, y = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if x.ndim == 1:
        x = x[:, None]
    if y.ndim == 1:
        y = y[:, None]
    keep = np.ones_like(x) if mask is None else np.asarray(mask, dtype=bool).reshape(x.shape)
    if x.shape != y.shape or x.ndim != 2:
        raise ValueError(f"arms have shapes {x.shape} and {y.shape}: pairs need the same questions")
    ids = cluster_ids(clusters, x.shape[0])
    return x, y, keep, ids, int(ids.max()) + 1 if len(ids) else 0


def _cluster_totals(
    a: ArrayLike, b: ArrayLike, mask: ArrayLike | None, clusters: ArrayLike | None
) -> tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]
]:
    x, y, keep, ids, groups = _pairs(a, b, mask, clusters)
    signed = (x & ~y & keep).sum(axis=1) - (y & ~x & keep).sum(axis=1)
    totals = np.rint(np.bincount(ids, signed, groups)).astype(np.int64)
    counts = np.rint(np.bincount(ids, keep.sum(axis=1), groups)).astype(np.int64)
    return totals[counts > 0], counts[counts > 0], x, y, keep


def cluster_differences(
    a: ArrayLike, b: ArrayLike, mask: ArrayLike | None = None, clusters: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Sum of (right in a) - (right in b) of each cluster: what :func:`permutation_test` takes.

    Arguments as in :func:`pair_table`; clusters without a counted pair are left out.
    """
    return _cluster_totals(a, b, mask, clusters)[0]


def mcnemar(only_a: int, only_b: int) -> PValues:
    """Exact and mid-p McNemar test on the discordant pairs of independent questions.

    Under equality the smaller count is Binomial(b + c, 1/2): ``p = min(1, 2 P(X <= min))``
    (McNemar 1947; exact form Mosteller 1952) and ``mid-p = p - P(X = min)``, 1 for b = c
    (Fagerland, Lydersen & Laake 2013, BMC Med. Res. Methodol. 13:91). Exact never rejects too
    often and often far too rarely; mid-p keeps close to its level. Pairs of one question under
    several seeds are not independent: use :func:`permutation_test`.

    Args:
        only_a: pairs right in the first arm only.
        only_b: pairs right in the second arm only.
    """
    m, low = only_a + only_b, min(only_a, only_b)
    if only_a == only_b:
        point = float(binom_pmf(m, 0.5)[low])
        return PValues(1.0, 1.0 if m == 0 else 1.0 - 0.5 * point)
    pmf = binom_pmf(m, 0.5)
    tail = float(pmf[: low + 1].sum())
    return PValues(min(1.0, 2.0 * tail), min(1.0, 2.0 * tail - float(pmf[low])))


def permutation_test(totals: ArrayLike, draws: int = 10_000, seed: int = 0) -> PValues:
    """Sign-flip permutation test: under equality each cluster's difference may change sign.

    For whole numbers (differences of counts of right answers) the null distribution of Σ ±|d| is
    computed exactly, by convolving one binomial for each distinct |d|; with one pair a cluster
    this is the exact McNemar test. Otherwise ``draws`` random flips are used and the observed
    arrangement is counted as one of them (Phipson & Smyth 2010).

    Args:
        totals: difference of each cluster (:func:`cluster_differences`), shape (clusters,).
        draws: random flips, only for differences that are not whole numbers.
        seed: of those flips.
    """
    d = np.asarray(totals, dtype=float)
    sizes, observed = np.abs(d[d != 0]), abs(float(d.sum()))
    if sizes.size == 0:
        return PValues(1.0, 1.0)
    if np.array_equal(sizes, np.rint(sizes)) and sizes.sum() <= 2_000_000:
        values, counts = np.unique(sizes.astype(np.int64), return_counts=True)
        values = values // np.gcd.reduce(values)
        pmf = np.ones(1)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            spread = np.zeros(value * count + 1)
            spread[::value] = binom_pmf(count, 0.5)
            pmf = _convolve(pmf, spread)
        # pmf[k] belongs to the sum 2k - R, R the largest sum
        largest = len(pmf) - 1
        unit = float(sizes.sum()) / largest
        at = round((largest - observed / unit) / 2)
        if observed == 0:
            point = float(pmf[largest // 2]) if largest % 2 == 0 else 0.0
            return PValues(1.0, 1.0 - 0.5 * point)
        tail = float(pmf[: at + 1].sum())
        return PValues(min(1.0, 2.0 * tail), min(1.0, max(0.0, 2.0 * tail - float(pmf[at]))))
    rng = np.random.default_rng(seed)
    beyond = ties = 0
    tolerance = 1e-9 * float(sizes.sum())
    rows = max(1, _CHUNK // sizes.size)
    for start in range(0, draws, rows):
        flips = rng.integers(0, 2, (min(rows, draws - start), sizes.size), dtype=np.int8)
        sums = np.abs(2.0 * (flips @ sizes) - sizes.sum())
        beyond += int((sums > observed + tolerance).sum())
        ties += int((np.abs(sums - observed) <= tolerance).sum())
    return PValues(
        (beyond + ties + 1) / (draws + 1), min(1.0, (beyond + 0.5 * ties + 0.5) / (draws + 1))
    )


def _convolve(a: FloatArray, b: FloatArray) -> FloatArray:
    if min(len(a), len(b)) < 64 or len(a) * len(b) < 4_000_000:
        return np.convolve(a, b)
    size = len(a) + len(b) - 1
    padded = 1 << (size - 1).bit_length()
    out = np.fft.irfft(np.fft.rfft(a, padded) * np.fft.rfft(b, padded), padded)[:size]
    return np.maximum(out, 0.0)


def cohens_h(p1: float, p2: float) -> float:
    """Effect size of two shares, ``2 asin sqrt(p1) - 2 asin sqrt(p2)`` (Cohen 1988, ch. 6).

    About .2 is called small, .5 medium, .8 large; unlike the difference in points it does not
    shrink near 0 and 1.
    """
    return 2.0 * math.asin(math.sqrt(p1)) - 2.0 * math.asin(math.sqrt(p2))


def resample_sums(
    rows: ArrayLike, draws: int = 10_000, seed: int = 0, groups: int | None = None
) -> FloatArray:
    """Sums over clusters drawn with replacement, the engine of every bootstrap here.

    Clusters with the same row are the same to the sum, so the distinct rows are drawn with one
    multinomial a resample: the cost is draws x distinct rows, whatever the number of clusters.
    With too many distinct rows, clusters are drawn by index. Both work in chunks of 32 MB.

    Args:
        rows: what each cluster adds, shape (clusters, columns).
        draws: resamples.
        seed: of the resampling.
        groups: clusters in a resample; default as many as there are.

    Returns:
        Shape (draws, columns).
    """
    table = np.asarray(rows, dtype=float)
    size = len(table) if groups is None else groups
    rng = np.random.default_rng(seed)
    out = np.zeros((draws, table.shape[1]))
    if not len(table):
        return out
    kinds, counts = np.unique(table, axis=0, return_counts=True)
    by_kind = len(kinds) <= max(16, len(table) // 8)
    step = max(1, _CHUNK // (len(kinds) if by_kind else size))
    for start in range(0, draws, step):
        part = slice(start, min(start + step, draws))
        height = part.stop - part.start
        if by_kind:
            out[part] = rng.multinomial(size, counts / counts.sum(), height) @ kinds
        else:
            picks = rng.integers(0, len(table), (height, size), dtype=np.int32)
            for column in range(table.shape[1]):
                out[part, column] = table[:, column][picks].sum(axis=1)
    return out


def paired_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    mask: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    draws: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Bootstrap:
    """Paired bootstrap over questions, or over clusters where they are given.

    Both arms of a resampled cluster stay together (Efron & Tibshirani 1993, ch. 8 and 13);
    percentile limits, expanded for small samples (Hesterberg 2015, Am. Stat. 69:371): the tail is
    Φ(-sqrt(m/(m-1)) t_{m-1}), m the clusters whose arms differ, because only they say anything
    about the sign. NaN limits where there is no pair.

    Args:
        a: as in :func:`pair_table`; likewise the next three.
        b: the second arm.
        mask: pairs to count.
        clusters: one label a question.
        draws: resamples; 100,000 pairs x 10,000 draws take seconds and less than 200 MB.
        seed: of the resampling.
        level: coverage.
    """
    x, y, keep, ids, groups = _pairs(a, b, mask, clusters)
    if not keep.any():
        return Bootstrap(*(math.nan,) * 6, draws)
    rows = np.stack(
        [np.bincount(ids, part.sum(axis=1), groups) for part in (x & keep, y & keep, keep)], axis=1
    )
    sums = resample_sums(rows[rows[:, 2] > 0], draws, seed)
    pa, pb = sums[:, 0] / sums[:, 2], sums[:, 1] / sums[:, 2]
    difference = pa - pb
    h = 2 * np.arcsin(np.sqrt(pa)) - 2 * np.arcsin(np.sqrt(pb))
    informative = int((rows[:, 0] != rows[:, 1]).sum())
    tail = _expanded(level, informative)
    tails = [tail, 1 - tail]
    below = float((difference < 0).mean() + 0.5 * (difference == 0).mean())
    low, high = np.quantile(difference, tails)
    h_low, h_high = np.quantile(h, tails)
    return Bootstrap(
        low=float(low),
        high=float(high),
        p=_expanded_p(max(2 * min(below, 1 - below), 1 / draws), informative),
        se=float(difference.std(ddof=1)),
        h_low=float(h_low),
        h_high=float(h_high),
        draws=draws,
    )


def _expanded(level: float, informative: int) -> float:
    """Tail share of the expanded percentile interval: Φ(-sqrt(m/(m-1)) t), at most a tail."""
    m = informative
    if m < 2:
        return 0.0
    return norm_cdf(-math.sqrt(m / (m - 1)) * t_ppf(0.5 + level / 2, m - 1))


def _expanded_p(p: float, informative: int) -> float:
    """The two-sided p-value that goes with :func:`_expanded`."""
    m = informative
    if m < 2 or p >= 1.0:
        return 1.0
    return min(1.0, 2 * t_cdf(norm_ppf(p / 2) / math.sqrt(m / (m - 1)), m - 1))
